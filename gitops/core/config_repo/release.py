"""release.yaml and hold.yaml: the two files beside an overlay's kustomization that Lockstep reads and writes."""

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
"""Most characters of a reason: every status and every line of the history shows it."""

_Word = Annotated[str, Field(max_length=500)]
_Reason = Annotated[str, Field(max_length=LONGEST_REASON)]


class Rejection(StrictModel):
    """A digest, or a base, that a rollback abandoned: Lockstep never proposes it again."""

    service: Name
    digest: _Word
    closure: _Word = ""


class Evidence(StrictModel):
    """The evidence for one image. `digest`: the digest, or the whole reference if the image of a first release has no
    digest. `closure`: hash of the base files that it was proven with. `since`: Healthy without a break from then on.
    `waived`: a person's reason for letting it in without a proof.
    """

    digest: _Word
    closure: _Word = ""
    since: AwareDatetime | None = None
    waived: _Reason = ""


class Admission(StrictModel):
    """The evidence that a promotion wrote: `source` is the environment that proved the release, `base` the base commit
    that it proved, `services` the evidence for each image, `request` the request that was carried out.
    """

    source: Name
    base: CommitId | None = None
    services: dict[Name, Evidence] = Field(default_factory=dict)
    request: _Word = ""


class Release(StrictModel):
    """The commits that an environment is locked to. Without commits the environment follows the trunk's head; only an
    environment without `after` may do that. `admission`: the evidence of the promotion. `waived`: what a person let in
    without evidence, with the reason: a skipped gate, a digest, or a base commit. A text instead of a mapping
    (`waived: adoption`) waives everything, for the first release of an overlay only.
    """

    base: CommitId | None = None
    overlay: CommitId | None = None
    admission: Admission | None = None
    waived: _Reason | Annotated[dict[_Word, _Reason], Field(max_length=100)] | None = None
    rejected: tuple[Rejection, ...] = ()

    @model_validator(mode="after")
    def _check_commits(self) -> "Release":
        if (self.base is None) != (self.overlay is None):
            raise ValueError("name both `base` and `overlay`, or neither")
        return self

    @property
    def waivers(self) -> tuple[str, ...]:
        """The waivers as sentences for people: `soak: production is down`."""
        if isinstance(self.waived, str):
            return (self.waived,)
        return tuple(f"{what}: {why}" for what, why in (self.waived or {}).items())

    def waiver(self, content: str) -> str:
        """The reason why this digest or base commit needs no proof; empty if it is not waived."""
        return self.waived.get(content, "") if isinstance(self.waived, dict) else ""

    @property
    def revision(self) -> Revision | None:
        """The two commits; None if the file names none."""
        return Revision(self.base, self.overlay) if self.base and self.overlay else None

    @property
    def waives_all(self) -> bool:
        """True if `waived` is a text, which waives all of it. The caller checks that it is the first release."""
        return isinstance(self.waived, str) and self.admission is None

    def with_evidence_from(self, environment: str) -> "Release":
        """The release without evidence of any other environment: a copied release.yaml carries no proof."""
        if self.admission is None or self.admission.source == environment:
            return self
        named = self.waived if isinstance(self.waived, dict) else None  # a text counts only without admission
        return self.model_copy(update={"admission": None, "waived": named})

    @property
    def has_proven_base(self) -> bool:
        """True if the file has evidence for its base."""
        return self.admission is not None and self.admission.base is not None and self.admission.base == self.base

    @property
    def base_waiver(self) -> str:
        """The reason why its base needs no proof; empty if the base is not waived."""
        return self.waived if isinstance(self.waived, str) and self.waives_all else self.waiver(self.base or "")

    def admits_base(self) -> bool:
        """True if the file has evidence for its base, or a waiver that names the base."""
        return self.has_proven_base or bool(self.waiver(self.base or ""))

    def admits(self, service: str, digest: str) -> bool:
        """True if the file has evidence or a waiver for this image. `digest`: its Image.identity."""
        known = self.admission.services.get(service) if self.admission else None
        has_evidence = known is not None and known.digest == digest and (known.since is not None or bool(known.waived))
        return has_evidence or bool(self.waiver(digest))

    def has_rejected(self, service: str, digest: str, closure: str) -> bool:
        """True if a rollback abandoned this image with these base files. An entry without closure matches any files."""
        return any(
            (entry.service, entry.digest) == (service, digest) and entry.closure in {"", closure}
            for entry in self.rejected
        )


class Hold(StrictModel):
    """hold.yaml: Lockstep commits nothing for this environment. With `suspend` it applies nothing either."""

    who: _Word = Field(min_length=1)
    why: _Reason = Field(min_length=1)
    since: AwareDatetime
    until: AwareDatetime | None = None
    suspend: bool = False

    def is_in_force(self, now: datetime) -> bool:
        """True until `until` has passed. `now` is aware."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Holds:
    """All holds on one overlay: its own and its environment's."""

    each: tuple[Hold, ...] = ()

    def in_force(self, now: datetime) -> Hold | None:
        """The hold in force at `now`. A suspending hold wins. None if no hold is in force."""
        return max(
            (found for found in self.each if found.is_in_force(now)), key=lambda found: found.suspend, default=None
        )

    @property
    def longest(self) -> Hold | None:
        """The hold that ends last."""
        return max(self.each, key=_end, default=None)


def _end(hold: Hold) -> float:
    return hold.until.timestamp() if hold.until else float("inf")


def parse_release(text: bytes, file: str) -> Release:
    """Raises: Rejected(InvalidRelease, InvalidYaml, LimitExceeded) with file and line."""
    return models.read(text, file, Release, "InvalidRelease")


def parse_hold(text: bytes, file: str) -> Hold:
    """Raises: Rejected(InvalidHold, InvalidYaml, LimitExceeded) with file and line."""
    return models.read(text, file, Hold, "InvalidHold")


def require_reason(text: str) -> str:
    """Returns the text. Raises: Rejected(InvalidReason) if release.yaml and hold.yaml may not hold it."""
    if not 0 < len(text) <= LONGEST_REASON:
        raise Rejected("InvalidReason", f"a reason needs at least 1 and at most {LONGEST_REASON} characters")
    return text


def release_text(release: Release) -> bytes:
    """The text of release.yaml as Lockstep writes it."""
    return _to_yaml("Written by Lockstep: the commits that this environment runs, and why.", release)


def hold_text(hold: Hold) -> bytes:
    """The text of hold.yaml as Lockstep writes it."""
    return _to_yaml(
        "While this file is here, automation writes nothing for this environment. See `lockstep resume`.", hold
    )


def _to_yaml(comment: str, model: StrictModel) -> bytes:
    held = model.model_dump(mode="json", exclude_defaults=True)
    return f"# {comment}\n{yaml.safe_dump(held, sort_keys=False, allow_unicode=True, width=120)}".encode()
