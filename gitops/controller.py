"""Everything that runs, wired together: doors, committer, passes, watches, lease, timers. It decides nothing.

Three queues carry names only. `tasks` holds what concerns the whole: "fetch" asks the remote, "refresh" takes in the
head that is known, "lead" reads what a leader has to know, "tags" what people ask for, "promote" decides what may move,
"tell" passes news on to the replica that leads. `overlays` holds overlays to look at; it has work only while this one
leads. `questions` holds what somebody who looks at the page wants to know and what takes longer than a view may: two
environments compared, git's past.
"""

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import CollectorRegistry

from gitops import assembly
from gitops.adapters.lease import Candidate, Leader, Terms
from gitops.assembly import Clocks
from gitops.chronicle import QUESTION, Chronicle, Trunk
from gitops.committer import Clock, Committer
from gitops.comparisons import Comparisons, Means
from gitops.config import Config
from gitops.core.changes import Change
from gitops.core.errors import Conflict, GitopsError, Unavailable
from gitops.core.events import ConfigPushed
from gitops.core.objects import Key
from gitops.core.requests import APPROVE, PROMOTE
from gitops.core.summary import Stall
from gitops.listener import Limits, Listener
from gitops.metrics import Metrics
from gitops.observer import Known, Observer
from gitops.server import Probes, create_metrics_app, create_page_app, create_webhook_app
from gitops.status_page.blueprint import blueprint
from gitops.status_page.source import Views
from gitops.workqueue import Backoff, Workqueue
from webhooks.receivers import Door
from webhooks.senders import Sender, body_limit

_log = structlog.get_logger(__name__)

