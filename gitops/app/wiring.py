"""Makes the parties from the configuration, for the controller and for the commands: config repo, cluster, renders,
passes. Not here: registries (app.registry_wiring) and the recorder of proofs (app.promotion_wiring).
"""

import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from gitops.adapters.git.config_repo import GitConfigRepo, GitLimits, GitOptions
from gitops.adapters.git.remote import GitAccess
from gitops.adapters.kubernetes.api import KubernetesApi
from gitops.adapters.kubernetes.applysets import KubernetesApplySets
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.discovery import Discovery
from gitops.adapters.kubernetes.events import KubernetesEvents
from gitops.adapters.kubernetes.installation_key import installation_key
from gitops.adapters.kubernetes.kubeconfig import ClusterAccess
from gitops.adapters.kubernetes.ledger import KubernetesLedger
from gitops.adapters.kubernetes.watcher import Watcher
from gitops.adapters.kustomize.builder import Kustomize, RenderLimits
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.config.model import Config, RepoConfig
from gitops.config.repo import RepoCredentials
from gitops.contract.checker import Checker
from gitops.contract.head_surveys import HeadSurveys
from gitops.contract.surveyor import Surveyor
from gitops.core.errors import Rejected, Unavailable
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.parsing import git_urls
from gitops.desired.applied_overlays import AppliedOverlays
from gitops.desired.desired_state import DesiredState
from gitops.desired.overlay_render import ScopeRules
from gitops.ports import (
    Clock,
    ContractCheck,
    GitObserver,
    ImageAvailability,
    Leadership,
    LiveListener,
    PassObserver,
    PendingPromotions,
    Renderer,
    RenderObserver,
    SyncObserver,
)
from gitops.reconcile.admission import OverlayAdmission
from gitops.reconcile.executor import Executor
from gitops.reconcile.reconciler import Reconciler, ReconcilerParties
from gitops.reconcile.status_writer import StatusWriter
from gitops.render.builds import Builds
from gitops.render.observed_renderer import ObservedRenderer

_log = structlog.get_logger(__name__)
_PARALLEL_WRITES = 8
_WHY_NETWORK = "seccomp or the kernel forbids it, or unshare is missing; the guard still lets no address through"


class Follower:
    """Implements ports.Leadership for commands: they never write what only the leader may write."""

    def is_leader(self) -> bool:
        return False


