"""What git wants of each overlay: head -> compose -> guard -> render -> manifests -> scope. No cluster is written here.

Everything is cached by content. A new head costs one comparison of two trees; only overlays that reach a changed file
are composed again, and only changed content starts a kustomize process.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from gitops.core import compose, guard, manifests, pipeline, scope
from gitops.core.compose import Composition
from gitops.core.errors import Rejected
from gitops.core.guard import Closure, Guard
from gitops.core.images import Image
from gitops.core.manifests import Manifest
from gitops.core.objects import Key
from gitops.core.pipeline import DriftPolicy, Foreign, Overlay, Pipeline, SyncMode, SyncOptions
from gitops.core.release import HOLD_FILE, Hold
from gitops.core.scope import Ceilings
from gitops.core.status import Revision
from gitops.core.tree import Tree
from gitops.ports import Cluster, ConfigRepo, Renderer

_GENERATIONS_OF_PIPELINE = 20


@dataclass(frozen=True, slots=True)
class Desired:
    """What an overlay should be at one revision, and how it is to be treated.

    `scaled`: workloads whose replicas an autoscaler of the same render owns. `withheld`: why nothing is written though
    it could be (observe mode), empty = it is written; `kept`: the same for pruning. `strip`: fields that others added
    are removed. `waiting`: what waits for a promotion, in sentences.
    """

    overlay: Overlay
    revision: Revision
    key: str
    manifests: tuple[Manifest, ...]
    keys: frozenset[Key]
    images: Mapping[str, Image]
    scaled: frozenset[Key]
    hold: Hold | None = None
    heal: bool = True
    withheld: str = ""
    kept: str = ""
    strip: bool = False
    prune_budget: int = 10
    adopt: frozenset[str] = frozenset()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the controller's own configuration adds: `ceilings` that pipeline.yaml can only narrow, `secret_key` for the
    hashes of Secrets, `label` naming the applyset id of an overlay.
    """

    ceilings: Ceilings
    secret_key: Callable[[], bytes]
    label: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The part of a Desired that depends on content alone."""

    manifests: tuple[Manifest, ...]
    scaled: frozenset[Key]


@dataclass(slots=True)
class _Memory:
    head: str = ""
    pipeline: Pipeline | None = None
    broken: Rejected | None = None
    overlays: dict[str, Overlay] = field(default_factory=dict)
    desired: dict[str, Desired | Rejected] = field(default_factory=dict)
    reached: dict[str, Closure] = field(default_factory=dict)
    rendered: dict[str, tuple[str, _Rendered]] = field(default_factory=dict)


class DesiredState:
    """Thread-safe."""

    def __init__(self, repo: ConfigRepo, renderer: Renderer, cluster: Cluster, rules: Rules) -> None:
        self._repo = repo
        self._renderer = renderer
        self._cluster = cluster
        self._rules = rules
        self._guard = Guard(repo.read)
        self._refreshing = threading.Lock()
        self._on_trunk: set[str] = set()
        self._memory = _Memory()
        self._lock = threading.Lock()

    def refresh(self) -> frozenset[str]:
        """Takes in the repo's head; returns the overlays that it may have changed, all of them the first time.

        Overlays that the head no longer has are among them.
        """
        with self._refreshing:
            return self._refreshed(self._repo.head())

    def _refreshed(self, head: str) -> frozenset[str]:
        with self._lock:
            before = self._memory
        if before.head == head:
            return frozenset()
        tree = self._repo.tree(head)
        self._forget_if_rewritten(before.head, head)
        changed = _changed(self._repo.tree(before.head), tree) if before.head else None
        after = self._laid_out(head, tree, before, changed)
        touched = frozenset(after.overlays) | frozenset(before.overlays)
        if changed is not None and pipeline.FILE not in changed:
            touched = frozenset(name for name in touched if _is_touched(name, before, after, changed))
        after.desired = {name: known for name, known in before.desired.items() if name not in touched}
        after.reached = {name: known for name, known in before.reached.items() if name in after.overlays}
        after.rendered = {name: known for name, known in before.rendered.items() if name in after.overlays}
        with self._lock:
            self._memory = after
        return touched

    def head(self) -> str:
        """The head that was taken in last; empty before the first refresh."""
        return self._memory.head

    def pipeline(self) -> Pipeline | None:
        """pipeline.yaml of the head, or the last valid one while the head's is not."""
        return self._memory.pipeline

    def trouble(self) -> Rejected | None:
        """What is wrong with the head's pipeline.yaml."""
        return self._memory.broken

    def overlays(self) -> Mapping[str, Overlay]:
        """Every overlay of the head, by name, the platform first."""
        return self._memory.overlays

    def at_head(self, name: str) -> Desired:
        """What git wants of the overlay now. Cached, a refusal too.

        Raises: Rejected with what is wrong, where; Unavailable.
        """
        memory = self._memory
        known = memory.desired.get(name)
        if known is None:
            known = self._composed(memory, memory.overlays[name])
            with self._lock:
                if self._memory is memory:
                    memory.desired[name] = known
        if isinstance(known, Rejected):
            raise known
        return known

    def build(self, name: str) -> bytes:
        """What is deployed of an overlay as kustomize printed it. Raises as at_head does, and Rejected(NotFound)."""
        overlay = self._memory.overlays.get(name)
        if overlay is None:
            known = ", ".join(self._memory.overlays) or "none"
            raise Rejected("NotFound", f"the config repo has no overlay {name}; it has {known}")
        composition = compose.compose(overlay, self._memory.head, self._repo.tree, self._repo.read)
        return self._text(self._guard.closure(composition.tree, overlay.path))

    def at(self, overlay: Overlay, revision: Revision) -> Desired:
        """What the overlay was at a revision that was admitted before: for healing while the head is refused.

        Raises: Rejected(UnknownRevision) when the repo no longer has it.
        """
        tree = compose.composed(overlay, revision, self._repo.tree)
        return self._desired(self._memory, overlay, Composition(revision, tree))

    def is_behind(self, head: str) -> bool:
        """True when a pass of `head` by another replica knew more than this one, even after asking the remote: then
        this one must not write. A head that is no descendant of ours belongs to a trunk that was rewritten.
        """
        ours = self._memory.head
        if not head or head == ours or self._is_known_ancestor(head, ours):
            return False
        return self._repo.fetch() != ours

    def _is_known_ancestor(self, older: str, newer: str) -> bool:
        try:
            return self._repo.is_ancestor(older, newer)
        except Rejected:  # the clone does not have it yet
            return False

    def images_in_use(self, name: str) -> frozenset[str] | None:
        """Names of the images that the overlay's containers use, None while that is not known."""
        known = self._memory.desired.get(name)
        return manifests.image_names(known.manifests) if isinstance(known, Desired) else None

    def _laid_out(self, head: str, tree: Tree, before: _Memory, changed: Collection[str] | None) -> _Memory:
        found = _Memory(head=head)
        if changed is not None and pipeline.FILE not in changed:
            found.pipeline, found.broken = before.pipeline, before.broken
        else:
            found.pipeline, found.broken = self._parsed_pipeline(tree, before.pipeline)
        if found.pipeline is not None:
            found.overlays = {overlay.name: overlay for overlay in pipeline.overlays(found.pipeline, tree)}
        return found

    def _parsed_pipeline(self, tree: Tree, last: Pipeline | None) -> tuple[Pipeline | None, Rejected | None]:
        try:
            return self._pipeline_of(tree), None
        except Rejected as error:
            return last or self._last_valid_pipeline(), error

    def _last_valid_pipeline(self) -> Pipeline | None:
        """After a restart with a broken head: the newest version in the history that was valid."""
        for commit in self._repo.history(pipeline.FILE, _GENERATIONS_OF_PIPELINE):
            try:
                return self._pipeline_of(self._repo.tree(commit.id))
            except Rejected:
                continue
        return None

    def _pipeline_of(self, tree: Tree) -> Pipeline:
        blob = tree.get(pipeline.FILE)
        if blob is None:
            raise Rejected("NoPipeline", f"the config repo has no {pipeline.FILE}; see docs/config-repo.md")
        return pipeline.parse(self._repo.read(blob.id))

    def _composed(self, memory: _Memory, overlay: Overlay) -> Desired | Rejected:
        try:
            if memory.broken is not None:
                return memory.broken
            composition = compose.compose(overlay, memory.head, self._repo.tree, self._repo.read)
            self._require_on_trunk(memory.head, composition.revision)
            return self._desired(memory, overlay, composition)
        except Rejected as error:
            return error

    def _require_on_trunk(self, head: str, revision: Revision) -> None:
        for commit in {revision.base, revision.overlay} - self._on_trunk:
            if self._repo.is_ancestor(commit, head):
                self._on_trunk.add(commit)
            else:
                message = f"commit {commit[:12]} of release.yaml is not on the trunk; promote again from a trunk commit"
                raise Rejected("NotOnTrunk", message)

    def _forget_if_rewritten(self, before: str, head: str) -> None:
        """What was on the trunk stays there as long as the trunk only grows."""
        if not (before and self._is_known_ancestor(before, head)):
            self._on_trunk.clear()

    def _desired(self, memory: _Memory, overlay: Overlay, composition: Composition) -> Desired:
        closure = self._guard.closure(composition.tree, overlay.path)
        with self._lock:
            memory.reached[overlay.name] = closure
            key, rendered = memory.rendered.get(overlay.name, ("", None))
        if rendered is None or key != closure.key:
            rendered = self._rendered(memory, overlay, closure)
            with self._lock:
                memory.rendered[overlay.name] = (closure.key, rendered)
        return _treated(memory.pipeline, overlay, composition, closure, rendered)

    def _is_namespaced(self, kind: tuple[str, str]) -> bool:
        """A kind that the cluster does not serve fails by itself when it is applied; the rest goes on."""
        try:
            return self._cluster.is_namespaced(kind)
        except Rejected as error:
            if error.reason != "NoMatches":
                raise
            return True

    def _text(self, closure: Closure) -> bytes:
        known = self._renderer.cached(closure.key)
        return known if known is not None else self._renderer.render(guard.source(closure, self._repo.read))

    def _rendered(self, memory: _Memory, overlay: Overlay, closure: Closure) -> _Rendered:
        text = self._text(closure)
        parsed = manifests.parse(text, overlay, self._is_namespaced, secret_key=self._rules.secret_key())
        scope.require(parsed, scope.of(overlay, memory.pipeline), self._rules.ceilings)
        kept, scaled = manifests.without_owned_replicas(parsed)
        applyset = self._rules.label(overlay.name)
        labelled = [manifests.labelled(each, applyset, secret_key=self._rules.secret_key()) for each in kept]
        return _Rendered(tuple(labelled), scaled)


