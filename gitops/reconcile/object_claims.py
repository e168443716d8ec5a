"""Tells which overlay an object belongs to, as git says. Implements ports.ObjectClaims."""

from gitops.core.objects import Key
from gitops.core.ownership.applyset import applyset_of
from gitops.desired.desired_state import DesiredState


class OverlayClaims:
    """Thread-safe."""

    def __init__(self, desired: DesiredState) -> None:
        self._desired = desired

    def claim(self, key: Key, applyset: str) -> str:
        other = next((each for each in self._desired.overlays() if applyset_of(each) == applyset), None)
        if other is None or not self._desired.may_want(other, key):
            return ""
        return f"is also in overlay {other}; an object belongs to exactly one overlay"


class NoClaims:
    """The claims for `lockstep down`, which applies nothing that another overlay could claim."""

    def claim(self, key: Key, applyset: str) -> str:  # noqa: ARG002
        return ""
