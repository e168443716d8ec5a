"""The language of the page: texts by name, and times and durations as people read them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from gitops.status_page.texts.release_texts import RELEASE_TEXTS
from gitops.status_page.texts.status_texts import STATUS_TEXTS

LANGUAGES = ("en", "zh")
TEXTS = {**STATUS_TEXTS, **RELEASE_TEXTS}
"""Every text of the page by its name."""

_STEPS = (("d", 2 * 86_400, 86_400), ("h", 2 * 3_600, 3_600), ("m", 120, 60), ("s", 5, 1))
"""Unit, the seconds from which on it is used, its length in seconds. page.js has the same table."""


@dataclass(frozen=True, slots=True)
class Language:
    """`code` is one of LANGUAGES."""

    code: str

    @property
    def tag(self) -> str:
        """The tag for the lang attribute of HTML (BCP 47)."""
        return "zh-Hans" if self.code == "zh" else "en"

    @property
    def other(self) -> str:
        return "en" if self.code == "zh" else "zh"

    def text(self, name: str, **values: object) -> str:
        """Raises KeyError for a name that TEXTS does not have, which is an error in a template."""
        found = TEXTS[name]
        return (found.zh if self.code == "zh" else found.en).format(**values)

    def known(self, name: str) -> str:
        """Like `text`, but empty for a name that TEXTS does not have."""
        return self.text(name) if name in TEXTS else ""

    def ago(self, then: datetime, now: datetime) -> str:
        seconds = int((now - then).total_seconds())
        unit, length = next(((name, size) for name, start, size in _STEPS if seconds >= start), ("now", 1))
        return self.text(f"ago.{unit}", n=seconds // length)


def absolute(moment: datetime) -> str:
    """The time for people, in seconds: 2026-03-01 09:30:05 UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine(moment: datetime) -> str:
    """RFC 3339 in UTC, for `<time datetime>` and JSON."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def duration(seconds: float) -> str:
    """The two largest units: 12 ms, 1.24 s, 20 s, 3 min 20 s, 1 h, 2 d."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds == round(seconds) else f"{seconds:.2f} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    first = next(index for index, (_, length) in enumerate(units) if seconds >= length)
    rest, parts = round(seconds), []
    for unit, length in units[first : first + 2]:
        count, rest = divmod(rest, length)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts)
