"""A violation of the contract as data: object and field, both values as they may be shown, reason, remedy."""

from dataclasses import dataclass, replace
from enum import StrEnum

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.errors import Place
from gitops.core.objects import Key


class ViolationKind(StrEnum):
    """The rule that is broken: a field (UNDECLARED) or an object (PRESENCE) that no variation covers; a condition of a
    variation (SCHEMA, REQUIRED, DISTINCT, FORMAT); a difference that the preset forbids or warns of; a name of another
    environment (FOREIGN); an image without digest; a release without proof.
    """

    UNDECLARED = "Undeclared"
    PRESENCE = "Presence"
    SCHEMA = "OutOfSchema"
    REQUIRED = "MissingSetting"
    DISTINCT = "NotDistinct"
    FORMAT = "UnreadableSettings"
    PRESET = "Preset"
    FOREIGN = "ForeignName"
    UNPINNED = "NotPinned"
    UNPROVEN = "NotProven"


@dataclass(frozen=True, slots=True)
class Violation:
    """`field` is empty for a whole object. `before` is the value of `against` (the reference or another environment),
    `after` that of the environment; None = absent, values of Secrets are `***`. `why`: the rule that is broken;
    `remedy`: what to do; `place`: the file that most probably sets the field, None = not looked for.
    """

    kind: ViolationKind
    severity: ViolationSeverity
    environment: str
    key: Key
    field: str
    before: str | None
    after: str | None
    why: str
    remedy: str
    against: str = "base"
    place: Place | None = None

    @property
    def forbids(self) -> bool:
        return self.severity is ViolationSeverity.FORBID

    @property
    def is_mutual(self) -> bool:
        """True if two environments break the rule together, so that either of them could be charged with it."""
        return self.against != "base" and self.kind in {ViolationKind.DISTINCT, ViolationKind.UNDECLARED}

    def at(self, place: Place) -> "Violation":
        return replace(self, place=place)

    def __str__(self) -> str:
        """One line, for a condition or a log."""
        subject = f"{self.key} {self.field}".strip()
        place = f" ({self.place})" if self.place else ""
        return f"{subject}: {self.why}{place}; {self.remedy}"

    def lines(self) -> tuple[str, ...]:
        """Several lines for people: the object and field, both values, the reason, the file, the remedy."""
        head = f"{self.severity}: {self.key}" + (f"  {self.field}" if self.field else "")
        found = [head]
        if self.before is not None or self.after is not None:
            both = self.kind not in {ViolationKind.FOREIGN, ViolationKind.UNPINNED, ViolationKind.UNPROVEN}
            before = f"{self.against}: {_show(self.before)}   " if both else ""
            found.append(f"{before}{self.environment}: {_show(self.after)}")
        found.append(self.why)
        if self.place:
            found.append(f"most probably set in {self.place}")
        return (*found, self.remedy)


def _show(value: str | None) -> str:
    return "(nothing)" if value is None else value
