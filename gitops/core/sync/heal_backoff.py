"""Heal backoff: drift is healed at once, but with growing pauses if another manager writes it again and again.

Without pauses, two controllers that own the same field would overwrite each other as fast as the API server answers.
"""

from collections.abc import Iterable, Mapping, Sequence

from gitops.core import backoff
from gitops.core.objects import Key

CALM = 5
"""The number of heals of one object within WINDOW that need no pause."""
WINDOW = 60.0
_FIRST, _LONGEST = 2.0, 300.0
_MOST_HEALS = 20


def wait(heals: Sequence[float], now: float) -> float:
    """Seconds until an object may be healed again; 0.0 = now. `heals`: the times of earlier heals, oldest first, on the
    same monotonic clock as `now`.
    """
    recent = [time for time in heals if time > now - WINDOW * (1 + len(heals) / CALM)]
    if len(recent) < CALM:
        return 0.0
    pause = backoff.pause(len(recent) - CALM + 1, first=_FIRST, longest=_LONGEST)
    return max(0.0, recent[-1] + pause - now)


def waits(heals: Mapping[Key, Sequence[float]], now: float) -> dict[Key, float]:
    """Object -> seconds until it may be healed again; objects that may be healed at once are left out."""
    found = {key: wait(times, now) for key, times in heals.items()}
    return {key: seconds for key, seconds in found.items() if seconds}


def record(heals: Mapping[Key, Sequence[float]], healed: Iterable[Key], now: float) -> dict[Key, tuple[float, ...]]:
    """The times of earlier heals with those of a pass that healed these objects; the oldest ones are dropped."""
    return {
        **{key: tuple(times) for key, times in heals.items()},
        **{key: (*heals.get(key, ()), now)[-_MOST_HEALS:] for key in healed},
    }
