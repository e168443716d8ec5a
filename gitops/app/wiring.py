"""From the configuration to the parties, each made in one place: for the controller and for the commands alike."""

import secrets
import shutil
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
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
from gitops.app.image_facts import ImageFacts
from gitops.config.model import Config, RepoConfig
from gitops.config.repo import RepoCredentials
from gitops.contract.admission import ContractAdmission
from gitops.contract.checker import Checker
from gitops.contract.parity import ParityComparer
from gitops.contract.parity_queue import CompareEnvironments
from gitops.contract.surveyor import Surveyor
from gitops.core.errors import Rejected, Unavailable
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.objects import Key
from gitops.core.ownership.applyset import applyset_of
from gitops.core.parsing import git_urls
from gitops.core.promotion.gates import Gate
from gitops.desired.desired_state import DesiredState, ScopeRules
from gitops.promotion.commit_writer import ContractCheck
from gitops.promotion.gate_check import ImageQueries
from gitops.promotion.promoter import Promoter, PromoterParties
from gitops.promotion.proof_recorder import ProofRecorder, ProofSources
from gitops.reconcile.executor import Executor
from gitops.reconcile.reconciler import Reconciler, ReconcilerParties
from gitops.reconcile.status_writer import StatusWriter
from gitops.registry_queries.build_origins import Origins
from gitops.registry_queries.query_cache import QueryParties, RegistryOf
from gitops.registry_queries.scans import Scans
from gitops.registry_queries.source_pushes import SourcePushes
from gitops.render.builds import Builds
from gitops.runtime.workqueue import Backoff, Workqueue

_log = structlog.get_logger(__name__)
_PARALLEL_WRITES = 8
_PARALLEL_QUESTIONS = 2
"""To registries, of each kind."""
_WHY_NETWORK = "seccomp or the kernel forbids it, or unshare is missing; the guard still lets no address through"


@dataclass(frozen=True, slots=True)
class Clocks:
    """`now` is wall-clock time, aware, in UTC; `monotonic` is for intervals, in seconds."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class ClusterParts:
    """One cluster and what Lockstep keeps there."""

    api: KubernetesApi
    kinds: Discovery
    cluster: KubernetesCluster
    parents: KubernetesApplySets
    ledger: KubernetesLedger


def repo_name(config: Config) -> str:
    """How the config repo is written into the cluster and shown: host and path, no user, no secret."""
    parsed = git_urls.parse(config.repo.url)
    return str(parsed) if parsed else "config repo"


def manager(config: Config) -> str:
    """The field manager of this installation."""
    return "lockstep" if config.name == "lockstep" else f"lockstep-{config.name}"


def config_repo(config: Config, directory: Path) -> GitConfigRepo:
    """The directory around the clone is made for us alone: what is below holds what the config repo holds."""
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seconds = config.timeouts.git.total_seconds()
    limits = GitLimits(fetch=seconds, push=seconds, clone=max(600.0, 10 * seconds))
    signers = config.signers.file if config.signers else None
    options = GitOptions(limits=limits, access=access(config.repo), allowed_signers=signers)
    return GitConfigRepo(config.repo.url, config.repo.trunk, directory, options)


def access(repo: RepoConfig) -> GitAccess:
    """What the host of the config repo is shown."""
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
    """Raises: Rejected(NoKustomize) when the binary is not there."""
    binary = config.kustomize or shutil.which("kustomize")
    if binary is None or not Path(binary).is_file():
        where = str(binary) if binary else "any place of PATH"
        raise Rejected("NoKustomize", f"kustomize is not at {where}; set `kustomize:` in lockstep.yaml to its path")
    return Kustomize(Path(binary), cache, RenderLimits(seconds=config.timeouts.render.total_seconds()))


def builder(config: Config) -> Kustomize:
    """The controller's own: it says once what it cannot take away from its builds. Raises as `kustomize`."""
    made = kustomize(config, config.state / "renders")
    if made.has_network:
        remedy = "allow unshare(1) to make a network namespace, or let a NetworkPolicy hold the pod"
        _log.warning("builds of kustomize keep their network", reason=_WHY_NETWORK, remedy=remedy)
    return made


def reach(config: Config, clocks: Clocks, is_leader: Callable[[], bool]) -> ClusterParts:
    """Connects to the cluster; no request is made yet.

    Raises: Rejected(InvalidKubeconfig, ExecRefused, InsecureRefused).
    """
    access = (
        ClusterAccess(config.cluster.kubeconfig, config.cluster.context or "") if config.cluster else ClusterAccess()
    )
    api = KubernetesApi(access, seconds=config.timeouts.cluster.total_seconds())
    kinds = Discovery(api)
    repo = repo_name(config)
    return ClusterParts(
        api=api,
        kinds=kinds,
        cluster=KubernetesCluster(kinds, manager=manager(config)),
        parents=KubernetesApplySets(api, repo=repo),
        ledger=KubernetesLedger(api, repo=repo, is_writer=is_leader, monotonic=clocks.monotonic),
    )


def _rules(config: Config, reached: ClusterParts) -> ScopeRules:
    ceilings = ScopeCeilings(
        namespaces=config.ceilings.namespaces,
        cluster_kinds=config.ceilings.cluster_kinds,
        service_accounts=config.ceilings.service_accounts,
    )
    key = _Once(lambda: installation_key(reached.api, secrets.token_bytes))
    return ScopeRules(ceilings, key, applyset_of, config.cluster.context if config.cluster else None)


@dataclass(frozen=True, slots=True)
class ReconcileParts:
    """What it takes to converge: the passes and the watches behind them."""

    reconciler: Reconciler
    reporter: StatusWriter
    watcher: Watcher
    executor: Executor
    pool: ThreadPoolExecutor


