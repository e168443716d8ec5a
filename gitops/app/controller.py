"""Everything that runs, wired together: doors, committer, passes, watches, lease, timers. It decides nothing.

Three queues carry names only. `tasks` holds what concerns the whole: "fetch" asks the remote, "refresh" takes in the
head that is known, "lead" reads what a leader has to know, "tags" what people ask for, "promote" decides what may move,
"tell" passes news on to the replica that leads. `overlays` holds overlays to look at; it has work only while this one
leads. `questions` holds what somebody who looks at the page wants to know and what takes longer than a view may: two
environments compared, git's past.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import CollectorRegistry

from gitops.adapters.kubernetes.lease import LeaderElection, LeaseCandidate, LeaseTerms
from gitops.app import registry_wiring as registries
from gitops.app import wiring as assembly
from gitops.app.status_source import ControllerStatus, StatusParties
from gitops.app.wiring import Clocks
from gitops.config.model import Config
from gitops.contract.parity_queue import ParityParties, ParityQueue
from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable
from gitops.core.image_updates.changes import Change
from gitops.core.image_updates.events import ImageDeleted, ImageScanned
from gitops.core.objects import Key
from gitops.core.sync.summary import Stall
from gitops.history.git_history import QUESTION, GitHistory, TrunkReader
from gitops.image_updates.batch import ImageSources
from gitops.image_updates.committer import CommitClock, Committer
from gitops.ports import Registry
from gitops.reconcile.leader_relay import LeaderRelay
from gitops.reconcile.triggers import Triggers
from gitops.registry_sweep.schedule import SweepSchedule, SweepTerms
from gitops.runtime.metrics import Metrics
from gitops.runtime.workqueue import Backoff, Workqueue
from gitops.status_page.blueprint import blueprint
from gitops.status_page.overview_cache import OverviewCache
from gitops.status_page.source import PageInputs
from gitops.web import apps as server
from gitops.web.apps import Probes
from gitops.web.listener import Listener
from webhooks.receivers import WebhookInputs
from webhooks.sender import Sender

_log = structlog.get_logger(__name__)

RECHECK_SECONDS = 300
_STOP_SECONDS = 15.0
"""For all of it, so that what is left of the usual 30 s of grace suffices for calls that are under way."""
_SETTLE_SECONDS = 0.03
"""Changes in a cluster come in bunches; one pass sees them all."""
_STEP_ASIDE_SECONDS = 0.1
"""Senders wait three seconds and passes have time; besides, the next commit would make them do their work twice."""
_MANY_SENDERS = 20
"""So many wait in a storm, and a sweep would only find what they bring."""
_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the listeners ended up (host, port)."""

    webhooks: tuple[str, int]
    page: tuple[str, int]
    metrics: tuple[str, int]