class FencedCommand:
    """Implements ports.Leadership for `lockstep down`, whose fence is the parent's compare-and-swap: the overlay left
    git, so no leader works on it.
    """

    def is_leader(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of an installation: its configuration, its clock, and whether it leads."""

    config: Config
    clock: Clock
    leadership: Leadership = field(default_factory=Follower)


@dataclass(frozen=True, slots=True)
class ClusterParts:
    """One cluster and what Lockstep keeps there."""

    api: KubernetesApi
    discovery: Discovery
    cluster: KubernetesCluster
    parents: KubernetesApplySets
    ledger: KubernetesLedger
    statuses: StatusWriter


def repo_name(config: Config) -> str:
    """The name of the config repo in the cluster and on the page: host and path, without user and secret."""
    parsed = git_urls.parse(config.repo.url)
    return str(parsed) if parsed else "config repo"


def manager(config: Config) -> str:
    """The field manager of this installation."""
    return "lockstep" if config.name == "lockstep" else f"lockstep-{config.name}"


def config_repo(config: Config, directory: Path, observer: GitObserver | None = None) -> GitConfigRepo:
    """Makes the parent of `directory` readable by this user only: the clone holds the files of the config repo."""
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seconds = config.timeouts.git.total_seconds()
    limits = GitLimits(fetch=seconds, push=seconds, clone=max(600.0, 10 * seconds))
    signers = config.signers.file if config.signers else None
    options = GitOptions(limits=limits, access=access(config.repo), allowed_signers=signers, observer=observer)
    return GitConfigRepo(config.repo.url, config.repo.trunk, directory, options)


def access(repo: RepoConfig) -> GitAccess:
    """The credentials for the host of the config repo."""
    given = repo.credentials or RepoCredentials()
    return GitAccess(
        username=given.username,
        token=given.token.current() if given.token else None,
        ca_file=repo.ca_file,
        proxy=repo.proxy or "",
        key=given.key,
        known_hosts=given.known_hosts,
    )


def kustomize(config: Config, cache: Path) -> Kustomize:
    """Raises: Rejected(NoKustomize) when there is no binary."""
    binary = config.kustomize or shutil.which("kustomize")
    if binary is None or not Path(binary).is_file():
        where = str(binary) if binary else "any place of PATH"
        raise Rejected("NoKustomize", f"kustomize is not at {where}; set `kustomize:` in lockstep.yaml to its path")
    return Kustomize(Path(binary), cache, RenderLimits(seconds=config.timeouts.render.total_seconds()))


def builder(config: Config) -> Kustomize:
    """The renderer of the controller. Warns once if builds keep their network. Raises as `kustomize`."""
    made = kustomize(config, config.state / "renders")
    if made.has_network:
        remedy = "allow unshare(1) to make a network namespace, or let a NetworkPolicy hold the pod"
        _log.warning("builds of kustomize keep their network", reason=_WHY_NETWORK, remedy=remedy)
    return made


@dataclass(frozen=True, slots=True)
class Renders:
    """kustomize, and the cache of the surveys that the contract makes of its output."""

    renderer: Renderer
    surveys: RenderCache


def renders(kustomize: Kustomize, observer: RenderObserver | None = None) -> Renders:
    """`observer` learns of each render."""
    surveys = RenderCache(kustomize.directory / "surveys")
    return Renders(ObservedRenderer(kustomize, observer, time.monotonic) if observer else kustomize, surveys)


def connect(config: Config) -> KubernetesApi:
    """The client of the API server; no request is made yet.

    Raises: Rejected(InvalidKubeconfig, ExecRefused, InsecureRefused).
    """
    given = config.cluster
    access = ClusterAccess(given.kubeconfig, given.context or "") if given else ClusterAccess()
    return KubernetesApi(access, seconds=config.timeouts.cluster.total_seconds())


def reach(replica: Replica, api: KubernetesApi) -> ClusterParts:
    """Makes the parts that work with one cluster; they send no request yet."""
    config, clock = replica.config, replica.clock
    discovery, repo = Discovery(api), repo_name(config)
    ledger = KubernetesLedger(api, repo=repo, leadership=replica.leadership, clock=clock)
    events = KubernetesEvents(api, name=lambda: secrets.token_hex(8))
    return ClusterParts(
        api=api,
        discovery=discovery,
        cluster=KubernetesCluster(discovery, manager=manager(config)),
        parents=KubernetesApplySets(api, repo=repo),
        ledger=ledger,
        statuses=StatusWriter(ledger, events, clock),
    )


def _rules(config: Config, reached: ClusterParts) -> ScopeRules:
    ceilings = ScopeCeilings(
        namespaces=config.ceilings.namespaces,
        cluster_kinds=config.ceilings.cluster_kinds,
        service_accounts=config.ceilings.service_accounts,
    )
    return ScopeRules(ceilings, _InstallationKey(reached.api), config.cluster.context if config.cluster else None)


@dataclass(frozen=True, slots=True)
class LiveParts:
    """The live side of a pass: the watches, and the writes to the cluster."""

    watcher: Watcher
    executor: Executor
    pool: ThreadPoolExecutor

    def stop(self) -> None:
        """Ends the watches; writes that are under way end by themselves."""
        self.watcher.stop()
        self.pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class DesiredParts:
    """The desired state of git, and the checks that admit it: `admission` in each pass, `contract` before a push."""

    desired: DesiredState
    admission: OverlayAdmission
    contract: ContractCheck


def desired_parts(config: Config, repo: GitConfigRepo, renders: Renders, reached: ClusterParts) -> DesiredParts:
    builds = Builds(repo, renders.renderer)
    checker = Checker(repo, Surveyor(builds, renders.surveys))
    desired = DesiredState(repo, builds, reached.cluster, _rules(config, reached))
    surveys = HeadSurveys(builds, renders.surveys)
    return DesiredParts(desired, OverlayAdmission(desired, AppliedOverlays(repo, builds), surveys), checker)


def live(replica: Replica, reached: ClusterParts, listener: LiveListener | None = None) -> LiveParts:
    """`listener` learns which objects of an ApplySet changed."""
    name, leadership = manager(replica.config), replica.leadership
    watcher = Watcher(reached.discovery, manager=name, clock=replica.clock, listener=listener)
    pool = ThreadPoolExecutor(_PARALLEL_WRITES, thread_name_prefix="executor")
    executor = Executor(reached.cluster, watcher, pool, manager=name, leadership=leadership)
    return LiveParts(watcher, executor, pool)


def executor(config: Config, reached: ClusterParts, parts: LiveParts, leadership: Leadership) -> Executor:
    """Another executor over the same watches and threads."""
    return Executor(reached.cluster, parts.watcher, parts.pool, manager=manager(config), leadership=leadership)


@dataclass(frozen=True, slots=True)
class StatusParts:
    """Further sources of a status, beyond git and the cluster, and the observers of passes."""

    observers: Sequence[PassObserver] = ()
    counter: SyncObserver | None = None
    pending: PendingPromotions | None = None
    images: ImageAvailability | None = None


def reconciler(
    replica: Replica, reached: ClusterParts, wanted: DesiredParts, parts: LiveParts, status: StatusParts | None = None
) -> Reconciler:
    said = status or StatusParts()
    return Reconciler(
        ReconcilerParties(
            desired=wanted.desired,
            admission=wanted.admission,
            live=parts.watcher,
            parents=reached.parents,
            reporter=reached.statuses,
            executor=parts.executor,
            clock=replica.clock,
            leadership=replica.leadership,
            repo_name=repo_name(replica.config),
            observers=said.observers,
            counter=said.counter,
            pending=said.pending,
            images=said.images,
        )
    )


class _InstallationKey:
    """Implements ports.SecretHashKey: read from the cluster when it is needed first, once for all threads that wait."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._key: bytes | None = None
        self._lock = threading.Lock()

    def read(self) -> bytes:
        with self._lock:
            if self._key is None:
                try:
                    self._key = installation_key(self._api, secrets.token_bytes)
                except Rejected as error:  # permissions can be mended without a commit
                    raise Unavailable(error.reason, error.message) from error
            return self._key
