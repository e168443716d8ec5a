"""A broken contract, as data: what, where, both values as they may be shown, and what would make it right."""

from dataclasses import dataclass, replace
from enum import StrEnum

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.errors import Place
from gitops.core.objects import Key


class ViolationKind(StrEnum):
    """What is broken: a field or an object that no variation covers, a variation's own conditions (schema, required,
    distinct, format), a difference that the preset forbids or warns of, another environment's name, a loose image, a
    release that nobody has proven.
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
    """`field` is empty for a whole object. `before` is the reference's value or the other environment's, `after` the
    environment's own; None = absent, values of Secrets are `***`. `why` says what rule is broken, `remedy` what to do;
    `place` is the file that most probably sets it, as far as that was looked for.
    """

    breach: ViolationKind
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
        """True when two environments break the rule together, so that either could be charged with it."""
        return self.against != "base" and self.breach in {ViolationKind.DISTINCT, ViolationKind.UNDECLARED}

    def at(self, place: Place) -> "Violation":
        return replace(self, place=place)

    def __str__(self) -> str:
        """One line, for a condition or a log."""
        what = f"{self.key} {self.field}".strip()
        where = f" ({self.place})" if self.place else ""
        return f"{what}: {self.why}{where}; {self.remedy}"

    def lines(self) -> tuple[str, ...]:
        """For people, from the object down to what to do about it."""
        head = f"{self.severity}: {self.key}" + (f"  {self.field}" if self.field else "")
        found = [head]
        if self.before is not None or self.after is not None:
            both = self.breach not in {ViolationKind.FOREIGN, ViolationKind.UNPINNED, ViolationKind.UNPROVEN}
            before = f"{self.against}: {_shown(self.before)}   " if both else ""
            found.append(f"{before}{self.environment}: {_shown(self.after)}")
        found.append(self.why)
        if self.place:
            found.append(f"most probably set in {self.place}")
        return (*found, self.remedy)


def _shown(value: str | None) -> str:
    return "(nothing)" if value is None else value
