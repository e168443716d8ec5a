"""The new release of an overlay with its evidence, as a promotion writes it, and the hash that approvals bind to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitops.core.config_repo.release import Evidence
from gitops.core.images.reference import Image
from gitops.core.promotion.inputs import PromotionTarget
from gitops.core.promotion.proof import Proof


@dataclass(frozen=True, slots=True)
class OverlayMove:
    """The new release of one overlay. `images`: those that change; `was`: what they were; `evidence`: of
    every service of the overlay afterwards; `settings`: a hash of the overlay's settings that come along.
    `proves_base`: there is a proof of the base; `base_waived`: a person's reason to let in a base without proof.
    """

    overlay: str
    base: str
    images: Mapping[str, Image]
    was: Mapping[str, Image]
    evidence: Mapping[str, Evidence]
    settings: str = ""
    moves_base: bool = False
    moves_settings: bool = False
    proves_base: bool = False
    base_waived: str = ""

    @property
    def has_admitted_base(self) -> bool:
        """False when the base has neither a proof nor a waiver: then nothing may be written."""
        return self.proves_base or bool(self.base_waived)

    @property
    def is_empty(self) -> bool:
        return not (self.images or self.moves_base or self.moves_settings)


def release_hash(environment: str, moves: Sequence[OverlayMove]) -> str:
    """A hash over base, images and settings of every overlay that moves. Approvals bind to it."""
    content = [
        (move.overlay, move.base, move.settings, sorted((name, image.digest) for name, image in move.images.items()))
        for move in sorted(moves, key=lambda move: move.overlay)
    ]
    return hashlib.sha256(json.dumps([environment, content]).encode()).hexdigest()


def move_to(
    target: PromotionTarget, base: str, picks: Mapping[str, Proof], closures: Mapping[str, str], waived: str
) -> OverlayMove:
    """The move to these proven images over this base. `closures`: service -> hash of the files that it reaches of the
    base; `waived`: a person's reason, noted beside the evidence.
    """
    images = {
        service: proof.image
        for service, proof in picks.items()
        if service not in target.locked or target.locked[service].digest != proof.image.digest
    }
    moves_base = base != target.release.base
    evidence = {}
    for service in sorted({*target.locked, *picks}):
        if service in picks:
            proof = picks[service]
            evidence[service] = Evidence(
                digest=proof.image.digest or "", closure=proof.closure, since=proof.healthy_since, waived=waived
            )
        else:
            evidence[service] = _keep_evidence(target, service, closures.get(service, ""), is_new_base=moves_base)
    return OverlayMove(
        overlay=target.overlay,
        base=base,
        images=images,
        was={service: target.locked[service] for service in images if service in target.locked},
        evidence=evidence,
        settings=target.settings,
        moves_base=moves_base,
        moves_settings=target.pending,
    )


def move_settings(target: PromotionTarget) -> OverlayMove:
    """The overlay's own settings at the head, over the same base and images. It adds no proof."""
    release = target.release
    return OverlayMove(
        overlay=target.overlay,
        base=release.base or "",
        images={},
        was={},
        evidence={service: _keep_evidence(target, service, "") for service in sorted(target.locked)},
        settings=target.settings,
        moves_settings=target.pending,
        proves_base=release.has_proven_base,
        base_waived="" if release.has_proven_base else release.base_waiver,
    )


def _keep_evidence(target: PromotionTarget, service: str, closure: str, *, is_new_base: bool = False) -> Evidence:
    """The evidence of a service whose image stays, or the waiver that replaces it. If the old base was waived, the
    waiver also covers the unchanged files of this service.
    """
    release, digest = target.release, target.locked[service].identity
    known = release.admission.services.get(service) if release.admission else None
    if known is None or known.digest != digest:
        waived = release.waived if isinstance(release.waived, str) and release.waives_all else release.waiver(digest)
        return Evidence(digest=digest, closure=closure, waived=waived)
    if not is_new_base or release.has_proven_base:
        return known
    why = dict.fromkeys(filter(None, (known.waived, release.base_waiver)))
    return known.model_copy(update={"closure": closure, "waived": "; ".join(why)})
