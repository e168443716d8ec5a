"""Makes the parties of promotions: the recorder of proofs, and the promoter."""

from collections.abc import Collection
from dataclasses import dataclass

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kubernetes.watcher import Watcher
from gitops.app.wiring import ClusterParts, DesiredParts, Replica
from gitops.core.promotion.gates import Gate
from gitops.ports import Leadership, PromotionListener
from gitops.promotion.gate_facts import ImageQueries
from gitops.promotion.pending import PublishedNotes
from gitops.promotion.promoter import Promoter, PromoterParties
from gitops.promotion.proof_recorder import ProofRecorder, ProofSources


class WatchedCluster:
    """Implements ports.Observation: this replica leads, and no watch fails."""

    def __init__(self, leadership: Leadership, watcher: Watcher) -> None:
        self._leadership = leadership
        self._watcher = watcher

    def is_observing(self) -> bool:
        return self._leadership.is_leader() and not self._watcher.is_failing()


def recorder(
    replica: Replica, reached: ClusterParts, repo: GitConfigRepo, wanted: DesiredParts, watcher: Watcher
) -> ProofRecorder:
    return ProofRecorder(
        ProofSources(
            ledger=reached.ledger,
            desired=wanted.desired,
            cluster=reached.cluster,
            repo=repo,
            clock=replica.clock,
            observation=WatchedCluster(replica.leadership, watcher),
        )
    )


@dataclass(frozen=True, slots=True)
class PromotionPorts:
    """Where the promoter reads facts, and where it tells what it did. `skippable`: gates that a request may skip."""

    recorder: ProofRecorder
    registries: ImageQueries
    skippable: Collection[Gate]
    notes: PublishedNotes
    listener: PromotionListener


def promoter(
    replica: Replica, reached: ClusterParts, repo: GitConfigRepo, wanted: DesiredParts, seams: PromotionPorts
) -> Promoter:
    return Promoter(
        PromoterParties(
            repo=repo,
            desired=wanted.desired,
            recorder=seams.recorder,
            clock=replica.clock,
            leadership=replica.leadership,
            skippable=seams.skippable,
            ledger=reached.ledger,
            contract=wanted.contract,
            registries=seams.registries,
            notes=seams.notes,
            listener=seams.listener,
        )
    )
