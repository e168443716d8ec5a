"""Whether the registries still have what is in use, or what a rollback may need: asked before a node needs it."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Protocol

import structlog

from gitops.core.errors import Rejected, Unavailable
from gitops.core.image_updates import sweep
from gitops.core.images.reference import Image
from gitops.core.manifests import container_images
from gitops.core.sync import missing_images
from gitops.core.sync.desired import Desired
from gitops.core.sync.missing_images import MissingImages, NeededImages, pinned_name
from gitops.desired.desired_state import DesiredState
from gitops.ports import Ledger, PassQueue, ProofLedger, Registry

_log = structlog.get_logger(__name__)

_REACH_EVERY = 3600.0
"""Seconds between two looks at what only a rollback or a promotion may bring; what is in use, every sweep looks at."""
_SOONEST = 900.0
"""The same after another replica has told that something happened in a registry, of which nobody here knows what."""


class ProofAccounts(Ledger, ProofLedger, Protocol):
    """What ran in each overlay, and what it has proven."""


class RetainedImages:
    """What has to stay pullable, as the newest render and the ledger tell: by overlay. For a replica that leads."""

    def __init__(self, ledger: ProofAccounts, desired: DesiredState) -> None:
        self._ledger = ledger
        self._desired = desired

    def everywhere(self) -> Mapping[str, NeededImages]:
        """Raises: Unavailable when the ledger cannot be read."""
        return {name: self.of(name) for name in self._desired.overlays()}

    def of(self, overlay: str) -> NeededImages:
        account = self._ledger.read(overlay)
        status, history = account or (None, ())
        known = status.images.values() if status else ()
        proofs = self._ledger.read_proofs(overlay)
        proven = [each.image for each in proofs.records if each.healthy_since is not None] if proofs else ()
        return missing_images.needed_images({*known, *self._rendered(overlay)}, history, proven)

    def _rendered(self, overlay: str) -> Collection[Image]:
        """Also those of no service. What was not rendered yet, or cannot be, uses what it used before."""
        known = self._desired.known(overlay)
        return container_images.images(known.manifests) if known else ()


class ImageRetention:
    """Thread-safe. Overlays of which other images are missing than before are put into `passes`. `clock` is monotonic
    seconds.
    """

    def __init__(
        self,
        registries: Mapping[str, Registry],
        needed: RetainedImages,
        passes: PassQueue,
        clock: Callable[[], float],
    ) -> None:
        self._registries = registries
        self._needed = needed
        self._passes = passes
        self._clock = clock
        self._lock = threading.Lock()
        self._absent: set[str] = set()
        self._seen_at: dict[str, float] = {}
        self._news_at = float("-inf")
        self._checked: set[str] = set()

    def forget(self) -> None:
        """Called when this replica stops to lead: what it knows grows old."""
        with self._lock:
            self._absent, self._seen_at, self._checked = set(), {}, set()

    def missing(self, desired: Desired) -> MissingImages | None:
        """What of an overlay, as its newest pass wants it, cannot be pulled any more; None while nobody has looked. Of
        a registry that was never reached nothing is known, and the others are judged without it.
        """
        with self._lock:
            absent, checked = frozenset(self._absent), frozenset(self._checked)
        hosts = {sweep.host_of(each.name) for each in desired.images.values()} & self._registries.keys()
        if not hosts & checked:
            return None
        if not absent:
            return MissingImages()
        in_use, name = container_images.images(desired.manifests), desired.overlay.name
        return missing_images.describe(name, replace(self._needed.of(name), in_use=frozenset(in_use)), absent)

    def is_absent(self, image: Image) -> bool:
        """Whether the registry is known to have it no more. Nobody is asked."""
        with self._lock:
            return pinned_name(image) in self._absent

    def outdate(self) -> None:
        """Something may have been deleted, of what is not known here: the next sweeps ask for more, within bounds."""
        with self._lock:
            self._news_at = self._clock()

    def check(self, image: str, digest: str) -> None:
        """Asks for one digest, because somebody says that it was deleted. Raises as Registry.has does."""
        registry = self._registries.get(sweep.host_of(image))
        name = f"{image}@{digest}"
        if registry is not None and any(name in each.names for each in self._needed.everywhere().values()):
            self._take(name, is_there=registry.has(image, digest))

    def check_all(self, host: str, seen: Collection[str], pool: Executor) -> Sequence[str]:
        """Everything that is needed of one registry; `seen`: what it is known to have as of just now. Returns sentences
        about images that it does not tell of, such as those of a project that its user may not read.

        Raises: Unavailable when the registry cannot be asked; what it said until then counts.
        """
        failures: list[Unavailable] = []
        unsure: list[str] = []

        def check(name: str) -> None:
            image, _, digest = name.partition("@")
            try:
                if not failures:
                    self._take(name, is_there=name in seen or self._registries[host].has(image, digest))
            except Unavailable as error:
                failures.append(error)
            except Rejected as error:
                unsure.append(f"it cannot be told whether it has {image}@{digest[:19]}: {error}")

        list(pool.map(check, sorted(self._due(host))))
        if failures:
            raise failures[0]
        self._settle(host)
        return sorted(unsure)

    def _due(self, host: str) -> set[str]:
        found = set()
        for each in self._needed.everywhere().values():
            found |= {pinned_name(image) for image in each.in_use}
            reach = (pinned_name(image) for image in each.in_reach | each.proven)
            found |= {name for name in reach if self._is_due(self._seen_at.get(name, float("-inf")))}
        return {name for name in found if sweep.host_of(name) == host}

    def _is_due(self, seen_at: float) -> bool:
        age = self._clock() - seen_at
        return age > _REACH_EVERY or (seen_at <= self._news_at and age > _SOONEST)

    def _settle(self, host: str) -> None:
        """What nobody needs any more is forgotten; and from now on there is an answer for every overlay."""
        needs = self._needed.everywhere()
        needed = frozenset[str]().union(*(each.names for each in needs.values()))
        with self._lock:
            gone = {name for name in self._absent if sweep.host_of(name) == host and name not in needed}
            self._absent -= gone
            for name in [name for name in self._seen_at if sweep.host_of(name) == host and name not in needed]:
                del self._seen_at[name]
            is_first = host not in self._checked
            self._checked.add(host)
        if gone or is_first:
            self._passes.look_at(frozenset(needs))

    def _take(self, name: str, *, is_there: bool) -> None:
        with self._lock:
            is_news = (name in self._absent) == is_there
            if is_there:
                self._absent.discard(name)
                self._seen_at[name] = self._clock()
            else:
                self._absent.add(name)
        if is_news:
            _log.warning("an image can be pulled again" if is_there else "an image cannot be pulled", image=name)
            self._passes.look_at(
                frozenset(overlay for overlay, each in self._needed.everywhere().items() if name in each.names)
            )
