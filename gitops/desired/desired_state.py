"""What git wants of each overlay: head -> compose -> guard -> render -> manifests -> scope. No cluster is written here.

Everything is cached by content. A new head costs one comparison of two trees; only overlays that reach a changed file
are composed again, and only changed content starts a kustomize process.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gitops.contract.surveyor import Contract, ContractHead, OverlayAtTree
from gitops.core.config_repo import compose, pipeline
from gitops.core.config_repo.compose import Composition
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import HOLD_FILE
from gitops.core.config_repo.tree import Tree
from gitops.core.contract.variations import rule_book as books
from gitops.core.errors import GitopsError, Place, Rejected, Unavailable
from gitops.core.images.reference import Image
from gitops.core.kustomize.guard import Closure
from gitops.core.manifests import container_images, scope
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync import apply_order
from gitops.core.sync.desired import Desired, Rendered, assemble
from gitops.desired import head as layout
from gitops.desired.head import HeadLayout
from gitops.desired.trunk import Trunk
from gitops.ports import Cluster, ConfigRepo
from gitops.render.builds import Builds


@dataclass(frozen=True, slots=True)
class ScopeRules:
    """What the controller's own configuration adds: `ceilings` that pipeline.yaml can only narrow, `secret_key` for the
    hashes of Secrets, `label` naming the applyset id of an overlay, `context` the name of the cluster that it reaches.
    """

    ceilings: ScopeCeilings
    secret_key: Callable[[], bytes]
    label: Callable[[str], str]
    context: str | None = None


@dataclass(slots=True)
class _Renders:
    """One head and what was found out about it so far."""

    layout: HeadLayout = field(default_factory=HeadLayout)
    contract: Contract | None = None
    docket: ContractHead | None = None
    compositions: dict[str, Composition] = field(default_factory=dict)
    desired: dict[str, Desired | Rejected] = field(default_factory=dict)
    reached: dict[str, Closure] = field(default_factory=dict)
    rendered: dict[str, tuple[str, Rendered]] = field(default_factory=dict)
    used: dict[str, frozenset[str] | None] = field(default_factory=dict)
    used_before: dict[str, frozenset[str]] = field(default_factory=dict)


class DesiredState:
    """Thread-safe."""

    def __init__(self, repo: ConfigRepo, builds: Builds, cluster: Cluster, rules: ScopeRules) -> None:
        self._repo = repo
        self._builds = builds
        self._trunk = Trunk(repo)
        self._cluster = cluster
        self._rules = rules
        self._refreshing = threading.Lock()
        self._memory = _Renders()
        self._lock = threading.Lock()

    def refresh(self) -> frozenset[str]:
        """Takes in the repo's head; returns the overlays that it may have changed, all of them the first time.

        Overlays that the head no longer has are among them.
        """
        with self._refreshing:
            return self._refreshed(self._repo.head())

    def _refreshed(self, head: str) -> frozenset[str]:
        before = self._memory
        if before.layout.head == head:
            return frozenset()
        grew = self._trunk.extend(before.layout.head, head)
        now = layout.read(self._repo, head, before.layout)
        touched = frozenset(now.overlays) | frozenset(before.layout.overlays)
        with self._lock:
            if grew and not now.is_new_pipeline:  # a rewritten trunk may have lost what any of them is locked to
                touched = frozenset(name for name in touched if _is_touched(name, before, now))
            self._memory = _Renders(
                layout=now,
                contract=None if now.is_new_pipeline else before.contract,
                compositions={
                    name: known
                    for name, known in before.compositions.items()
                    if name not in touched and (known.is_locked or not now.is_new_base)
                },
                desired={name: known for name, known in before.desired.items() if name not in touched},
                reached={name: known for name, known in before.reached.items() if name in now.overlays},
                rendered={} if now.is_new_pipeline else dict(before.rendered),  # namespaces and scope are in there
                used={name: known for name, known in before.used.items() if name not in touched},
                used_before={name: used for name, used in _used_before(before).items() if name in now.overlays},
            )
        return touched

    def head(self) -> str:
        """The head that was taken in last; empty before the first refresh."""
        return self._memory.layout.head

    def pipeline(self) -> Pipeline | None:
        """pipeline.yaml of the head, or the last valid one while the head's is not."""
        return self._memory.layout.pipeline

    def trouble(self) -> Rejected | None:
        """What is wrong with the head's pipeline.yaml."""
        return self._memory.layout.broken

    def overlays(self) -> Mapping[str, Overlay]:
        """Every overlay of the head, by name, the platform first."""
        return self._memory.layout.overlays

    def at_head(self, name: str) -> Desired:
        """What git wants of the overlay now. Cached; a refusal too, when only a commit can mend it.

        Raises: Rejected with what is wrong, where; Unavailable.
        """
        memory = self._memory
        known = memory.desired.get(name)
        if known is None:
            known = self._composed(memory, memory.layout.overlays[name])
            with self._lock:
                if self._memory is memory and not _is_passing(known):
                    memory.desired[name] = known
        if isinstance(known, Rejected):
            raise known
        return known

    def known(self, name: str) -> Desired | None:
        """The same, if it was worked out already: nothing is rendered for the answer."""
        known = self._memory.desired.get(name)
        return known if isinstance(known, Desired) else None

    def docket(self) -> ContractHead:
        """All overlays of the head as they are about to run, but for those that cannot be composed, and the contract.

        Raises: Rejected when pipeline.yaml holds no valid contract; Unavailable.
        """
        memory = self._memory
        if memory.docket is None:
            memory.docket = ContractHead(self._contract(memory), self._situations(memory))
        return memory.docket

    def _contract(self, memory: _Renders) -> Contract:
        declared, blob = memory.layout.pipeline, self._repo.tree(memory.layout.head).get(pipeline.FILE)
        if memory.layout.broken is not None or declared is None or blob is None:
            raise memory.layout.broken or Rejected("NoPipeline", f"the config repo has no {pipeline.FILE}")
        if memory.contract is None:
            memory.contract = Contract(blob.id, declared, books.compile_rule_book(declared))
        return memory.contract

    def _situations(self, memory: _Renders) -> dict[str, OverlayAtTree]:
        found = {}
        for name, overlay in memory.layout.overlays.items():
            composition = None if overlay.is_platform else self._composition_or_none(memory, overlay)
            if composition is not None:
                base = composition.revision.base if composition.is_locked else memory.layout.head
                found[name] = OverlayAtTree(overlay, composition.tree, base)
        return found

    def is_same(self, desired: Desired, revision: Revision) -> bool:
        """True when the overlay reads the very same files at another revision as well."""
        if revision == desired.revision:
            return True
        try:
            tree = compose.compose_at(desired.overlay, revision, self._repo.tree)
            return self._builds.closure(tree, desired.overlay.path).key == desired.key
        except Rejected:
            return False

    def situation_at(self, overlay: Overlay, revision: Revision) -> OverlayAtTree | None:
        """The overlay as it was at a revision that was applied before; None when the repo no longer has it."""
        try:
            return OverlayAtTree(overlay, compose.compose_at(overlay, revision, self._repo.tree), revision.base)
        except Rejected:
            return None

    def may_want(self, name: str, key: Key) -> bool:
        """True when the overlay has this object, or cannot tell at the moment."""
        try:
            return key in self.at_head(name).keys
        except Rejected:
            return True

    def build(self, name: str) -> bytes:
        """What is deployed of an overlay as kustomize printed it. Raises as at_head does, and Rejected(NotFound)."""
        overlay = self._memory.layout.overlays.get(name)
        if overlay is None:
            known = ", ".join(self._memory.layout.overlays) or "none"
            raise Rejected("NotFound", f"the config repo has no overlay {name}; it has {known}")
        return self._built(self._memory.layout, overlay)

    def _built(self, found: HeadLayout, overlay: Overlay) -> bytes:
        composition = compose.compose(overlay, found.head, self._repo.tree, self._repo.read)
        return self._builds.text(self._builds.closure(composition.tree, overlay.path))

    def as_of(self, name: str, head: str) -> Desired:
        """What git would want of the overlay if the trunk's head were this commit. Nothing of it is remembered.

        Raises: Rejected with what would be wrong, where.
        """
        scratch = _Renders(layout=layout.read(self._repo, head, self._memory.layout))
        overlay = scratch.layout.overlays.get(name)
        if overlay is None:
            raise Rejected("NotFound", f"commit {head[:12]} has no overlay {name}")
        found = self._composed(scratch, overlay)
        if isinstance(found, Rejected):
            raise found
        return found

    def closure(self, tree: Tree, path: str) -> Closure:
        """What a build of a directory reads in a tree that may be nobody's yet. Raises: Rejected with file and line."""
        return self._builds.closure(tree, path)

    def images_in(self, overlay: Overlay, tree: Tree) -> frozenset[Image]:
        """The images that the overlay's containers would use in a tree that is nobody's yet; remembered by content.

        Raises: Rejected when it would not render; Unavailable.
        """
        return self._builds.images(overlay, tree)

    def adopted(self, overlay: Overlay) -> Revision | None:
        """The commits of the first release.yaml that the overlay ever had; None when nobody can tell."""
        return self._trunk.adopted(overlay, self.head())

    def at(self, overlay: Overlay, revision: Revision) -> Desired:
        """What the overlay was at a revision that was admitted before: for healing while the head is refused.

        Raises: Rejected(UnknownRevision) when the repo no longer has it.
        """
        tree = compose.compose_at(overlay, revision, self._repo.tree)
        return self._desired(self._memory, overlay, Composition(revision, tree))

    def is_behind(self, head: str) -> bool:
        """True when a pass of `head` by another replica knew more than this one: then this one must not write."""
        return self._trunk.is_behind(self._memory.layout.head, head)

    def images_in_use(self, name: str, image: str) -> frozenset[str] | None:
        """Names of the images that the overlay's containers use, None while it cannot be rendered. The cluster is not
        asked: a replica that follows, or has only just started, makes no pass from which it would know.

        Whoever asks has senders waiting, and every commit of an image makes a new render: so what an earlier head used
        is the answer if `image` is among it. That it is used no more costs a commit that changes no object.
        """
        memory = self._memory
        known = memory.desired.get(name)
        if isinstance(known, Desired):
            return container_images.image_names(known.manifests)
        before = memory.used_before.get(name, frozenset())
        if name not in memory.used and image in before:
            return before
        if name not in memory.used:
            found = self._images_rendered(name)
            with self._lock:  # a refresh may be reading it
                memory.used[name] = found
        return memory.used[name]

    def _images_rendered(self, name: str) -> frozenset[str] | None:
        found = self._layout()
        try:
            overlay = found.overlays[name]
            return container_images.image_names(manifests.parse(self._built(found, overlay), overlay, lambda _: True))
        except (GitopsError, KeyError):
            return None

    def _layout(self) -> HeadLayout:
        """That of the head taken in last; before there is one, of the head that the repo knows."""
        known = self._memory.layout
        return known if known.head else layout.read(self._repo, self._repo.head(), known)

    def _composed(self, memory: _Renders, overlay: Overlay) -> Desired | Rejected:
        try:
            if memory.layout.broken is not None:
                return memory.layout.broken
            self._require_within_reach(memory.layout.pipeline, overlay)
            return self._desired(memory, overlay, self._composition(memory, overlay))
        except Rejected as error:
            return error

    def _require_within_reach(self, declared: Pipeline | None, overlay: Overlay) -> None:
        """What belongs into another cluster must never be applied to this one."""
        environment = declared.environments.get(overlay.environment) if declared else None
        wanted = environment.context if environment else None
        if wanted is not None and wanted != self._rules.context:
            here = f"`{self._rules.context}`" if self._rules.context else "a cluster without a name"
            message = (
                f"{overlay.environment} belongs into the cluster `{wanted}` (context), and this controller reaches "
                f"{here}; set cluster.context of lockstep.yaml, or take `context` out"
            )
            raise Rejected("OtherCluster", message, place=Place(pipeline.FILE))

    def _composition(self, memory: _Renders, overlay: Overlay) -> Composition:
        known = memory.compositions.get(overlay.name)
        if known is None:
            known = compose.compose(overlay, memory.layout.head, self._repo.tree, self._repo.read)
            strayed = self._trunk.require(memory.layout.head, known.revision)
            known = replace(known, strayed=strayed) if strayed else known
            with self._lock:
                known = memory.compositions.setdefault(overlay.name, known)
        return known

    def _composition_or_none(self, memory: _Renders, overlay: Overlay) -> Composition | None:
        try:
            return self._composition(memory, overlay)
        except Rejected:
            return None

    def _desired(self, memory: _Renders, overlay: Overlay, composition: Composition) -> Desired:
        closure = self._builds.closure(composition.tree, overlay.path)
        with self._lock:
            memory.reached[overlay.name] = closure
            key, rendered = memory.rendered.get(overlay.name, ("", None))
        if rendered is None or key != closure.key:
            rendered = self._rendered(memory, overlay, closure)
            if not rendered.provisional:
                with self._lock:
                    memory.rendered[overlay.name] = (closure.key, rendered)
        return assemble(memory.layout.pipeline, overlay, composition, closure, rendered)

    def _is_namespaced(self, kind: tuple[str, str], unserved: set[tuple[str, str]]) -> bool:
        """A kind that the cluster does not serve fails by itself when it is applied; the rest goes on."""
        try:
            return self._cluster.is_namespaced(kind)
        except Rejected as error:
            if error.reason != "NoMatches":
                raise Unavailable(error.reason, error.message) from error
            unserved.add(kind)
            return True

    def _rendered(self, memory: _Renders, overlay: Overlay, closure: Closure) -> Rendered:
        text = self._builds.text(closure)
        unserved: set[tuple[str, str]] = set()
        parsed = manifests.parse(
            text, overlay, lambda kind: self._is_namespaced(kind, unserved), secret_key=self._rules.secret_key()
        )
        scope.require(parsed, scope.of(overlay, memory.layout.pipeline), self._rules.ceilings)
        for manifest in parsed:
            apply_order.wave(manifest.body)  # raises while nothing has been written yet
        kept, scaled = manifests.without_owned_replicas(parsed)
        applyset = self._rules.label(overlay.name)
        labelled = [manifests.with_part_of(each, applyset, secret_key=self._rules.secret_key()) for each in kept]
        return Rendered(tuple(labelled), scaled, provisional=bool(unserved))


def _used_before(before: _Renders) -> dict[str, frozenset[str]]:
    """What is known of this and of earlier heads."""
    rendered = {name: each for name, each in before.desired.items() if isinstance(each, Desired)}
    return {
        **before.used_before,
        **{name: names for name, names in before.used.items() if names is not None},
        **{name: container_images.image_names(each.manifests) for name, each in rendered.items()},
    }


def _is_passing(known: Desired | Rejected) -> bool:
    """True for what may be otherwise next time though the head stays the same."""
    return known.provisional if isinstance(known, Desired) else known.reason in {"LimitExceeded", "NotOnTrunk"}


def _is_touched(name: str, before: _Renders, now: HeadLayout) -> bool:
    """True when an overlay came, went or may render differently. What it was refused for is looked at every time."""
    overlay, known, closure = now.overlays.get(name), before.desired.get(name), before.reached.get(name)
    if overlay is None or closure is None or not isinstance(known, Desired):
        return True
    own = (overlay.path + "/", f"{pipeline.ENVIRONMENTS}/{overlay.environment}/{HOLD_FILE}")
    reads = () if known.is_locked else (path for path in now.changed or () if closure.reads(path))
    return any(path.startswith(own) for path in now.changed or ()) or any(reads)