class Controller:
    """One process of an installation. start() once, stop() once. `senders` are the parties of the webhook door."""

    def __init__(self, config: Config, senders: Mapping[str, Sender], identity: str, clocks: Clocks) -> None:
        self._config = config
        self._clocks = clocks
        self._registry = CollectorRegistry()
        self._metrics = Metrics(self._registry)
        self._repo = assembly.config_repo(config, config.state / "clone")
        self._reached = assembly.reach(config, clocks, self._leads)
        renderer = assembly.builder(config)
        wanted = assembly.wanted(config, self._repo, renderer, self._reached)
        self._desired = wanted.desired
        terms = LeaseTerms.lasting(config.lease.total_seconds())
        candidate = LeaseCandidate(identity, lambda: self._tasks.add("lead"), self._deposed, terms)
        self._leader = LeaderElection(self._reached.api, config.name, candidate, clock=clocks.now)
        leading = (self._leader.is_leader, self._on_change)
        self._reconciling = assembly.reconciling(config, self._reached, wanted, clocks, leading)
        backoff = Backoff(_random.random, first=0.2)
        self._tasks = Workqueue(self._task, backoff=backoff, clock=clocks.monotonic, workers=2)
        self._herald = LeaderRelay(self._leads, self._ask_for_pass, lambda: self._tasks.add("tell"))
        self._overlays = Workqueue(self._pass, backoff=backoff, clock=clocks.monotonic, workers=config.workers)
        found = registries.registries(config)
        self._provenance = assembly.provenance(
            registries.registry_of(found), self._desired, clocks, backoff, lambda: self._tasks.add("promote")
        )
        self._committer = Committer(
            self._repo,
            clock=CommitClock(clocks.now, clocks.monotonic, _random.random),
            on_commit=self._on_commit,
            elsewhere=ImageSources(self._desired.images_in_use, self._provenance.registries.origins.revision),
        )
        self._questions = Workqueue(self._answer, backoff=backoff, clock=clocks.monotonic, workers=1)
        means = ParityParties(
            assembly.compare(self._repo, renderer),
            self._desired.head,
            self._questions.add,
            clocks.now,
            clocks.monotonic,
        )
        self._comparisons = ParityQueue(means)
        trunk = TrunkReader(self._repo, self._desired.head, self._desired.overlays)
        self._chronicle = GitHistory(trunk, self._questions.add)
        told = (self._chronicle, self._comparisons, self._provenance)
        known = StatusParties(self._desired, self._reached.ledger, self._committer, *told)
        tell = (self._on_head, self._on_promotion, self._on_news)
        self._sweeping = self._made_sweeping(found, clocks)
        asked = replace(self._provenance.registries, is_absent=self._sweeping.is_absent)
        hooks = assembly.PromotionHooks(clocks.now, self._leads, config.skippable, wanted.contract, asked, *tell)
        self._promoting = assembly.promoting(self._reached, self._repo, self._reconciling, self._desired, hooks)
        self._observer = ControllerStatus(config, known, self._leader.is_leader)
        self._observer.listen_to(self._reconciling.watcher.conditions, self._loops, self._sweeping.sweeper)
        self._hints = Triggers(self._repo, config.repo.trunk, self._desired, self._tasks.add, self._herald.tell)
        self._listeners = self._made_listeners(senders)
        self._timers = BackgroundScheduler(timezone="UTC")

    def start(self) -> Addresses:
        """Everything turns when it returns; what is not reachable yet is tried again in the background."""
        self._tasks.start()
        self._overlays.start()
        self._questions.start()
        self._provenance.start()
        self._committer.start()
        self._sweeping.start()
        self._tasks.add("fetch")
        self._leader.start()
        self._add_timers()
        self._timers.start()
        addresses = Addresses(*(listener.start() for listener in self._listeners))
        _log.info("controller started", page=f"http://{addresses.page[0]}:{addresses.page[1]}/")
        return addresses

    def stop(self) -> None:
        """Stops taking deliveries, lets what runs finish for a few seconds, gives the Lease back."""
        ends = self._clocks.monotonic() + _STOP_SECONDS

        def left() -> float:
            return max(ends - self._clocks.monotonic(), 0.1)

        webhooks, *others = self._listeners
        webhooks.stop(left() / 2)
        self._timers.shutdown(wait=False)
        self._sweeping.stop(left() / 4)
        self._committer.stop(left())
        self._tasks.stop(left())
        if self._overlays.stop(left()):
            self._leader.stop()  # else a pass still writes: the Lease runs out instead
        self._questions.stop(_STOP_SECONDS)
        self._provenance.stop()
        self._reconciling.watcher.stop()
        for listener in others:
            listener.stop(1.0)
        self._reconciling.pool.shutdown(wait=False, cancel_futures=True)
        self._repo.close()
        self._reached.api.close()
        _log.info("controller stopped")

    def _leads(self) -> bool:
        return self._leader.is_leader()

    def _deposed(self) -> None:
        """What others write from now on is not seen here: nothing of it may be believed when this one leads again."""
        self._promoting.witness.forget()
        self._reconciling.reconciler.forget()
        self._reached.ledger.forget()
        self._sweeping.forget()

    # -- what the queues run

    def _task(self, name: str) -> float | None:
        if name == "fetch":
            self._fetch()
        elif name == "lead":
            self._lead()
        elif name == "tags" and self._leads():
            self._promoting.promoter.read_tags()
            self._tasks.add("promote")
        elif name == "promote":
            return self._promoting.promoter.look()
        elif name == "tell":
            self._herald.deliver()
            return None
        self._refresh()
        return None

    def _fetch(self) -> None:
        began = self._clocks.monotonic()
        try:
            self._repo.fetch()
        except (Unavailable, Rejected) as error:
            self._observer.remote_failed(error, self._clocks.now())
            self._metrics.fetch_seconds.labels("failed").observe(self._clocks.monotonic() - began)
            raise
        if self._observer.remote_answered():
            self._sweeping.look_everywhere()
        self._tasks.add("tags")
        self._metrics.fetch_seconds.labels("ok").observe(self._clocks.monotonic() - began)

    def _refresh(self) -> None:
        """Takes in the known head and looks at the overlays that it may have changed."""
        touched = self._desired.refresh()
        self._observer.head_is(self._desired.head(), self._clocks.now())
        self._sweeping.hurry()
        if touched:
            _log.info("head", revision=self._desired.head(), overlays=len(touched))
        if touched and self._leader.is_leader():
            self._on_head(touched)
            self._tasks.add("promote")
        self._hints.take_in()

    def _lead(self) -> None:
        """What a new leader does: read what others left, then look at everything."""
        if not self._leader.is_leader():
            return
        if not self._repo.head():
            raise Unavailable("NoHead", "the config repo was not fetched yet")
        self._reached.ledger.forget()
        self._promoting.witness.recall()
        self._reconciling.reconciler.recall()
        self._refresh()
        self._reconciling.watcher.watch_requests(assembly.repo_name(self._config), self._on_request)
        self._look_at(self._reconciling.reconciler.known())
        self._tasks.add("tags")
        self._sweeping.look_everywhere()

    def _look_at(self, names: Sequence[str] | frozenset[str]) -> None:
        order = {name: place for place, name in enumerate(self._desired.overlays())}
        for name in sorted(names, key=lambda each: order.get(each, len(order))):
            self._overlays.add(name)

    def _pass(self, name: str) -> float | None:
        if not (self._leader.is_leader() and self._reconciling.reconciler.has_recalled):
            return None  # a new leader looks at everything once it has read what others left
        if self._committer.is_crowded():
            return _STEP_ASIDE_SECONDS
        before = self._reconciling.reporter.status(name)
        began = self._clocks.monotonic()
        outcome = "bug"
        try:
            again = self._reconciling.reconciler.reconcile(name)
            outcome = "ok"
        except GitopsError as error:
            outcome = "failed"
            if isinstance(error, Conflict):
                self._tasks.add("refresh")  # the head that this pass knew may be an old one
            raise
        finally:
            if outcome == "bug":
                self._tell_of_bug(name)
            self._metrics.reconcile_seconds.labels(name, outcome).observe(self._clocks.monotonic() - began)
            status = self._reconciling.reporter.status(name)
            if status is not None:
                self._metrics.status(status)
        if status is not before:
            self._tasks.add("promote")
            self._look_at(self._reconciling.reconciler.breached() - {name})  # what runs here is what they are judged by
        return again

    def _answer(self, question: str) -> float | None:
        if question == QUESTION:
            self._chronicle.read()
            return None
        return self._comparisons.work(question)

    def _tell_of_bug(self, name: str) -> None:
        """What the page says must not be older than the last look, whatever became of that."""
        overlay = self._desired.overlays().get(name)
        if overlay is not None:
            stall = Stall("InternalError", "a bug of Lockstep; the controller's log has more. It is tried again")
            self._reconciling.reporter.report_stopped(name, overlay.environment, stall)

    # -- what others call

    def _on_change(self, part_of: str, _: Key) -> None:
        name = self._reconciling.reconciler.overlay_of(part_of)
        if name is not None and self._leader.is_leader():
            self._overlays.add(name, after=_SETTLE_SECONDS)

    def _on_request(self, overlay: str) -> None:
        """Somebody asks to look again, and may know a newer head, or news of a registry: a follower that has just heard
        of it.
        """
        self._provenance.registries.scans.outdate()
        self._sweeping.look_again()
        self._overlays.add(overlay)
        self._tasks.add("fetch")

    def _on_commit(self, head: str, changes: Sequence[Change]) -> None:
        self._metrics.commits.inc(len(changes))
        self._tasks.add("refresh")
        if self._committer.trouble is not None:
            self._sweeping.look_everywhere()  # senders give up after a while: what they had to say is in the registry
        self._herald.tell(*(change.target.overlay for change in changes))
        _log.info("pushed", revision=head, commits=len(changes))

    def _on_head(self, touched: frozenset[str]) -> None:
        """What was found in breach is looked at too: what another environment does now may have mended it."""
        if touched:
            self._look_at(touched | self._reconciling.reconciler.breached())

    def _on_promotion(self, _head: str) -> None:
        self._metrics.commits.inc()
        self._tasks.add("refresh")

    def _on_news(self, overlays: frozenset[str]) -> None:
        self._look_at(overlays & frozenset(self._desired.overlays()))

    def _ask_for_pass(self, overlay: str) -> None:
        self._reached.parents.request(overlay, self._clocks.now())

    def _on_registry_news(self, event: ImageScanned | ImageDeleted) -> str:
        if isinstance(event, ImageScanned):
            self._provenance.registries.scans.announced(event)
        else:
            self._sweeping.look_at(event.image, event.digest)
            self._herald.tell(*self._desired.overlays())
        return self._hints.registry_news(event)

    # -- what start() needs

    def _made_listeners(self, senders: Mapping[str, Sender]) -> tuple[Listener, Listener, Listener]:
        inputs = WebhookInputs(
            senders=senders,
            inbox=self._committer,
            repos=self._config.repo.remotes(),
            on_config_push=self._hints.config_pushed,
            on_registry_news=self._on_registry_news,
            observe=self._metrics.delivery,
            clock=self._clocks.monotonic,
            now=lambda: self._clocks.now().timestamp(),
            deadline=self._config.webhooks.deadline.total_seconds(),
            on_source_push=self._provenance.pushes.on_source_push,
        )
        probes = Probes(alive=self._observer.dead_loops, ready=self._observer.unready)
        pages = server.create_page_app(blueprint(PageInputs(self._observer, self._clocks.now)), probes)
        page = OverviewCache(pages, lambda: self._committer.waiting >= _MANY_SENDERS, self._clocks.monotonic)
        return server.listeners(self._config, inputs, page, self._registry, probes)

    def _made_sweeping(self, found: Mapping[str, Registry], clocks: Clocks) -> SweepSchedule:
        terms = SweepTerms(
            leads=lambda: self._leads() and self._reconciling.reconciler.has_recalled,
            is_busy=lambda: self._committer.waiting >= _MANY_SENDERS,
            pipeline=self._desired.pipeline,
            jitter=_random.random,
            clock=clocks.monotonic,
            observe=self._metrics.sweep,
        )
        means = registries.SweepParties(self._committer, self._repo, self._desired, clocks)
        made = registries.sweeping(found, means, self._reached.ledger, terms, self._on_news)
        self._reconciling.reconciler.ask_for_missing(made.missing)
        return made

    def _loops(self) -> Mapping[str, bool]:
        """Whether each loop of the process turns."""
        return {
            "committer": self._committer.is_alive(),
            "overlays": self._overlays.is_alive(),
            "questions": self._questions.is_alive(),
            "registries": self._provenance.is_alive(),
            "sweeps": self._sweeping.is_alive(),
            "tasks": self._tasks.is_alive(),
            "timers": self._timers.running,
            "webhooks": self._listeners[0].is_alive(),
        }

    def _add_timers(self) -> None:
        poll = self._config.poll.total_seconds()
        add = self._timers.add_job
        add(lambda: self._tasks.add("fetch"), "interval", seconds=poll, jitter=max(1, int(poll / 10)))
        add(lambda: self._look_at(frozenset(self._desired.overlays())), "interval", seconds=RECHECK_SECONDS, jitter=30)
        self._metrics.queue_items.set_function(self._overlays.depth)
        self._metrics.leader.set_function(lambda: float(self._leader.is_leader()))
