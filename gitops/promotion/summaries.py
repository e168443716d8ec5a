"""What is said of promotions that wait, in the words of the page, and what automation writes of its own accord."""

from collections.abc import Sequence

from gitops.core.image_updates.changes import one_line
from gitops.core.parsing.models import format_duration
from gitops.core.promotion import commits as promotion_commits
from gitops.core.promotion import proposal as promotion
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.proposal import OverlayMove
from gitops.core.promotion.requests import PromotionRequest
from gitops.core.sync.status import PendingRequest
from gitops.promotion.snapshot import EnvironmentSnapshot


def of_its_own_accord(stage: EnvironmentSnapshot, moves: Sequence[OverlayMove]) -> Promotion:
    asked = "" if stage.promote.when == "proven" else "committed on the trunk, "
    cause = f"{asked}proven in {stage.source.environment} for {format_duration(stage.promote.soak)}"
    return Promotion(stage.name, stage.source.environment, tuple(moves), release_hash(stage, moves), cause)


def release_hash(stage: EnvironmentSnapshot, moves: Sequence[OverlayMove]) -> str:
    return promotion.release_hash(stage.name, moves)


def summary(stage: EnvironmentSnapshot, move: OverlayMove) -> str:
    """`order 1.5.0, base 4b825dc642cb`."""
    shown = Promotion(stage.name, stage.source.environment, (move,), "", "")
    return promotion_commits.subject(shown).partition(": ")[2].rpartition(" from ")[0] or "settings of the trunk"


def pending(
    asked: PromotionRequest, moves: Sequence[OverlayMove], release: str, unmet: Sequence[str]
) -> PendingRequest:
    """`release`: the content hash of the moves; `unmet`: what keeps them, in sentences."""
    return PendingRequest(
        name=asked.name,
        id=asked.id,
        release=release,
        moves=tuple(map(_words, moves)),
        gates=tuple(dict.fromkeys(unmet)),
        asked_by=one_line(asked.signer or asked.tagger),
        asked_at=asked.asked_at,
        is_signed=asked.signer is not None,
        waived=dict(asked.waived),
    )


def _words(move: OverlayMove) -> str:
    parts = [f"{service} {image.tag or image.short_digest}" for service, image in sorted(move.images.items())]
    parts += [f"base {move.base[:12]}"] if move.moves_base else []
    parts += [f"over base {move.base[:12]}, which nobody has proven ({move.base_waived})"] if move.base_waived else []
    parts += ["settings of the trunk"] if move.moves_settings else []
    return f"{move.overlay}: {', '.join(parts)}"
