"""The scale of health, and how every rule reads a live object: tolerantly, for a status is empty until it is not."""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from gitops.core.objects import Body


class Health(IntEnum):
    """Ordered so that `max` is the worst. The set is gitops-engine's."""

    HEALTHY = 0
    SUSPENDED = 1
    PROGRESSING = 2
    MISSING = 3
    DEGRADED = 4
    UNKNOWN = 5

    def __str__(self) -> str:
        return self.name.capitalize()


Verdict = tuple[Health, str]
"""What a rule finds: the health, and the sentence that tells an operator why. The sentence may be empty if Healthy."""


def healthy(message: str = "") -> Verdict:
    return Health.HEALTHY, message


def progressing(message: str) -> Verdict:
    return Health.PROGRESSING, message


def degraded(message: str) -> Verdict:
    return Health.DEGRADED, message


def suspended(message: str) -> Verdict:
    return Health.SUSPENDED, message


def section(body: Body, *path: str) -> Mapping[str, Any]:
    """The map at a path, empty where there is none."""
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def number(fields: Mapping[str, Any], name: str, default: int = 0) -> int:
    """An integer field, also where a controller writes it as text (Argo Rollouts' observedGeneration)."""
    found = fields.get(name)
    if isinstance(found, str) and found.isdecimal():
        return int(found)
    return found if isinstance(found, int) else default


def conditions(body: Body) -> Iterator[Mapping[str, Any]]:
    found = section(body, "status").get("conditions")
    return (each for each in found or () if isinstance(each, Mapping)) if isinstance(found, list) else iter(())


def condition(body: Body, type_: str) -> Mapping[str, Any]:
    """The condition of a type, or an empty map."""
    return next((each for each in conditions(body) if each.get("type") == type_), {})


def is_true(body: Body, type_: str) -> bool:
    return condition(body, type_).get("status") == "True"


def is_false(body: Body, type_: str) -> bool:
    """True when the condition is there and says False; an absent one says nothing."""
    return condition(body, type_).get("status") == "False"


def words(found: Mapping[str, Any]) -> str:
    """What a condition or a container state says: its message, else its reason."""
    return str(found.get("message") or found.get("reason") or "")


def unobserved(body: Body) -> str:
    """Says that the kind's controller has not yet seen the newest spec; empty when it has, or does not tell."""
    wanted, seen = (
        number(section(body, "metadata"), "generation"),
        number(section(body, "status"), "observedGeneration"),
    )
    return f"its controller has not seen generation {wanted} yet" if seen < wanted else ""
