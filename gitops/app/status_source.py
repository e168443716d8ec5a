"""The state of this process and of the overlays, for the page and for the probes. It changes nothing in the cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata

from gitops.adapters.kubernetes.watcher import Watcher
from gitops.app.image_facts import ImageFacts
from gitops.config.model import Config
from gitops.contract.parity_queue import ParityQueue
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.contract.parity import ParityComparison
from gitops.core.errors import GitopsError
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from gitops.core.images.reference import Image
from gitops.core.parsing import git_urls
from gitops.core.promotion.lineage import RepoHistory
from gitops.desired.desired_state import DesiredState
from gitops.history.git_history import GitHistory
from gitops.image_updates.committer import Committer
from gitops.ports import Leadership, Ledger
from gitops.registry_sweep.sweeper import Sweeper
from gitops.runtime.loops import Loops
from gitops.status_page.source import ControllerState, ControllerTrouble, Statuses


@dataclass(frozen=True, slots=True)
class StatusParties:
    """The parties that the status is read from."""

    desired: DesiredState
    ledger: Ledger
    committer: Committer
    history: GitHistory
    comparisons: ParityQueue
    facts: ImageFacts
    watcher: Watcher
    sweeps: Sweeper
    leadership: Leadership


class ControllerStatus:
    """Implements status_page.source.StatusSource and the probes of the server. Thread-safe: single assignments only."""

    def __init__(self, config: Config, known: StatusParties, loops: Loops) -> None:
        self._config = config
        self._known = known
        self._loops = loops
        self._head: tuple[str, datetime] | None = None
        self._remote: ControllerTrouble | None = None

    # -- what happened

    def note_head(self, head: str, now: datetime) -> None:
        if head and (self._head is None or self._head[0] != head):
            self._head = (head, now)

    def remote_failed(self, error: GitopsError, now: datetime) -> None:
        """Keeps the time of the first failure and the newest message."""
        reason = "TrunkGone" if error.reason == "TrunkGone" else "RemoteUnreachable"
        self._remote = ControllerTrouble(reason, error.message, self._remote.since if self._remote else now)

    def remote_answered(self) -> bool:
        """Ends an outage of the remote; True if there was one."""
        was_down, self._remote = self._remote is not None, None
        return was_down

    # -- status_page.source.StatusSource

    def statuses(self) -> Statuses:
        return self._known.ledger.read_all()

    def pipeline(self) -> Pipeline | None:
        return self._known.desired.pipeline()

    def past(self) -> RepoHistory:
        return self._known.history.past()

    def parity(self, a: str, b: str) -> ParityComparison:
        return self._known.comparisons.of(a, b)

    def known_parity(self, a: str, b: str) -> ParityComparison:
        return self._known.comparisons.known(a, b)

    def origin(self, image: Image) -> BuildOrigin | None:
        return self._known.facts.registries.origins.of(image)

    def source_pushes(self, service: str) -> Sequence[SourcePush]:
        return self._known.facts.pushes.of(service)

    def controller(self) -> ControllerState:
        head, since = self._head or (None, None)
        remote = git_urls.parse(self._config.repo.url)
        registries = tuple(self._known.sweeps.states())
        failing = [
            ControllerTrouble("SweepFailing", each.message, each.failing_since)
            for each in registries
            if each.failing_since
        ]
        return ControllerState(
            repo=str(remote) if remote else "config repo",
            trunk=self._config.repo.trunk,
            leader=self._known.leadership.is_leader(),
            version=metadata.version("lockstep-gitops"),
            head=head,
            head_since=since,
            troubles=(*self._troubles(since), *failing),
            registries=registries,
        )

    def _troubles(self, since: datetime | None) -> list[ControllerTrouble]:
        found = [self._remote] if self._remote else []
        blocked = self._known.committer.trouble
        if blocked:
            found.append(ControllerTrouble(blocked.reason, blocked.message, blocked.since))
        broken = self._known.desired.trouble()
        if broken and since:
            found.append(ControllerTrouble(broken.reason, str(broken), since))
        failing = {name: state for name, state in self._known.watcher.states().items() if state.failing_since}
        found += [
            ControllerTrouble("WatchFailing", f"{name}: {state.error}", state.failing_since)
            for name, state in failing.items()
            if state.failing_since
        ]
        return found

    # -- ports.Probes

    def dead_loops(self) -> Sequence[str]:
        return self._loops.dead()

    def unready(self) -> Sequence[str]:
        return [*self.dead_loops(), *([] if self._head else ["the config repo was not fetched yet"])]