def _changed(before: Tree, after: Tree) -> frozenset[str]:
    """Paths that were added, removed or edited."""
    return frozenset(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _is_touched(name: str, before: _Memory, after: _Memory, changed: Collection[str]) -> bool:
    """True when an overlay came, went or may render differently. What it was refused for is looked at every time."""
    overlay = after.overlays.get(name)
    known = before.desired.get(name)
    if overlay is None or name not in before.overlays or not isinstance(known, Desired):
        return True
    own = (overlay.path + "/", f"{pipeline.ENVIRONMENTS}/{overlay.environment}/{HOLD_FILE}")
    closure = before.reached.get(name)
    return any(path.startswith(own) or closure is None or closure.reads(path) for path in changed)


def _treated(
    declared: Pipeline | None, overlay: Overlay, composition: Composition, closure: Closure, rendered: _Rendered
) -> Desired:
    """The rendered manifests together with what pipeline.yaml says about the overlay's environment."""
    environment = declared.environments.get(overlay.environment) if declared else None
    sync = environment.sync if environment else None
    observes = sync is not None and sync.mode is SyncMode.OBSERVE
    return Desired(
        overlay=overlay,
        revision=composition.revision,
        key=closure.key,
        manifests=rendered.manifests,
        keys=frozenset(manifest.key for manifest in rendered.manifests),
        images=_images(declared, rendered.manifests),
        scaled=rendered.scaled,
        hold=composition.hold,
        heal=environment is None or environment.drift is not DriftPolicy.REPORT,
        withheld="observe mode: nothing is written (sync.mode: observe)" if observes else "",
        kept=_kept(overlay, sync),
        strip=declared is not None and not overlay.is_platform and _strips(declared, overlay),
        prune_budget=sync.prune.budget if sync else 10,
        adopt=frozenset(sync.adopt) if sync else frozenset(),
        waiting=("settings on the trunk wait for a promotion",) if composition.pending else (),
    )


def _kept(overlay: Overlay, sync: SyncOptions | None) -> str:
    if overlay.is_platform:
        return "the platform is never pruned; delete it by hand"
    return "" if sync is None or sync.prune.enabled else "sync.prune.enabled is false for this environment"


def _strips(declared: Pipeline, overlay: Overlay) -> bool:
    return declared.foreign(overlay.environment) is Foreign.REMOVE


def _images(declared: Pipeline | None, wanted: Collection[Manifest]) -> dict[str, Image]:
    """Service -> its image as rendered; images of no declared service go by the last part of their name."""
    services = {service.image: name for name, service in declared.services.items()} if declared else {}
    found = {}
    for image in sorted(manifests.images(wanted)):
        found[services.get(image.name, image.name.rpartition("/")[2])] = image
    return found
