"""The two files beside an overlay's kustomization that automation reads: release.yaml and hold.yaml."""

from datetime import datetime

from pydantic import AwareDatetime, Field, JsonValue

from gitops.core import schema
from gitops.core.schema import CommitId, Model, Name

RELEASE_FILE = "release.yaml"
HOLD_FILE = "hold.yaml"


class Rejection(Model):
    """What a rollback abandoned: automation never proposes it again."""

    service: Name
    digest: str
    closure: str = ""


class Release(Model):
    """The commits that an environment is locked to. `admission` and `waived` tell why it was let in: the evidence of
    the promotion, and the gates that a person skipped, each with the reason.
    """

    base: CommitId
    overlay: CommitId
    admission: dict[str, JsonValue] | None = None
    waived: str | dict[str, str] | None = None
    rejected: tuple[Rejection, ...] = ()


class Hold(Model):
    """Automation writes nothing for this environment; with `suspend` nothing is applied either."""

    who: str = Field(min_length=1)
    why: str = Field(min_length=1)
    since: AwareDatetime
    until: AwareDatetime | None = None
    suspend: bool = False

    def holds(self, now: datetime) -> bool:
        """False once `until` has passed; `now` is aware."""
        return self.until is None or now < self.until


def parse_release(text: bytes, file: str) -> Release:
    """Raises: Rejected(InvalidRelease, InvalidYaml, LimitExceeded) with file and line."""
    return schema.read(text, file, Release, "InvalidRelease")


def parse_hold(text: bytes, file: str) -> Hold:
    """Raises: Rejected(InvalidHold, InvalidYaml, LimitExceeded) with file and line."""
    return schema.read(text, file, Hold, "InvalidHold")