RECHECK_SECONDS = 300
_PAGE_THREADS = 8
_STOP_SECONDS = 15.0
"""For all of it, so that what is left of the usual 30 s of grace suffices for calls that are under way."""
_SETTLE_SECONDS = 0.03
"""Changes in a cluster come in bunches; one pass sees them all."""
_STEP_ASIDE_SECONDS = 0.1
"""Senders wait three seconds and passes have time; besides, the next commit would make them do their work twice."""
_MOST_NEWS = 100
"""Overlays of which the leader is told something; any one of them makes it look at the config repo."""
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
        terms = Terms.lasting(config.lease.total_seconds())
        candidate = Candidate(identity, lambda: self._tasks.add("lead"), self._deposed, terms)
        self._leader = Leader(self._reached.api, config.name, candidate, clock=clocks.now)
        leading = (self._leader.is_leader, self._on_change)
        self._reconciling = assembly.reconciling(config, self._reached, wanted, clocks, leading)
        backoff = Backoff(_random.random, first=0.2)
        self._tasks = Workqueue(self._task, backoff=backoff, clock=clocks.monotonic, workers=2)
        self._overlays = Workqueue(self._pass, backoff=backoff, clock=clocks.monotonic, workers=config.workers)
        self._committer = Committer(
            self._repo,
            clock=Clock(clocks.now, clocks.monotonic, _random.random),
            on_commit=self._on_commit,
            images_in_use=self._desired.images_in_use,
        )
        self._questions = Workqueue(self._answer, backoff=backoff, clock=clocks.monotonic, workers=1)
        means = Means(
            assembly.compare(self._repo, renderer),
            self._desired.head,
            self._questions.add,
            clocks.now,
            clocks.monotonic,
        )
        self._comparisons = Comparisons(means)
        trunk = Trunk(self._repo, self._desired.head, self._desired.overlays)
        self._chronicle = Chronicle(trunk, self._questions.add)
        known = Known(self._desired, self._reached.ledger, self._committer, self._chronicle, self._comparisons)
        judge = assembly.contract(self._repo, renderer)
        tell = (self._on_head, self._on_promotion, self._on_news)
        hooks = assembly.Leading(clocks.now, self._leads, config.skippable, judge, *tell)
        self._promoting = assembly.promoting(self._reached, self._repo, self._reconciling, self._desired, hooks)
        self._observer = Observer(config, known, self._leader.is_leader)
        self._observer.listen_to(self._reconciling.watcher.conditions, self._loops)
        self._listeners = self._made_listeners(senders)
        self._timers = BackgroundScheduler(timezone="UTC")
        self._news: deque[str] = deque(maxlen=_MOST_NEWS)

    def start(self) -> Addresses:
        """Everything turns when it returns; what is not reachable yet is tried again in the background."""
        self._tasks.start()
        self._overlays.start()
        self._questions.start()
        self._committer.start()
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
        self._committer.stop(left())
        self._tasks.stop(left())
        if self._overlays.stop(left()):
            self._leader.stop()  # else a pass still writes: the Lease runs out instead
        self._questions.stop(_STOP_SECONDS)
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
            self._told_leader()
            return None
        self._refresh()
        return None

    def _fetch(self) -> None:
        began = self._clocks.monotonic()
        try:
            self._repo.fetch()
        except Unavailable as error:
            self._observer.remote_failed(error, self._clocks.now())
            self._metrics.fetch_seconds.labels("failed").observe(self._clocks.monotonic() - began)
            raise
        self._observer.remote_answered()
        self._tasks.add("tags")
        self._metrics.fetch_seconds.labels("ok").observe(self._clocks.monotonic() - began)

    def _refresh(self) -> None:
        """Takes in the known head and looks at the overlays that it may have changed."""
        touched = self._desired.refresh()
        self._observer.head_is(self._desired.head(), self._clocks.now())
        if touched:
            _log.info("head", revision=self._desired.head(), overlays=len(touched))
        if touched and self._leader.is_leader():
            self._on_head(touched)
            self._tasks.add("promote")

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
        """Somebody asks to look again, and may know a newer head: a follower that has just pushed it."""
        self._overlays.add(overlay)
        self._tasks.add("fetch")

    def _on_commit(self, head: str, changes: Sequence[Change]) -> None:
        self._metrics.commits.inc(len(changes))
        self._tasks.add("refresh")
        self._tell_leader(*(change.target.overlay for change in changes))
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

    def _overlays_of(self, environment: str) -> list[str]:
        """None for an environment that git does not know: a sender may say anything."""
        return [each.name for each in self._desired.overlays().values() if each.environment == environment]

    def _tell_leader(self, *overlays: str) -> None:
        """Senders wait: whoever hears it is asked by another thread, since the cluster may take its time."""
        if not self._leads():
            self._news.extend(overlays)
            self._tasks.add("tell")

    def _told_leader(self) -> None:
        """One parent that was touched is enough: the leader then fetches the head, and sees all that it changes."""
        for overlay in [self._news.popleft() for _ in range(len(self._news))]:
            try:
                self._reached.parents.request(overlay, self._clocks.now())
            except GitopsError as error:  # a hint: the leader polls the config repo anyway
                _log.info("the leader was not told", overlay=overlay, reason=error.reason)
            else:
                return

    def _on_config_push(self, event: ConfigPushed) -> str:
        if event.ref.startswith(tuple(f"refs/tags/{prefix}" for prefix in (PROMOTE, APPROVE))):
            self._tasks.add("tags")
            self._tell_leader(*self._overlays_of(event.ref.split("/")[3]))
            return "looking at what was asked for"
        if event.ref != f"refs/heads/{self._config.repo.trunk}":
            return f"{event.ref} is not the trunk; nothing depends on it"
        if event.after is not None and event.after == self._desired.head():
            return f"already at {event.after[:12]}"
        self._tasks.add("fetch")
        return "looking at the trunk's new head"

    # -- what start() needs

    def _made_listeners(self, senders: Mapping[str, Sender]) -> tuple[Listener, Listener, Listener]:
        door = Door(
            senders=senders,
            inbox=self._committer,
            repos=self._config.repo.remotes(),
            on_config_push=self._on_config_push,
            observe=self._metrics.delivery,
            clock=self._clocks.monotonic,
            deadline=self._config.webhooks.deadline.total_seconds(),
        )
        probes = Probes(alive=self._observer.dead_loops, ready=self._observer.unready)
        listen = self._config.listen
        wide = Limits(threads=self._config.webhooks.threads, body=body_limit(senders))
        page = blueprint(Views(self._observer, self._clocks.now))
        return (
            Listener(create_webhook_app(door, probes), listen.webhooks.host, listen.webhooks.port, wide),
            Listener(create_page_app(page, probes), listen.page.host, listen.page.port, Limits(threads=_PAGE_THREADS)),
            Listener(create_metrics_app(self._registry), listen.metrics.host, listen.metrics.port, Limits(threads=2)),
        )

    def _loops(self) -> Mapping[str, bool]:
        """Whether each loop of the process turns."""
        return {
            "committer": self._committer.is_alive(),
            "overlays": self._overlays.is_alive(),
            "questions": self._questions.is_alive(),
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
