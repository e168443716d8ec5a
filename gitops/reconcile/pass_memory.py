"""The memory that passes share, to save requests. All of it can be read or computed again.

Not here: statuses (status_writer), and what git wants (gitops.desired).
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops.core.objects import Key
from gitops.core.ownership.applyset import Parent
from gitops.core.revision import Revision


@dataclass(slots=True)
class OverlayMemory:
    """One overlay. Only its own passes write it, and the workqueue never runs two of them at once.

    `parent`: the ApplySet parent as stored last; `is_sure`: `parent` is what the cluster stores; None
    then means no parent. `heals`: when
    each object was healed, in monotonic seconds. `asked_references_at`: when running Pods were asked what they refer
    to. `healthy_key`: the content key at which the overlay was last Synced and Healthy. `tolerated`: fields of others
    whose removal changes nothing. `is_breached`: the last pass found a violation of the contract. `applied` is shared
    by all overlays: overlay -> the revision that was applied last as a whole.
    """

    applied: dict[str, Revision] = field(default_factory=dict)
    parent: Parent | None = None
    is_sure: bool = False
    heals: dict[Key, tuple[float, ...]] = field(default_factory=dict)
    asked_references_at: float | None = None
    healthy_key: str | None = None
    tolerated: dict[Key, frozenset[str]] = field(default_factory=dict)
    is_breached: bool = False

    def remember(self, parent: Parent) -> None:
        """`parent` is what the cluster stores now."""
        self.parent, self.is_sure = parent, True
        if parent.applied is not None:
            self.applied[parent.overlay] = parent.applied

    def doubt(self) -> None:
        """A write of the parent begins: what is stored is not known until the write has succeeded."""
        if self.parent is not None:
            self.applied.pop(self.parent.overlay, None)
        self.parent, self.is_sure = None, False


class PassMemory:
    """Thread-safe. Complete while this replica leads. An overlay without an entry then has no parent, unless a write
    failed. A write that finds a parent all the same is a Conflict.
    """

    def __init__(self) -> None:
        self._overlays: dict[str, OverlayMemory] = {}
        self._applied: dict[str, Revision] = {}
        self._is_whole = False
        self._lock = threading.Lock()

    @property
    def is_whole(self) -> bool:
        return self._is_whole

    @property
    def applied(self) -> Mapping[str, Revision]:
        """Overlay -> the revision that was applied last as a whole, as far as that is known. Not a copy."""
        return self._applied

    def recall(self, parents: Mapping[str, Parent]) -> None:
        """Replaces the memory by all parents that the cluster stores, when this replica starts to lead."""
        self._begin(parents, is_whole=True)

    def forget(self) -> None:
        """Drops everything, because other replicas write from now on. A pass that still runs adds nothing."""
        self._begin({}, is_whole=False)

    def _begin(self, parents: Mapping[str, Parent], *, is_whole: bool) -> None:
        applied: dict[str, Revision] = {}
        overlays = {name: OverlayMemory(applied) for name in parents}
        for name, parent in parents.items():
            overlays[name].remember(parent)
        with self._lock:
            self._overlays, self._applied, self._is_whole = overlays, applied, is_whole

    def of(self, overlay: str) -> OverlayMemory:
        with self._lock:
            return self._overlays.setdefault(overlay, OverlayMemory(self._applied, is_sure=self._is_whole))

    def applied_overlays(self) -> frozenset[str]:
        """Overlays that have a parent, also those that git no longer has."""
        return frozenset(name for name, memory in self._snapshot() if memory.parent is not None)

    def breached(self) -> frozenset[str]:
        """Overlays in which the last pass found a violation of the contract."""
        return frozenset(name for name, memory in self._snapshot() if memory.is_breached)

    def _snapshot(self) -> list[tuple[str, OverlayMemory]]:
        with self._lock:
            return list(self._overlays.items())
