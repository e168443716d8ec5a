"""What this process knows of itself and of the overlays: for the page, for the probes. It changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Protocol

from gitops.adapters.kubernetes.reflector import WatchState
from gitops.app.image_facts import ImageFacts
from gitops.config.model import Config
from gitops.contract.parity_queue import ParityQueue
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.contract.parity import ParityComparison
from gitops.core.errors import GitopsError
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from gitops.core.image_updates.sweep import RegistryState
from gitops.core.images.reference import Image
from gitops.core.parsing import git_urls
from gitops.core.promotion.lineage import RepoHistory
from gitops.desired.desired_state import DesiredState
from gitops.history.git_history import GitHistory
from gitops.image_updates.committer import Committer
from gitops.ports import Ledger
from gitops.status_page.source import ControllerState, ControllerTrouble, Statuses

Conditions = Callable[[], Mapping[str, WatchState]]


class RegistryStates(Protocol):
    """How the registries fare, as gitops.sweeper.Sweeper tells."""

    def states(self) -> Sequence[RegistryState]: ...


@dataclass(frozen=True, slots=True)
class StatusParties:
    """Where the observer looks."""

    desired: DesiredState
    ledger: Ledger
    committer: Committer
    chronicle: GitHistory
    comparisons: ParityQueue
    provenance: ImageFacts


class ControllerStatus:
    """Implements status_page.source.StatusSource and the probes of the server. Thread-safe: single assignments only."""

    def __init__(self, config: Config, known: StatusParties, is_leader: Callable[[], bool]) -> None:
        self._config = config
        self._known = known
        self._is_leader = is_leader
        self._conditions: Conditions = dict
        self._loops: Callable[[], Mapping[str, bool]] = dict
        self._head: tuple[str, datetime] | None = None
        self._remote: ControllerTrouble | None = None
        self._sweeps: RegistryStates | None = None

    def listen_to(
        self, conditions: Conditions, loops: Callable[[], Mapping[str, bool]], sweeps: RegistryStates
    ) -> None:
        """`conditions`: how each watch fares; `loops`: whether each loop of the process turns; `sweeps`: how those of
        the registries do.
        """
        self._conditions = conditions
        self._loops = loops
        self._sweeps = sweeps

    # -- what happened

    def head_is(self, head: str, now: datetime) -> None:
        if head and (self._head is None or self._head[0] != head):
            self._head = (head, now)

    def remote_failed(self, error: GitopsError, now: datetime) -> None:
        """Since when it fails is told, and what it says now."""
        reason = "TrunkGone" if error.reason == "TrunkGone" else "RemoteUnreachable"
        self._remote = ControllerTrouble(reason, error.message, self._remote.since if self._remote else now)

    def remote_answered(self) -> bool:
        """True when it had not before: an outage is over."""
        was_down, self._remote = self._remote is not None, None
        return was_down

    # -- status_page.source.StatusSource

    def statuses(self) -> Statuses:
        return self._known.ledger.read_all()

    def pipeline(self) -> Pipeline | None:
        return self._known.desired.pipeline()

    def past(self) -> RepoHistory:
        return self._known.chronicle.past()

    def parity(self, a: str, b: str) -> ParityComparison:
        return self._known.comparisons.of(a, b)

    def known_parity(self, a: str, b: str) -> ParityComparison:
        return self._known.comparisons.known(a, b)

    def origin(self, image: Image) -> BuildOrigin | None:
        return self._known.provenance.registries.origins.of(image)

    def source_pushes(self, service: str) -> Sequence[SourcePush]:
        return self._known.provenance.pushes.of(service)

    def controller(self) -> ControllerState:
        head, since = self._head or (None, None)
        remote = git_urls.parse(self._config.repo.url)
        registries = tuple(self._sweeps.states()) if self._sweeps else ()
        failing = [
            ControllerTrouble("SweepFailing", each.message, each.failing_since)
            for each in registries
            if each.failing_since
        ]
        return ControllerState(
            repo=str(remote) if remote else "config repo",
            trunk=self._config.repo.trunk,
            leader=self._is_leader(),
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
        failing = {name: state for name, state in self._conditions().items() if state.failing_since}
        found += [
            ControllerTrouble("WatchFailing", f"{name}: {state.error}", state.failing_since)
            for name, state in failing.items()
            if state.failing_since
        ]
        return found

    # -- probes

    def dead_loops(self) -> Sequence[str]:
        return [name for name, turns in self._loops().items() if not turns]

    def unready(self) -> Sequence[str]:
        return [*self.dead_loops(), *([] if self._head else ["the config repo was not fetched yet"])]
