"""The catch-up: compares what a registry holds with what the config repo declares. It finds pushes whose webhook was
lost, tags that were moved without one, and images in use that the registry no longer has.

1. look       for each service: the tag that its policy would take, and the digest under it
2. compare    with what the overlays declare: mostly there is nothing to do
3. hand in    the rest, as the events that webhooks would have made; the same rules decide, the same commits follow
4. check      that images in use, or that a rollback may need, can still be pulled (image_retention.py)

It decides nothing about an overlay, and keeps nothing that the next sweep does not find again.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from gitops.core.config_repo.services import Service, TagPolicy
from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.core.image_updates import sweep
from gitops.core.image_updates.sweep import RegistryState, SweptService
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import TaggedImage
from gitops.ports import Clock, ConfigHead, Inbox, Registry
from gitops.registry_sweep.declared_images import DeclaredImages
from gitops.registry_sweep.image_retention import ImageRetention

_log = structlog.get_logger(__name__)

_PARALLEL = 4
"""Requests to one registry at once; another one that is slow does not hold it up."""
_HAND_IN_SECONDS = 60.0
_WHOLE_EVERY = 3600.0
"""Seconds between two looks at all tags of an image. In between, only at those pushed since."""
_OVERLAP = timedelta(minutes=10)
"""The clocks of the registry and of Lockstep may differ by as much."""
_CONCERNS_ONE = frozenset({"NotFound", "NoPushTimes", "TooManyTags", "InvalidImage"})
"""Reasons that concern one service, not the registry."""
_MOST_UNAUTHORIZED = 3
"""After so many of these and no other answer, the password is wrong, and a registry may lock out a client that goes on.
A robot account that lacks projects gets another answer, so then all services have to be asked.
"""
_MOST_SEEN = 100_000
"""Digests of one sweep that need not be asked for again."""
_MOST_NOTES = 50

Look = TaggedImage | GitopsError | None
"""The result of a look at one service: the tag that its policy takes, an error, or None for no such tag."""


class SweepListener(Protocol):
    """Learns what one sweep found, also when the sweep fails later."""

    def found(self, services: Sequence[SweptService]) -> None:
        """The services that were looked at, with the outcome of each."""


@dataclass(frozen=True, slots=True)
class SweeperParties:
    """`registries` by the host that manifests name. `retention` None: images that are gone are not looked for."""

    registries: Mapping[str, Registry]
    inbox: Inbox
    head: ConfigHead
    declared: DeclaredImages
    retention: ImageRetention | None
    clock: Clock


@dataclass(slots=True)
class _Looked:
    """One image as last seen. `whole_at`: when all its tags were looked at; `since`: tags pushed before were seen then;
    `best`: the tag that the policy takes of all that were seen.
    """

    policy: TagPolicy
    whole_at: float
    since: datetime
    best: TaggedImage | None


@dataclass(slots=True)
class _Round:
    """One sweep, from `began` on. `failure`: why the registry cannot be asked; the services that were not asked by then
    are left out. `seen`: `name@digest` of the images that the registry has just listed.
    """

    host: str
    began: datetime
    declared: Mapping[str, Collection[Image]]
    failure: GitopsError | None = None
    seen: set[str] = field(default_factory=set)
    refusals: list[GitopsError] = field(default_factory=list)
    has_answered: bool = False

    def note(self, error: GitopsError) -> None:
        """Counts a look that failed."""
        if isinstance(error, Unavailable):
            self.failure = self.failure or error
        elif error.reason in _CONCERNS_ONE:
            self.has_answered = True
        else:
            self.refusals.append(error)
            unauthorized = sum(each.reason == "Unauthorized" for each in self.refusals)
            if unauthorized >= _MOST_UNAUTHORIZED:
                self.decide_failure()

    def decide_failure(self) -> None:
        """Marks the sweep as failed if the registry refused and answered for no service."""
        if self.refusals and not self.has_answered:
            self.failure = self.failure or self.refusals[0]


class Sweeper:
    """`sweep` is called by one thread at a time for each registry, the others by any."""

    def __init__(self, parties: SweeperParties) -> None:
        self._parties = parties
        self._pools = {
            host: ThreadPoolExecutor(_PARALLEL, thread_name_prefix=f"sweeper-{host}") for host in parties.registries
        }
        self._lock = threading.Lock()
        self._looked: dict[str, _Looked] = {}
        self._states: dict[str, RegistryState] = {}
        self._reported: dict[str, SweptService] = {}
        self._is_halted = False

    def halt(self) -> None:
        """Sweeps that are under way ask the registries nothing more."""
        self._is_halted = True

    def forget(self) -> None:
        """Called when this replica stops to lead."""
        with self._lock:
            self._states.clear()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def hosts(self) -> Sequence[str]:
        """The registries that can be swept."""
        return tuple(self._parties.registries)

    def states(self) -> Sequence[RegistryState]:
        """The state of each registry, also before its first sweep; and of registries that pipeline.yaml wants swept but
        lockstep.yaml does not know.
        """
        declared = self._parties.head.pipeline()
        with self._lock:
            known = [self._states.get(host, RegistryState(host)) for host in self._parties.registries]
        if declared is None:
            return known
        unknown = sweep.unknown(declared, self._parties.registries)
        return [*(replace(state, every=sweep.every(declared, state.host)) for state in known), *unknown]

    def sweep(
        self, host: str, only: Collection[str] | None = None, listener: SweepListener | None = None
    ) -> Sequence[SweptService]:
        """Sweeps one registry, all its services or `only` some; returns what was found, with the outcome of each.

        Raises: Unavailable, Rejected when the registry or the config repo cannot be asked. Everything found until then
        is handed in, and `listener` learns of it.
        """
        declared = self._parties.head.pipeline()
        if declared is None:
            return ()
        services = {name: each for name, each in sweep.services(declared, host).items() if only is None or name in only}
        round_ = _Round(host, self._parties.clock.now(), self._parties.declared.read())
        with self._noting_failure(host):
            looks = self._look_at_services(round_, services)
        found = self._hand_in(round_, services, looks)  # an error of the committer is no failure of the registry
        if listener is not None:
            listener.found(
                [each for each in found if round_.failure is None or looks[each.service] is not round_.failure]
            )
        notes = [f"{each.service}: {each.outcome}" for each in found if each.is_trouble]
        with self._noting_failure(host):
            if round_.failure is not None:
                raise round_.failure
            if self._parties.retention is not None and only is None:
                notes += self._parties.retention.check_all(host, round_.seen, self._pools[host])
        self._note_success(host, notes)
        return found

    # -- look

    def _look_at_services(self, round_: _Round, services: Mapping[str, Service]) -> Mapping[str, Look]:
        def look(service: Service) -> Look:
            try:
                found = self._look(round_, service)
            except GitopsError as error:
                round_.note(error)
                return error
            round_.has_answered = True
            return found

        looks = dict(zip(services, self._pools[round_.host].map(look, services.values()), strict=True))
        round_.decide_failure()
        return looks

    def _look(self, round_: _Round, service: Service) -> TaggedImage | None:
        if round_.failure is not None:
            raise round_.failure
        if self._is_halted:
            raise Unavailable("Stopping", "the controller is stopping")
        registry, policy = self._parties.registries[round_.host], service.tags
        if policy.follow is not None:
            return registry.image_of_tag(service.image, policy.follow)
        known = self._looked.get(service.image)
        if known is None or known.policy != policy or self._parties.clock.monotonic() - known.whole_at > _WHOLE_EVERY:
            return self._look_at_all(round_, service)
        tags = self._tags(round_, service, known.since)
        before = known.best if known.best is not None and known.best.tag not in {each.tag for each in tags} else None
        best = sweep.choose(policy, [*tags, *([before] if before else [])])
        is_remembered = best is not None and best is before and not self._is_declared(round_, service, best)
        if best is not None and is_remembered and registry.image_of_tag(service.image, best.tag) != best:
            return self._look_at_all(round_, service)
        best = self._with_digest(registry, service, best)
        self._looked[service.image] = replace(known, since=round_.began - _OVERLAP, best=best)
        return best

    def _look_at_all(self, round_: _Round, service: Service) -> TaggedImage | None:
        at = self._parties.clock.monotonic()
        best = sweep.choose(service.tags, self._tags(round_, service, None))
        best = self._with_digest(self._parties.registries[round_.host], service, best)
        self._looked[service.image] = _Looked(service.tags, at, round_.began - _OVERLAP, best)
        return best

    def _tags(self, round_: _Round, service: Service, since: datetime | None) -> Sequence[TaggedImage]:
        tags = self._parties.registries[round_.host].tags(service.image, since)
        if len(round_.seen) < _MOST_SEEN:
            round_.seen.update(f"{service.image}@{each.digest}" for each in tags if each.digest)
        return tags

    def _with_digest(self, registry: Registry, service: Service, best: TaggedImage | None) -> TaggedImage | None:
        """The tag with its digest, which not every registry lists."""
        return registry.image_of_tag(service.image, best.tag) if best is not None and not best.digest else best

    def _is_declared(self, round_: _Round, service: Service, best: TaggedImage) -> bool:
        image = Image(service.image, best.tag, best.digest)
        return sweep.is_declared(image, round_.declared.get(service.image, ()))

    # -- compare, hand in

    def _hand_in(
        self, round_: _Round, services: Mapping[str, Service], looks: Mapping[str, Look]
    ) -> Sequence[SweptService]:
        found = {name: self._compare(round_, name, services[name], look) for name, look in looks.items()}
        news = [name for name, each in found.items() if not each.outcome]
        events = [
            # A push after the look counts as newer, whenever it is decided.
            sweep.event(services[name].image, look, round_.began)
            for name in news
            if isinstance(look := looks[name], TaggedImage)
        ]
        if events:
            answers = self._parties.inbox.accept(
                events,
                delivery=f"sweep of {round_.host}",
                deadline=_HAND_IN_SECONDS,
                cause=f"found by a sweep of {round_.host}",
            )
            found |= {name: replace(found[name], outcome=said) for name, said in zip(news, answers, strict=True)}
            for each in (found[name] for name in news):
                if self._reported.get(each.service) != each:  # an image that is held back is found again and again
                    self._reported[each.service] = each
                    _log.info("found by a sweep", service=each.service, image=str(each.image), outcome=each.outcome)
        return list(found.values())

    def _compare(self, round_: _Round, name: str, service: Service, look: Look) -> SweptService:
        """An empty outcome: the image is to be handed in."""
        if isinstance(look, GitopsError):
            return SweptService(name, None, str(look), is_trouble=True)
        if look is None:
            return SweptService(name, None, "no tag that its policy follows")
        image = Image(service.image, look.tag, look.digest)
        return SweptService(
            name, image, "in the config repo already" if self._is_declared(round_, service, look) else ""
        )

    # -- how it fares

    @contextmanager
    def _noting_failure(self, host: str) -> Iterator[None]:
        """Keeps an error for the page, unless the controller is stopping."""
        try:
            yield
        except GitopsError as error:
            if not self._is_halted:
                self._note_failure(host, error)
            raise
        except Exception:
            if not self._is_halted:
                self._note_failure(host, Rejected("InternalError", "a bug of Lockstep; the controller's log has more"))
            raise

    def _note_failure(self, host: str, error: GitopsError) -> None:
        with self._lock:
            known = self._states.get(host, RegistryState(host))
            since = known.failing_since or self._parties.clock.now()
            self._states[host] = replace(known, failing_since=since, reason=error.reason, message=error.message)
        _log.warning("sweep failed", registry=host, reason=error.reason, message=error.message)

    def _note_success(self, host: str, notes: Sequence[str]) -> None:
        with self._lock:
            self._states[host] = RegistryState(
                host, swept_at=self._parties.clock.now(), notes=tuple(notes[:_MOST_NOTES])
            )
