"""Health, Verdict, and the helpers by which rules read a live object. Every helper accepts a missing field."""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from gitops.core.objects import Body


class Health(IntEnum):
    """The health of gitops-engine, ordered: `max` is the worst."""

    HEALTHY = 0
    SUSPENDED = 1
    PROGRESSING = 2
    MISSING = 3
    DEGRADED = 4
    UNKNOWN = 5

    def __str__(self) -> str:
        return self.name.capitalize()


Verdict = tuple[Health, str]
"""The health, and a sentence for the operator that says why. The sentence may be empty if Healthy."""


def healthy(message: str = "") -> Verdict:
    return Health.HEALTHY, message


def progressing(message: str) -> Verdict:
    return Health.PROGRESSING, message


def degraded(message: str) -> Verdict:
    return Health.DEGRADED, message


def suspended(message: str) -> Verdict:
    return Health.SUSPENDED, message


def section(body: Body, *path: str) -> Mapping[str, Any]:
    """The mapping at a path; empty if it does not exist."""
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def number(fields: Mapping[str, Any], name: str, default: int = 0) -> int:
    """An integer field, also if its controller writes it as text (Argo Rollouts' observedGeneration)."""
    found = fields.get(name)
    if isinstance(found, str) and found.isdecimal():
        return int(found)
    return found if isinstance(found, int) else default


def conditions(body: Body) -> Iterator[Mapping[str, Any]]:
    found = section(body, "status").get("conditions")
    return (each for each in found or () if isinstance(each, Mapping)) if isinstance(found, list) else iter(())


def condition(body: Body, type_: str) -> Mapping[str, Any]:
    """The condition of a type; empty if it does not exist."""
    return next((each for each in conditions(body) if each.get("type") == type_), {})


def is_true(body: Body, type_: str) -> bool:
    return condition(body, type_).get("status") == "True"


def is_false(body: Body, type_: str) -> bool:
    """True if the condition exists and is False."""
    return condition(body, type_).get("status") == "False"


def words(found: Mapping[str, Any]) -> str:
    """The message of a condition or of a container state, else its reason."""
    return str(found.get("message") or found.get("reason") or "")


def unobserved(body: Body) -> str:
    """A sentence if the kind's controller has not observed the newest spec; empty if it has, or does not report it."""
    wanted, seen = (
        number(section(body, "metadata"), "generation"),
        number(section(body, "status"), "observedGeneration"),
    )
    return f"its controller has not seen generation {wanted} yet" if seen < wanted else ""
