"""The inputs of a decision: the proofs of the source environment, the target overlay, and the terms.

The caller reads them before. The Protocols below read git, so a rule calls them only when it needs the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.config_repo.release import Release
from gitops.core.images.reference import Image
from gitops.core.promotion.proof import Proof
from gitops.core.revision import Revision


class BaseClosures(Protocol):
    """The files that services reach, by base."""

    def at(self, base: str) -> Mapping[str, str]:
        """Service -> a hash over the files that it would reach of this base, computed as in proofs. Empty when the
        source environment cannot be composed with this base.
        """


class NewServices(Protocol):
    """The services that a base adds to those that the overlay's kustomization names."""

    def at(self, base: str) -> frozenset[str]:
        """Services that the overlay would run with this base though its kustomization names no image for them."""


class CommitOrder(Protocol):
    """The order of the trunk's commits."""

    def is_later(self, commit: str, than: str) -> bool:
        """True when `commit` comes after the commit `than`."""


class TaggedCommit(Protocol):
    """The commit that a request tags."""

    def includes(self, revision: Revision) -> bool:
        """False if the revision came after the tagged commit."""


@dataclass(frozen=True, slots=True)
class PromotionRoute:
    """The source and the target of releases, and the policy between them. `settings_follow`: automation brings the
    overlays' own settings from the trunk to the cluster.
    """

    environment: str
    source: str
    policy: PromotePolicy
    settings_follow: bool = False


@dataclass(frozen=True, slots=True)
class PromotionSource:
    """The proofs that the source environment offers. `proofs`: by service, the newest key first; `at`: their time;
    `steady`: services whose soak clock runs.
    """

    environment: str
    at: datetime
    proofs: Mapping[str, Sequence[Proof]]
    closures: BaseClosures
    steady: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PromotionTarget:
    """The overlay that would change. `locked`: service -> image of the release that it runs; `written`: service ->
    image at the trunk's head; `settings`: a hash of the head's settings; `pending`: the head's settings differ from the
    locked ones. `others`: services that other overlays of the environment name and this one does not, so that their
    proofs do not concern it.
    """

    overlay: str
    release: Release
    locked: Mapping[str, Image]
    written: Mapping[str, Image]
    order: CommitOrder
    settings: str = ""
    pending: bool = False
    newcomers: NewServices | None = None
    others: frozenset[str] = frozenset()

    def new_services(self, base: str) -> frozenset[str]:
        """Services that the overlay would run with this base though its kustomization names no image for them."""
        return self.newcomers.at(base) if self.newcomers is not None else frozenset()


@dataclass(frozen=True, slots=True)
class PromotionTerms:
    """The proofs that count. `services`: only these, digests alone; empty = all, and base. `digests`: service -> the
    only digest that counts for it. `tagged`: the commit that limits the time; None = no limit in time. `waived`: a
    person's reason to ask for less than pipeline.yaml does.
    """

    soak: timedelta
    needs_run: bool = True
    services: frozenset[str] = frozenset()
    digests: Mapping[str, str] = field(default_factory=dict)
    waived: str = ""
    tagged: TaggedCommit | None = None

    def accepts(self, proof: Proof, release: Release) -> bool:
        rejected = release.has_rejected(proof.service, proof.image.digest or "", proof.closure)
        is_wanted = self.digests.get(proof.service, proof.image.digest) == proof.image.digest
        is_proven = proof.is_proven(self.soak, needs_run=self.needs_run)
        return is_wanted and is_proven and not rejected and self.includes(proof.revision)

    def includes(self, revision: Revision) -> bool:
        """False for a revision that came after the tagged commit."""
        return self.tagged is None or self.tagged.includes(revision)
