"""How eagerly drift is healed: at once, but with backoff when somebody keeps fighting. Pure.

Two controllers that both think they own a field would otherwise overwrite each other as fast as the API server answers.
"""

from collections.abc import Sequence

from gitops.core import backoff

CALM = 5
"""Heals of one object within WINDOW that are done at once."""
WINDOW = 60.0
_FIRST, _LONGEST = 2.0, 300.0


def wait(heals: Sequence[float], now: float) -> float:
    """Seconds until an object may be healed again, 0.0 for at once. `heals` are the times of earlier heals, oldest
    first, on the same monotonic clock as `now`.
    """
    recent = [time for time in heals if time > now - WINDOW * (1 + len(heals) / CALM)]
    if len(recent) < CALM:
        return 0.0
    pause = backoff.pause(len(recent) - CALM + 1, first=_FIRST, longest=_LONGEST)
    return max(0.0, recent[-1] + pause - now)
