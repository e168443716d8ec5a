"""One difference between two versions of an object, as a plan and the page show it. How it is found: diff.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One leaf that a plan changes. Values of Secrets and credentials are masked (`***`). None = the field does not
    exist.
    """

    field: str
    old: str | None
    new: str | None
