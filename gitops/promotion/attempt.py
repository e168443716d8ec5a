"""What became of a promotion that was tried: commits, or why they would be wrong; and why the remote took none."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from gitops.core.promotion.commits import Promotion

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PromotionAttempt:
    """A promotion as commits in the clone; or why its result would be wrong."""

    made: Promotion
    revision: str = ""
    refused: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        return (f"not promoted, since the result would be wrong: {self.refused}",) if self.refused else ()


@dataclass(frozen=True, slots=True)
class PushBackoff:
    """The remote refuses a push, as a protected trunk does. Nothing here can mend that, so it is asked ever less."""

    message: str
    until: datetime
    pause: timedelta

    @classmethod
    def after(cls, before: "PushBackoff | None", now: datetime, message: str) -> Self:
        pause = min(2 * before.pause, _LONGEST_PAUSE) if before else _FIRST_PAUSE
        return cls(message, now + pause, pause)
