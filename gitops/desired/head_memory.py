"""One head of the trunk, and what was found out about it so far. The next head keeps what its changes do not touch.

Writers hold `lock`, since a refresh copies the dictionaries while passes fill them.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gitops.contract.surveyor import Contract, ContractHead
from gitops.core.config_repo import pipeline
from gitops.core.config_repo.compose import Composition
from gitops.core.config_repo.release import HOLD_FILE
from gitops.core.errors import Rejected
from gitops.core.kustomize.guard import Closure
from gitops.core.manifests import container_images
from gitops.core.sync.desired import Desired, Rendered
from gitops.desired.head import HeadLayout

_T = TypeVar("_T")


@dataclass(slots=True)
class HeadMemory:
    """`desired`: overlay -> what git wants, or why it is refused. `reached`: the files that its build reads at the
    head. `rendered`: the content key and its render, of the revision that was rendered last. `used`: names of the
    images that an overlay uses, None = it does not render; `used_before`: those of earlier heads.
    """

    layout: HeadLayout = field(default_factory=HeadLayout)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    contract: Contract | None = None
    contract_head: ContractHead | None = None
    compositions: dict[str, Composition] = field(default_factory=dict)
    desired: dict[str, Desired | Rejected] = field(default_factory=dict)
    reached: dict[str, Closure] = field(default_factory=dict)
    rendered: dict[str, tuple[str, Rendered]] = field(default_factory=dict)
    used: dict[str, frozenset[str] | None] = field(default_factory=dict)
    used_before: dict[str, frozenset[str]] = field(default_factory=dict)

    def touched_by(self, now: HeadLayout, *, grew: bool) -> frozenset[str]:
        """The overlays that came, went or may render differently at the next head. Unless the trunk `grew`, all: a
        rewritten trunk may have lost commits that any of them is locked to.
        """
        names = frozenset(now.overlays) | frozenset(self.layout.overlays)
        if not grew or now.is_new_pipeline:
            return names
        return frozenset(name for name in names if self._is_touched(name, now))

    def follow(self, now: HeadLayout, touched: frozenset[str]) -> "HeadMemory":
        """The memory of the next head: this one without the overlays that it touched."""
        return HeadMemory(
            layout=now,
            contract=None if now.is_new_pipeline else self.contract,
            compositions={
                name: known
                for name, known in self.compositions.items()
                if name not in touched and (known.is_locked or not now.is_new_base)
            },
            desired=_without(touched, self.desired),
            reached=_without(touched, self.reached),
            rendered={} if now.is_new_pipeline else dict(self.rendered),  # pipeline.yaml holds namespaces and scope
            used=_without(touched, self.used),
            used_before={name: used for name, used in self._all_used().items() if name in now.overlays},
        )

    def _is_touched(self, name: str, now: HeadLayout) -> bool:
        """True if an overlay came, went or may render differently. A refused overlay counts as touched every time."""
        overlay, known, closure = now.overlays.get(name), self.desired.get(name), self.reached.get(name)
        if overlay is None or closure is None or not isinstance(known, Desired):
            return True
        own = (overlay.path + "/", f"{pipeline.ENVIRONMENTS}/{overlay.environment}/{HOLD_FILE}")
        reads = () if known.is_locked else (path for path in now.changed or () if closure.reads(path))
        return any(path.startswith(own) for path in now.changed or ()) or any(reads)

    def _all_used(self) -> dict[str, frozenset[str]]:
        """Images that this and earlier heads used, by overlay."""
        rendered = {name: each for name, each in self.desired.items() if isinstance(each, Desired)}
        return {
            **self.used_before,
            **{name: names for name, names in self.used.items() if names is not None},
            **{name: container_images.image_names(each.manifests) for name, each in rendered.items()},
        }


def _without(touched: frozenset[str], known: Mapping[str, _T]) -> dict[str, _T]:
    return {name: each for name, each in known.items() if name not in touched}
