"""The workspace of the online commands: a new clone of the config repo, and the cluster of lockstep.yaml.

The clone is a new one, so that a running controller is not disturbed. The commands do not lead: what only the leader
may write, they do not write. `lockstep down` deletes under a fence of its own. Not here: commands that need no cluster
(cli.workspace).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.app import wiring
from gitops.app.wiring import ClusterParts, DesiredParts, LiveParts, Replica
from gitops.cli.config_file import CLOCK, load
from gitops.desired.desired_state import DesiredState
from gitops.reconcile.reconciler import Reconciler
from gitops.reconcile.teardown import Teardown


@dataclass(frozen=True, slots=True)
class OnlineWorkspace:
    """The trunk's head is fetched and taken in."""

    replica: Replica
    repo: GitConfigRepo
    reached: ClusterParts
    wanted: DesiredParts
    live: LiveParts

    @property
    def desired(self) -> DesiredState:
        return self.wanted.desired

    def reconciler(self) -> Reconciler:
        return wiring.reconciler(self.replica, self.reached, self.wanted, self.live)

    def teardown(self) -> Teardown:
        reached, live = self.reached, self.live
        executor = wiring.executor(self.replica.config, reached, live, wiring.FencedCommand())
        return Teardown(reached.parents, reached.ledger, live.watcher, executor, self.desired.overlays())


@contextmanager
def online_workspace(config: Path) -> Iterator[OnlineWorkspace]:
    """Raises: Unavailable when the remote does not answer; Rejected with what is wrong with lockstep.yaml."""
    replica = Replica(load(config), CLOCK)
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        repo = wiring.config_repo(replica.config, Path(scratch) / "clone")
        repo.fetch()
        reached = wiring.reach(replica, wiring.connect(replica.config))
        renders = wiring.renders(wiring.kustomize(replica.config, Path(scratch) / "renders"))
        wanted = wiring.desired_parts(replica.config, repo, renders, reached)
        wanted.desired.refresh()
        live = wiring.live(replica, reached)
        try:
            yield OnlineWorkspace(replica, repo, reached, wanted, live)
        finally:
            live.stop()
            repo.close()
            reached.api.close()


def reach(config: Path) -> ClusterParts:
    """The cluster of lockstep.yaml, for commands that need neither a clone nor renders."""
    replica = Replica(load(config), CLOCK)
    return wiring.reach(replica, wiring.connect(replica.config))
