"""What every template gets besides its data: the reader's language, the mode, the moment, and addresses."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from flask import Request, url_for

from gitops.core.parsing.models import is_name
from gitops.status_page.safe_text import web_address
from gitops.status_page.texts.language import LANGUAGES, Language, absolute, duration, machine
from gitops.status_page.views.overlay import HEALTH_TONES, MISSING_TONES, SYNC_TONES, StatusTone, commit_id

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHORT = 12
_TONES = {
    **{str(word): tone for word, tone in SYNC_TONES.items()},
    **{str(word): tone for word, tone in HEALTH_TONES.items()},
    "Stalled": StatusTone.BAD,
    "Drifted": StatusTone.WARN,
    "Reconciling": StatusTone.BUSY,
    **MISSING_TONES,
}


@dataclass(frozen=True, slots=True)
class Frame:
    """`kept` is what links carry on of the query: the language when the address asked for it, and the kiosk mode.

    `build` changes when the assets do; open pages then load themselves anew.
    """

    language: Language
    kept: dict[str, str]
    now: datetime
    build: str
    commit_url: str = field(default="", repr=False)

    @property
    def kiosk(self) -> bool:
        """A wall screen: bigger, and nothing to click on."""
        return "kiosk" in self.kept

    def t(self, name: str, **values: object) -> str:
        return self.language.text(name, **values)

    def beside(self, word: str, family: str = "word") -> str:
        """The translation that stands beside a word of the field; empty where there is none."""
        return self.language.known(f"{family}.{word}")

    def tone(self, word: object) -> StatusTone:
        return _TONES.get(str(word), StatusTone.OFF)

    def waived(self, what: str) -> str:
        """The name of an exception: a gate, or what was let in, in the short form of an image or a commit."""
        if what == "rollback":
            return self.t("deed.rollback")
        said = what or self.t("waived.unnamed")
        if _DIGEST.fullmatch(what):
            said = self.t("waived.image", id=what.removeprefix("sha256:")[:_SHORT])
        elif commit_id(what):
            said = self.t("waived.base", id=what[:_SHORT])
        return f"{self.t('waived')}: {said}"

    def ago(self, moment: datetime) -> str:
        return self.language.ago(moment, self.now)

    def absolute(self, moment: datetime) -> str:
        return absolute(moment)

    def machine(self, moment: datetime) -> str:
        return machine(moment)

    def duration(self, seconds: float) -> str:
        return duration(seconds)

    def to(self, endpoint: str, **values: str) -> str:
        """The address of a page of ours, in the reader's language and mode."""
        return self.data(endpoint, **self.kept, **values)

    def data(self, endpoint: str, **values: str) -> str:
        """The address of something that has neither language nor mode: JSON, assets."""
        return url_for(f"status_page.{endpoint}", _external=False, **values)

    def overlay(self, name: str) -> str:
        """The address of an overlay's page."""
        return self.to("overlay", **_parts(name))

    def overlay_data(self, name: str) -> str:
        return self.data("api_overlay", **_parts(name))

    def images(self, service: str, short: str = "") -> str:
        """The address of a service's images, at one of them; empty where nothing is clicked and for no name."""
        if self.kiosk or not is_name(service):
            return ""
        return self.to("images", service=service) + (f"#image-{short}" if short else "")

    def commit(self, commit: str) -> str:
        """The address of a commit on the git host; empty when there is none that a browser may be sent to."""
        if self.kiosk or not commit or "{commit}" not in self.commit_url:
            return ""
        return web_address(self.commit_url.replace("{commit}", commit))


def frame(request: Request, *, now: datetime, build: str, commit_url: str = "") -> Frame:
    """The language is the one in the address (`?lang=zh`), else the browser's first that we have, else English."""
    asked = request.args.get("lang", "")
    kept = {"lang": asked} if asked in LANGUAGES else {}
    code = kept.get("lang") or request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]
    if request.args.get("kiosk") == "1":
        kept["kiosk"] = "1"
    return Frame(Language(code), kept, now, build, commit_url)


def _parts(overlay: str) -> dict[str, str]:
    environment, _, service = overlay.partition("/")
    return {"environment": environment, **({"service": service} if service else {})}
