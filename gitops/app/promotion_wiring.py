"""Makes the parties of promotions: the recorder of proofs, and the promoter."""

from collections.abc import Collection
from dataclasses import dataclass

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kubernetes.watcher import Watcher
from gitops.app.wiring import ClusterParts, DesiredParts, Replica
from gitops.core.promotion.gates import Gate
from gitops.ports import PromotionListener
from gitops.promotion.gate_check import ImageQueries
from gitops.promotion.pending import PublishedNotes
from gitops.promotion.promoter import Promoter, PromoterParties
from gitops.promotion.proof_recorder import ProofRecorder, ProofSources


def recorder(
    replica: Replica, reached: ClusterParts, repo: GitConfigRepo, wanted: DesiredParts, watcher: Watcher
) -> ProofRecorder:
    """It observes while this replica leads and no watch fails."""

    def is_observing() -> bool:
        return replica.leadership.is_leader() and not watcher.is_failing()

    return ProofRecorder(
        ProofSources(
            ledger=reached.ledger,
            pipeline=wanted.desired.pipeline,
            running=reached.cluster.running,
            read=repo.read,
            now=replica.clock.now,
            is_observing=is_observing,
        )
    )


@dataclass(frozen=True, slots=True)
class PromotionSeams:
    """Where the promoter reads facts, and where it tells what it did. `skippable`: gates that a request may skip."""

    recorder: ProofRecorder
    registries: ImageQueries
    skippable: Collection[Gate]
    notes: PublishedNotes
    listener: PromotionListener


def promoter(
    replica: Replica, reached: ClusterParts, repo: GitConfigRepo, wanted: DesiredParts, seams: PromotionSeams
) -> Promoter:
    return Promoter(
        PromoterParties(
            repo=repo,
            desired=wanted.desired,
            witness=seams.recorder,
            now=replica.clock.now,
            may_write=replica.leadership.is_leader,
            skippable=seams.skippable,
            account=reached.ledger.read,
            judge=wanted.contract,
            registries=seams.registries,
            notes=seams.notes,
            listener=seams.listener,
        )
    )
