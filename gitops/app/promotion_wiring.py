"""Makes the recorder of proofs. Not here: the promoter (app.assembly)."""

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kubernetes.watcher import Watcher
from gitops.app.wiring import ClusterParts, DesiredParts, Replica
from gitops.ports import Leadership
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
