"""Desired: the manifests of an overlay at one revision, and the policy of its environment."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gitops.core.config_repo.compose import Composition
from gitops.core.config_repo.environments import DriftPolicy, ForeignFieldPolicy, SyncMode, SyncOptions
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Holds, Release
from gitops.core.config_repo.tree import Blob
from gitops.core.images.reference import Image
from gitops.core.kustomize.guard import Closure
from gitops.core.manifests import container_images
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.ownership.applyset import applyset_of
from gitops.core.revision import Revision


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state of an overlay at one revision, with its policy. `files`: the files that the build reads.

    `is_locked`: a release.yaml names its commits, so that only commits to its own directory change it. `scaled`:
    workloads whose replicas an autoscaler of the same render owns. `withheld`: why nothing is written (observe mode);
    empty = it is written. `kept`: why nothing is pruned. `strip`: remove foreign fields. `waiting`: sentences about
    changes that wait for a promotion. `provisional`: a kind in it is not served yet, so discovery is asked again.
    `off_trunk`: commits of its release that left the trunk and that a ref keeps.
    """

    overlay: Overlay
    revision: Revision
    key: str
    manifests: tuple[Manifest, ...]
    keys: frozenset[Key]
    images: Mapping[str, Image]
    scaled: frozenset[Key]
    applyset: str = ""
    files: Mapping[str, Blob] = field(default_factory=dict)
    is_locked: bool = False
    release: Release | None = None
    holds: Holds = field(default_factory=Holds)
    heal: bool = True
    withheld: str = ""
    kept: str = ""
    strip: bool = False
    prune_budget: int = 10
    adopt: frozenset[str] = frozenset()
    waiting: tuple[str, ...] = ()
    provisional: bool = False
    off_trunk: frozenset[str] = frozenset()

    def is_equal(self, other: "Desired") -> bool:
        """True if both have the same manifests."""
        mine, theirs = ({each.key: each.hash for each in one.manifests} for one in (self, other))
        return mine == theirs


@dataclass(frozen=True, slots=True)
class Rendered:
    """The part of a Desired that depends only on the content of files. `provisional`: a kind in it is not served yet,
    so its scope is a guess and discovery is asked again in the next pass.
    """

    manifests: tuple[Manifest, ...]
    scaled: frozenset[Key]
    provisional: bool = False


def assemble(
    declared: Pipeline | None, overlay: Overlay, composition: Composition, closure: Closure, rendered: Rendered
) -> Desired:
    """Combines the rendered manifests with the policy of the overlay's environment in pipeline.yaml."""
    environment = declared.environments.get(overlay.environment) if declared else None
    sync = environment.sync if environment else None
    observes = sync is not None and sync.mode is SyncMode.OBSERVE
    return Desired(
        overlay=overlay,
        revision=composition.revision,
        key=closure.key,
        manifests=rendered.manifests,
        keys=frozenset(manifest.key for manifest in rendered.manifests),
        images=_images_by_service(declared, rendered.manifests),
        scaled=rendered.scaled,
        applyset=applyset_of(overlay.name),
        files=closure.files,
        is_locked=composition.is_locked,
        release=composition.release,
        holds=composition.holds,
        heal=environment is None or environment.drift is not DriftPolicy.REPORT,
        withheld="observe mode: nothing is written (sync.mode: observe)" if observes else "",
        kept=_why_not_pruned(overlay, sync),
        strip=declared is not None and not overlay.is_platform and _is_stripped(declared, overlay),
        prune_budget=sync.prune.budget if sync else 10,
        adopt=frozenset(sync.adopt) if sync else frozenset(),
        provisional=rendered.provisional,
        off_trunk=composition.off_trunk,
        waiting=("settings on the trunk wait for a promotion",) if composition.pending else (),
    )


def _why_not_pruned(overlay: Overlay, sync: SyncOptions | None) -> str:
    if overlay.is_platform:
        return "the platform is never pruned; delete it by hand"
    return "" if sync is None or sync.prune.enabled else "sync.prune.enabled is false for this environment"


def _is_stripped(declared: Pipeline, overlay: Overlay) -> bool:
    return declared.foreign(overlay.environment) is ForeignFieldPolicy.REMOVE


def _images_by_service(declared: Pipeline | None, wanted: Collection[Manifest]) -> dict[str, Image]:
    """Service -> its rendered image. The key of an image without a service is the last part of its name."""
    services = {service.image: name for name, service in declared.services.items()} if declared else {}
    found = {}
    for image in sorted(container_images.images(wanted)):
        found[services.get(image.name, image.name.rpartition("/")[2])] = image
    return found
