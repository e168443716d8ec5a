"""The context of every template, called `f` there: the reader's language, the kiosk mode, the time, and links."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from flask import Request, url_for

from gitops.core.parsing.models import is_name
from gitops.status_page.safe_text import web_address
from gitops.status_page.texts.language import LANGUAGES, Language, absolute, duration, machine
from gitops.status_page.views.identifiers import commit_id
from gitops.status_page.views.tones import HEALTH_TONES, MISSING_TONES, SYNC_TONES, StatusTone

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
class PageContext:
    """`kept` are the query parameters that links carry on: `lang` if the address has it, and `kiosk`.

    `build` changes when the assets change; open pages then reload themselves.
    """

    language: Language
    kept: dict[str, str]
    now: datetime
    build: str
    commit_url: str = field(default="", repr=False)

    @property
    def kiosk(self) -> bool:
        """The mode for a wall screen: larger text and no links."""
        return "kiosk" in self.kept

    def t(self, name: str, **values: object) -> str:
        return self.language.text(name, **values)

    def translation(self, word: str, family: str = "word") -> str:
        """The translation that is shown beside an English term such as Synced; empty if there is none."""
        return self.language.known(f"{family}.{word}")

    def tone(self, word: object) -> StatusTone:
        return _TONES.get(str(word), StatusTone.OFF)

    def waiver_name(self, what: str) -> str:
        """Names an exception: a gate, or the digest or commit without a proof, in its short form."""
        if what == "rollback":
            return self.t("deed.rollback")
        name = what or self.t("waived.unnamed")
        if _DIGEST.fullmatch(what):
            name = self.t("waived.image", id=what.removeprefix("sha256:")[:_SHORT])
        elif commit_id(what):
            name = self.t("waived.base", id=what[:_SHORT])
        return f"{self.t('waived')}: {name}"

    def ago(self, moment: datetime) -> str:
        return self.language.ago(moment, self.now)

    def absolute(self, moment: datetime) -> str:
        return absolute(moment)

    def machine(self, moment: datetime) -> str:
        return machine(moment)

    def duration(self, seconds: float) -> str:
        return duration(seconds)

    def url(self, endpoint: str, **values: str) -> str:
        """The address of one of these pages, in the reader's language and mode."""
        return self.data_url(endpoint, **self.kept, **values)

    def data_url(self, endpoint: str, **values: str) -> str:
        """The address of JSON or an asset, which have neither language nor mode."""
        return url_for(f"status_page.{endpoint}", _external=False, **values)

    def overlay_url(self, name: str) -> str:
        """The address of an overlay's page."""
        return self.url("overlay", **_split_overlay(name))

    def overlay_data_url(self, name: str) -> str:
        return self.data_url("api_overlay", **_split_overlay(name))

    def images_url(self, service: str, short: str = "") -> str:
        """The address of a service's images, or of one of them. Empty in kiosk mode and for an invalid name."""
        if self.kiosk or not is_name(service):
            return ""
        return self.url("images", service=service) + (f"#image-{short}" if short else "")

    def commit_link(self, commit: str) -> str:
        """The address of a commit on the git host. Empty in kiosk mode and without a safe web address."""
        if self.kiosk or not commit or "{commit}" not in self.commit_url:
            return ""
        return web_address(self.commit_url.replace("{commit}", commit))


def page_context(request: Request, *, now: datetime, build: str, commit_url: str = "") -> PageContext:
    """The language is that of the address (`?lang=zh`), else the best match of Accept-Language, else English."""
    requested = request.args.get("lang", "")
    kept = {"lang": requested} if requested in LANGUAGES else {}
    code = kept.get("lang") or request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]
    if request.args.get("kiosk") == "1":
        kept["kiosk"] = "1"
    return PageContext(Language(code), kept, now, build, commit_url)


def _split_overlay(overlay: str) -> dict[str, str]:
    environment, _, service = overlay.partition("/")
    return {"environment": environment, **({"service": service} if service else {})}
