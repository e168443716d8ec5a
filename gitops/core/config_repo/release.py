"""The two files beside an overlay's kustomization that automation reads: release.yaml and hold.yaml."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import yaml
from pydantic import AwareDatetime, Field, model_validator

from gitops.core.errors import Rejected
from gitops.core.parsing import models
from gitops.core.parsing.models import CommitId, Name, StrictModel
from gitops.core.revision import Revision

RELEASE_FILE = "release.yaml"
HOLD_FILE = "hold.yaml"

LONGEST_REASON = 1000
"""Characters: what people say here is shown with every status and in every line of the history."""

_Word = Annotated[str, Field(max_length=500)]
_Reason = Annotated[str, Field(max_length=LONGEST_REASON)]


class Rejection(StrictModel):
    """What a rollback abandoned: automation never proposes it again."""

    service: Name
    digest: _Word
    closure: _Word = ""


class Evidence(StrictModel):
    """Why an image was let in. `digest`: the whole reference where an adopted image has none; `closure`: hash of the
    base files that it was proven with; `since`: healthy without trouble from then on; `waived`: why less than a proof
    was enough, in a person's words.
    """

    digest: _Word
    closure: _Word = ""
    since: AwareDatetime | None = None
    waived: _Reason = ""


class Admission(StrictModel):
    """The promotion that wrote the file: where the release came from, for which base, and what is known of each
    service.
    """

    source: Name
    base: CommitId | None = None
    services: dict[Name, Evidence] = Field(default_factory=dict)
    request: _Word = ""


class Release(StrictModel):
    """The commits that an environment is locked to; without them it follows the trunk's head, which only an environment
    without `after` may do. `admission` and `waived` tell why it was let in: the evidence of the promotion, and what a
    person waived, each with the reason: a gate that was skipped, or a digest or base commit that was never proven. A
    word alone (`adoption`) waives all of the first release.
    """

    base: CommitId | None = None
    overlay: CommitId | None = None
    admission: Admission | None = None
    waived: _Reason | Annotated[dict[_Word, _Reason], Field(max_length=100)] | None = None
    rejected: tuple[Rejection, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> "Release":
        if (self.base is None) != (self.overlay is None):
            raise ValueError("name both `base` and `overlay`, or neither")
        return self

    @property
    def waivers(self) -> tuple[str, ...]:
        """What a person waived, in sentences for people: `soak: production is down`."""
        if isinstance(self.waived, str):
            return (self.waived,)
        return tuple(f"{what}: {why}" for what, why in (self.waived or {}).items())

    def waiver(self, content: str) -> str:
        """Why this digest or base commit was let in without a proof; empty when nobody waived it."""
        return self.waived.get(content, "") if isinstance(self.waived, dict) else ""

    @property
    def revision(self) -> Revision | None:
        """The commits that it names, if it names any."""
        return Revision(self.base, self.overlay) if self.base and self.overlay else None

    @property
    def is_adoption(self) -> bool:
        """True when a word alone waives all of it. Whether it is the first release is another question."""
        return isinstance(self.waived, str) and self.admission is None

    def given_by(self, environment: str) -> "Release":
        """Without evidence of another environment than this one: who copies a release copies no proof."""
        if self.admission is None or self.admission.source == environment:
            return self
        named = self.waived if isinstance(self.waived, dict) else None  # a word alone counts without admission only
        return self.model_copy(update={"admission": None, "waived": named})

    @property
    def has_proven_base(self) -> bool:
        """True when the file holds evidence for its base."""
        return self.admission is not None and self.admission.base is not None and self.admission.base == self.base

    @property
    def base_waiver(self) -> str:
        """Why its base was let in without a proof; empty when nobody waived that."""
        return self.waived if isinstance(self.waived, str) and self.is_adoption else self.waiver(self.base or "")

    def admits_base(self) -> bool:
        """True when the file holds evidence, or a waiver that names it, for its base."""
        return self.has_proven_base or bool(self.waiver(self.base or ""))

    def admits(self, service: str, digest: str) -> bool:
        """True when the file holds evidence, or a waiver, for this image (Image.identity)."""
        known = self.admission.services.get(service) if self.admission else None
        has_evidence = known is not None and known.digest == digest and (known.since is not None or bool(known.waived))
        return has_evidence or bool(self.waiver(digest))

    def has_rejected(self, service: str, digest: str, closure: str) -> bool:
        """True when a rollback abandoned exactly this; an entry without closure means the image with any files."""
        return any(
            (entry.service, entry.digest) == (service, digest) and entry.closure in {"", closure}
            for entry in self.rejected
        )


class Hold(StrictModel):
    """Automation writes nothing for this environment; with `suspend` nothing is applied either."""

    who: _Word = Field(min_length=1)
    why: _Reason = Field(min_length=1)
    since: AwareDatetime
    until: AwareDatetime | None = None
    suspend: bool = False

    def holds(self, now: datetime) -> bool:
        """False once `until` has passed; `now` is aware."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds on one overlay, its own and its environment's: all of them count."""

    each: tuple[Hold, ...] = ()

    def at(self, now: datetime) -> Hold | None:
        """One that holds at that time, one that suspends before others; None when none does."""
        return max((found for found in self.each if found.holds(now)), key=lambda found: found.suspend, default=None)

    @property
    def longest(self) -> Hold | None:
        return max(self.each, key=_lasts, default=None)


def _lasts(hold: Hold) -> float:
    return hold.until.timestamp() if hold.until else float("inf")


def parse_release(text: bytes, file: str) -> Release:
    """Raises: Rejected(InvalidRelease, InvalidYaml, LimitExceeded) with file and line."""
    return models.read(text, file, Release, "InvalidRelease")


def parse_hold(text: bytes, file: str) -> Hold:
    """Raises: Rejected(InvalidHold, InvalidYaml, LimitExceeded) with file and line."""
    return models.read(text, file, Hold, "InvalidHold")


def require_reason(text: str) -> str:
    """The text itself. Raises: Rejected(InvalidReason) for one that none of the two files may hold."""
    if not 0 < len(text) <= LONGEST_REASON:
        raise Rejected("InvalidReason", f"a reason has at least one character and at most {LONGEST_REASON}")
    return text


def release_text(release: Release) -> bytes:
    """release.yaml as automation writes it."""
    return _text("Written by Lockstep: the commits that this environment runs, and why.", release)


def hold_text(hold: Hold) -> bytes:
    return _text(
        "While this file is here, automation writes nothing for this environment. See `lockstep resume`.", hold
    )


def _text(comment: str, model: StrictModel) -> bytes:
    held = model.model_dump(mode="json", exclude_defaults=True)
    return f"# {comment}\n{yaml.safe_dump(held, sort_keys=False, allow_unicode=True, width=120)}".encode()
