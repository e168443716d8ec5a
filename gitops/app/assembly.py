"""Makes the controller: every part once, in an order in which each part only needs parts that exist already.

The queues and the election come first, since they are passive until they are started: what notifies the controller
holds a queue, and what the queues run is handed to them by Controller.start.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kubernetes.lease import LeaderElection, LeaseCandidate, LeaseTerms
from gitops.adapters.kubernetes.reflector import WATCH_STATES
from gitops.app import promotion_wiring as promotions
from gitops.app import registry_wiring as registries
from gitops.app import wiring
from gitops.app.controller import Controller, ControllerParts
from gitops.app.event_handlers import (
    CommittedImages,
    LeadershipChanges,
    LiveChanges,
    OutsideTriggers,
    OverlayQueue,
    PromoterNews,
)
from gitops.app.image_facts import ImageFacts
from gitops.app.passes import OverlayPasses, PassParties
from gitops.app.questions import Questions
from gitops.app.queues import Queues, queues
from gitops.app.status_source import ControllerStatus, StatusParties
from gitops.app.tasks import TaskParties, Tasks
from gitops.app.timers import Timers
from gitops.app.wiring import ClusterParts, DesiredParts, LiveParts, Renders, Replica, StatusParts
from gitops.config.model import Config
from gitops.contract.parity import ParityComparer
from gitops.contract.parity_queue import ParityParties, ParityQueue
from gitops.history.git_history import GitHistory
from gitops.image_updates.batch import ImageSources
from gitops.image_updates.committer import Committer, CommitterParties
from gitops.ports import Clock, Leadership, Registry
from gitops.promotion.pending import PublishedNotes
from gitops.promotion.promoter import Promoter, PromoterParties
from gitops.promotion.proof_recorder import ProofRecorder
from gitops.reconcile.leader_relay import LeaderRelay
from gitops.reconcile.reconciler import Reconciler
from gitops.reconcile.triggers import Triggers
from gitops.registry_sweep.image_retention import ImageRetention
from gitops.registry_sweep.schedule import SweepSchedule, SweepTerms
from gitops.runtime.loops import Loops
from gitops.runtime.metrics import Metrics
from gitops.status_page.blueprint import blueprint
from gitops.status_page.overview_cache import OverviewCache
from gitops.status_page.source import PageInputs
from gitops.web import apps
from gitops.web.apps import Listeners
from webhooks.receivers import WebhookInputs
from webhooks.sender import Sender

_random = random.SystemRandom()


class RecalledLeadership:
    """Implements ports.Leadership: this replica leads, and has read what the last leader left."""

    def __init__(self, leadership: Leadership, reconciler: Reconciler) -> None:
        self._leadership = leadership
        self._reconciler = reconciler

    def is_leader(self) -> bool:
        return self._leadership.is_leader() and self._reconciler.has_recalled


def assemble(config: Config, senders: Mapping[str, Sender], identity: str, clock: Clock) -> Controller:
    """Nothing runs yet when it returns. `senders` are the senders of webhooks; `identity` differs between any two
    processes.

    Raises: Rejected when the configuration names something that is not there, such as kustomize or the kubeconfig.
    """
    base = _base(config, identity, clock)
    work = _workflows(base)
    loops = Loops()
    status, questions = _status(base, work, loops)
    news = OutsideTriggers(
        work.facts, work.sweeps, work.triggers, work.relay, base.wanted.desired, base.queues.tasks, base.passes
    )
    parts = ControllerParts(
        queues=base.queues,
        tasks=_tasks(base, work, status, news),
        passes=_passes(base, work),
        questions=questions,
        facts=work.facts,
        committer=work.committer,
        sweeps=work.sweeps,
        leader=base.leader,
        leadership=LeadershipChanges(
            base.queues.tasks, (work.recorder, work.reconciler, base.reached.ledger, work.sweeps, base.metrics)
        ),
        live=work.live,
        timers=Timers(base.queues.tasks, base.passes, config.poll.total_seconds()),
        listeners=_listeners(base, work, status, news, senders),
        loops=loops,
        repo=base.repo,
        api=base.reached.api,
    )
    return Controller(parts, clock)


@dataclass(frozen=True, slots=True)
class _Base:
    """The parts below the workflows: git, the cluster, renders, registries, queues and metrics."""

    replica: Replica
    leader: LeaderElection
    repo: GitConfigRepo
    renders: Renders
    reached: ClusterParts
    wanted: DesiredParts
    registries: Mapping[str, Registry]
    queues: Queues
    passes: OverlayQueue
    collector: CollectorRegistry
    metrics: Metrics


def _base(config: Config, identity: str, clock: Clock) -> _Base:
    api = wiring.connect(config)
    candidate = LeaseCandidate(identity, LeaseTerms.lasting(config.lease.total_seconds()))
    leader = LeaderElection(api, config.name, candidate, clock=clock)
    replica = Replica(config, clock, leader)
    reached = wiring.reach(replica, api)
    collector = CollectorRegistry()
    metrics = Metrics(collector)
    repo = wiring.config_repo(config, config.state / "clone", metrics)
    renders = wiring.renders(wiring.builder(config), metrics)
    wanted = wiring.desired_parts(config, repo, renders, reached)
    made = queues(clock, config.workers)
    metrics.queue_items.set_function(made.overlays.depth)
    metrics.leader.set_function(leader.is_leader)
    return _Base(
        replica=replica,
        leader=leader,
        repo=repo,
        renders=renders,
        reached=reached,
        wanted=wanted,
        registries=registries.registries(config),
        queues=made,
        passes=OverlayQueue(made.overlays, wanted.desired),
        collector=collector,
        metrics=metrics,
    )


@dataclass(frozen=True, slots=True)
class _Workflows:
    facts: ImageFacts
    live: LiveParts
    recorder: ProofRecorder
    reconciler: Reconciler
    relay: LeaderRelay
    triggers: Triggers
    committer: Committer
    sweeps: SweepSchedule
    promoter: Promoter


def _workflows(base: _Base) -> _Workflows:
    replica, reached, wanted, tasks = base.replica, base.reached, base.wanted, base.queues.tasks
    retention = registries.retention(base.registries, reached.ledger, wanted.desired, base.passes, replica.clock)
    facts = registries.image_facts(base.registries, wanted.desired, replica.clock, base.queues, retention)
    changes = LiveChanges(base.queues.overlays, base.leader, wanted.desired, reached.statuses)
    live, notes = wiring.live(replica, reached, changes), PublishedNotes()
    recorder = promotions.recorder(replica, reached, base.repo, wanted, live.watcher)
    reconciler = wiring.reconciler(
        replica, reached, wanted, live, StatusParts((recorder,), base.metrics, notes, retention)
    )
    relay = LeaderRelay(base.leader, reached.parents, tasks, replica.clock)
    sources = ImageSources(wanted.desired, facts.registries.origins)
    listener = CommittedImages(tasks, relay, base.metrics)
    committer = Committer(CommitterParties(base.repo, sources, listener, replica.clock, _random))
    base.metrics.inbox_events.set_function(lambda: committer.waiting)
    for state in WATCH_STATES:
        base.metrics.watches.labels(state).set_function(partial(live.watcher.count, state))
    promotion = PromoterParties(
        repo=base.repo,
        desired=wanted.desired,
        recorder=recorder,
        clock=replica.clock,
        leadership=replica.leadership,
        skippable=replica.config.skippable,
        ledger=reached.ledger,
        contract=wanted.contract,
        registries=facts.registries,
        notes=notes,
        listener=PromoterNews(tasks, base.passes, reconciler, base.metrics),
    )
    return _Workflows(
        facts=facts,
        live=live,
        recorder=recorder,
        reconciler=reconciler,
        relay=relay,
        triggers=Triggers(base.repo, replica.config.repo.trunk, wanted.desired, tasks, relay),
        committer=committer,
        sweeps=_sweeps(base, committer, reconciler, retention),
        promoter=Promoter(promotion),
    )


def _sweeps(base: _Base, committer: Committer, reconciler: Reconciler, retention: ImageRetention) -> SweepSchedule:
    desired, clock = base.wanted.desired, base.replica.clock
    leadership = RecalledLeadership(base.leader, reconciler)
    terms = SweepTerms(leadership, committer, desired, clock, _random, base.metrics)
    parties = registries.SweepParties(committer, base.repo, desired, clock)
    return SweepSchedule(registries.sweeper(base.registries, parties, retention), retention, terms)


def _status(base: _Base, work: _Workflows, loops: Loops) -> tuple[ControllerStatus, Questions]:
    desired, questions = base.wanted.desired, base.queues.questions
    history = GitHistory(base.repo, desired, questions)
    comparer = ParityComparer(base.repo, base.renders.renderer, base.renders.surveys)
    comparisons = ParityQueue(ParityParties(comparer, desired, questions, base.replica.clock))
    parties = StatusParties(
        desired=desired,
        ledger=base.reached.ledger,
        committer=work.committer,
        history=history,
        comparisons=comparisons,
        facts=work.facts,
        watcher=work.live.watcher,
        sweeps=work.sweeps.sweeper,
        leadership=base.leader,
    )
    return ControllerStatus(base.replica.config, parties, loops), Questions(history, comparisons)


def _tasks(base: _Base, work: _Workflows, status: ControllerStatus, news: OutsideTriggers) -> Tasks:
    parties = TaskParties(
        repo=base.repo,
        repo_name=wiring.repo_name(base.replica.config),
        desired=base.wanted.desired,
        ledger=base.reached.ledger,
        reconciler=work.reconciler,
        recorder=work.recorder,
        promoter=work.promoter,
        sweeps=work.sweeps,
        relay=work.relay,
        triggers=work.triggers,
        watcher=work.live.watcher,
        status=status,
        news=news,
        tasks=base.queues.tasks,
        passes=base.passes,
    )
    return Tasks(parties, base.leader, base.replica.clock)


def _passes(base: _Base, work: _Workflows) -> OverlayPasses:
    parties = PassParties(
        reconciler=work.reconciler,
        statuses=base.reached.statuses,
        desired=base.wanted.desired,
        committer=work.committer,
        tasks=base.queues.tasks,
        passes=base.passes,
    )
    return OverlayPasses(parties, base.leader, base.replica.clock, base.metrics)


def _listeners(
    base: _Base, work: _Workflows, status: ControllerStatus, news: OutsideTriggers, senders: Mapping[str, Sender]
) -> Listeners:
    config, clock = base.replica.config, base.replica.clock
    inputs = WebhookInputs(
        senders=senders,
        inbox=work.committer,
        repos=config.repo.remotes(),
        events=news,
        observer=base.metrics,
        clock=clock,
        deadline=config.webhooks.deadline.total_seconds(),
    )
    pages = apps.create_page_app(blueprint(PageInputs(status, clock)), status)
    page = OverviewCache(pages, work.committer, clock)
    return apps.listeners(config, inputs, page, base.collector, status)