@dataclass(frozen=True, slots=True)
class DesiredParts:
    """What git wants, and who knows whether it may: `judge` in each pass, `contract` before a commit is pushed."""

    desired: DesiredState
    judge: ContractAdmission
    contract: ContractCheck


def wanted(config: Config, repo: GitConfigRepo, renderer: Kustomize, reached: ClusterParts) -> DesiredParts:
    builds, memo = Builds(repo, renderer), RenderCache(renderer.directory / "surveys")
    checker = Checker(repo, Surveyor(builds, memo))
    return DesiredParts(
        DesiredState(repo, builds, reached.cluster, _rules(config, reached)),
        ContractAdmission(builds, memo),
        lambda revision, changed: checker.check(revision, changed).forbidden(),
    )


def reconciling(
    config: Config,
    reached: ClusterParts,
    wanted: DesiredParts,
    clocks: Clocks,
    leading: tuple[Callable[[], bool], Callable[[str, Key], None]],
) -> ReconcileParts:
    """`leading` = whether this process may write, and what to call when an object of an ApplySet changed."""
    may_write, on_change = leading
    watcher = Watcher(reached.kinds, manager=manager(config), on_change=on_change, clock=clocks.now)
    announcer = KubernetesEvents(reached.api, name=lambda: secrets.token_hex(8))
    reporter = StatusWriter(reached.ledger, announcer, clocks.now, clocks.monotonic)
    pool = ThreadPoolExecutor(_PARALLEL_WRITES, thread_name_prefix="executor")
    executor = Executor(reached.cluster, watcher, pool, manager=manager(config), may_write=may_write)
    world = ReconcilerParties(
        desired=wanted.desired,
        judge=wanted.judge,
        live=watcher,
        parents=reached.parents,
        reporter=reporter,
        executor=executor,
        now=clocks.now,
        clock=clocks.monotonic,
        may_write=may_write,
        repo_name=repo_name(config),
    )
    return ReconcileParts(Reconciler(world), reporter, watcher, executor, pool)


def provenance(
    registry_of: RegistryOf, desired: DesiredState, clocks: Clocks, backoff: Backoff, on_scan: Callable[[], None]
) -> ImageFacts:
    """`on_scan` is called when a registry has told something new of a scan."""
    queues: list[Workqueue] = []

    def means(number: int, on_answer: Callable[[], None]) -> QueryParties:
        def add(key: str) -> None:
            queues[number].add(key)

        return QueryParties(registry_of, add, clocks.now, on_answer)

    scans, origins = Scans(means(0, on_scan)), Origins(means(1, lambda: None))
    queues += [
        Workqueue(work, backoff=backoff, clock=clocks.monotonic, workers=_PARALLEL_QUESTIONS)
        for work in (scans.work, origins.work)
    ]
    return ImageFacts(ImageQueries(scans, origins), SourcePushes(desired.pipeline, clocks.now), queues)


@dataclass(frozen=True, slots=True)
class PromotionParts:
    """Who watches what runs, and who promotes what was proven."""

    witness: ProofRecorder
    promoter: Promoter


@dataclass(frozen=True, slots=True)
class PromotionHooks:
    """What it takes to promote: the time, the right to write, the gates that may be skipped, who knows the contract,
    what registries tell, and whom to tell: of overlays that a new head may have changed, of a commit that was pushed,
    and of overlays of which something else is said now.
    """

    now: Callable[[], datetime]
    may_write: Callable[[], bool]
    skippable: Collection[Gate]
    judge: ContractCheck
    registries: ImageQueries
    on_head: Callable[[frozenset[str]], None]
    on_promotion: Callable[[str], None]
    on_news: Callable[[frozenset[str]], None]


def promoting(
    reached: ClusterParts, repo: GitConfigRepo, made: ReconcileParts, desired: DesiredState, leading: PromotionHooks
) -> PromotionParts:
    """Wired into the passes of `made`: each is a look at what runs."""
    senses = ProofSources(
        ledger=reached.ledger,
        pipeline=desired.pipeline,
        running=reached.cluster.running,
        read=repo.read,
        now=leading.now,
        is_observing=lambda: leading.may_write() and not _failing(made.watcher),
    )
    witness = ProofRecorder(senses)
    parties = PromoterParties(
        repo=repo,
        desired=desired,
        witness=witness,
        now=leading.now,
        may_write=leading.may_write,
        skippable=leading.skippable,
        account=reached.ledger.read,
        judge=leading.judge,
        registries=leading.registries,
        on_head=leading.on_head,
        on_promotion=leading.on_promotion,
        on_news=leading.on_news,
    )
    promoter = Promoter(parties)
    made.reconciler.attend(witness.see, promoter.said)
    return PromotionParts(witness, promoter)


def compare(repo: GitConfigRepo, renderer: Kustomize) -> CompareEnvironments:
    """Parity of two environments at a head. A comparer keeps drafts in memory, so each comparison gets its own."""
    memo = RenderCache(renderer.directory / "surveys")
    return lambda head, a, b: ParityComparer(repo, renderer, memo, repo.subjects).parity(head, a, b)


def _failing(watcher: Watcher) -> bool:
    return any(condition.failing_since for condition in watcher.conditions().values())


class _Once:
    """A value that needs the cluster, asked for when it is needed first, by one for all who wait for it."""

    def __init__(self, ask: Callable[[], bytes]) -> None:
        self._ask = ask
        self._value: bytes | None = None
        self._lock = threading.Lock()

    def __call__(self) -> bytes:
        with self._lock:
            if self._value is None:
                try:
                    self._value = self._ask()
                except Rejected as error:  # permissions can be mended without a commit
                    raise Unavailable(error.reason, error.message) from error
            return self._value
