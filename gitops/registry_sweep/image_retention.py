"""Checks that registries still have the images in use and those a rollback may need, before a node needs them."""

import threading
from collections.abc import Collection, Mapping, Sequence
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
from gitops.ports import Clock, Ledger, PassQueue, ProofLedger, Registry

_log = structlog.get_logger(__name__)

_REACH_EVERY = 3600.0
"""Seconds between two checks of images that only a rollback or a promotion may bring; those in use: every sweep."""
_SOONEST = 900.0
"""Seconds between two checks after another replica reported news of a registry."""


class ProofAccounts(Ledger, ProofLedger, Protocol):
    """The history and the proofs of each overlay."""


class RetainedImages:
    """Images that have to stay pullable, by overlay, by the newest render and the ledger. For a leading replica."""

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
        return missing_images.needed_images({*known, *self._read_render(overlay)}, history, proven)

    def _read_render(self, overlay: str) -> Collection[Image]:
        """Also images of no service. Empty before the first render; then the images of the last status count."""
        known = self._desired.known(overlay)
        return container_images.images(known.manifests) if known else ()


class ImageRetention:
    """Implements ports.ImageAvailability and ports.TermState. Overlays whose missing images changed are put into
    `passes`. Thread-safe.
    """

    def __init__(
        self,
        registries: Mapping[str, Registry],
        needed: RetainedImages,
        passes: PassQueue,
        clock: Clock,
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
        """Drops all knowledge: this replica stops to lead, so it grows old."""
        with self._lock:
            self._absent, self._seen_at, self._checked = set(), {}, set()

    def missing(self, desired: Desired) -> MissingImages | None:
        """The images of an overlay's newest pass that cannot be pulled any more; None before the first check. Images
        of a registry that was never reached are left out.
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
        """True when the registry is known to have lost the image. Asks no registry."""
        with self._lock:
            return pinned_name(image) in self._absent

    def outdate(self) -> None:
        """Images may have been deleted, unknown which: the next sweeps check more of them, within bounds."""
        with self._lock:
            self._news_at = self._clock.monotonic()

    def check(self, image: str, digest: str) -> None:
        """Checks one digest that a sender says was deleted. Raises as Registry.has does."""
        registry = self._registries.get(sweep.host_of(image))
        name = f"{image}@{digest}"
        if registry is not None and any(name in each.names for each in self._needed.everywhere().values()):
            self._note(name, is_there=registry.has(image, digest))

    def check_all(self, host: str, seen: Collection[str], pool: Executor) -> Sequence[str]:
        """Checks everything that is needed of one registry. `seen`: `name@digest` of images that it has just listed.
        Returns sentences about images that it does not answer for, such as those of a project that its user may not
        read.

        Raises: Unavailable when the registry cannot be asked; its answers until then count.
        """
        failures: list[Unavailable] = []
        unsure: list[str] = []

        def check(name: str) -> None:
            image, _, digest = name.partition("@")
            try:
                if not failures:
                    self._note(name, is_there=name in seen or self._registries[host].has(image, digest))
            except Unavailable as error:
                failures.append(error)
            except Rejected as error:
                unsure.append(f"unknown whether it has {image}@{digest[:19]}: {error}")

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
        age = self._clock.monotonic() - seen_at
        return age > _REACH_EVERY or (seen_at <= self._news_at and age > _SOONEST)

    def _settle(self, host: str) -> None:
        """Forgets images that no overlay needs any more. From now on there is an answer for every overlay."""
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
            self._passes.recheck(frozenset(needs))

    def _note(self, name: str, *, is_there: bool) -> None:
        with self._lock:
            is_news = (name in self._absent) == is_there
            if is_there:
                self._absent.discard(name)
                self._seen_at[name] = self._clock.monotonic()
            else:
                self._absent.add(name)
        if is_news:
            _log.warning("an image can be pulled again" if is_there else "an image cannot be pulled", image=name)
            self._passes.recheck(
                frozenset(overlay for overlay, each in self._needed.everywhere().items() if name in each.names)
            )
