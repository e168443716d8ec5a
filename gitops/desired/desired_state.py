"""The desired state of each overlay: head -> compose -> guard -> render -> manifests -> scope. Writes to no cluster.

Everything is cached by content. A new head costs one comparison of two trees; only overlays that reach a changed file
are composed again, and only changed content starts a kustomize process.
"""

import threading
from collections.abc import Container, Mapping

from gitops.contract.surveyor import Contract, ContractHead, OverlayAtTree
from gitops.core.config_repo import compose, pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.tree import Tree
from gitops.core.contract.variations import rule_book
from gitops.core.errors import Conflict, GitopsError, Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize.guard import Closure
from gitops.core.manifests import container_images
from gitops.core.manifests import manifest as manifests
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync.desired import Desired
from gitops.core.sync.summary import Stall
from gitops.core.sync.sync_target import DesiredAtHead
from gitops.desired.head import HeadLayout, read_layout
from gitops.desired.head_memory import HeadMemory
from gitops.desired.overlay_render import OverlayRender, RenderParties, ScopeRules
from gitops.desired.trunk import Trunk
from gitops.ports import Cluster, ConfigRepo
from gitops.render.builds import Builds


class DesiredState:
    """Thread-safe. Each question is answered from one head, which the next `refresh` replaces."""

    def __init__(self, repo: ConfigRepo, builds: Builds, cluster: Cluster, rules: ScopeRules) -> None:
        self._repo = repo
        self._builds = builds
        self._trunk = Trunk(repo)
        self._render = OverlayRender(RenderParties(repo, self._trunk, builds, cluster, rules))
        self._refreshing = threading.Lock()
        self._memory = HeadMemory()

    # -- the head

    def refresh(self) -> frozenset[str]:
        """Takes in the repo's head; returns the overlays that it may have changed, all of them the first time.

        Overlays that the head no longer has are among them.
        """
        with self._refreshing:
            before, head = self._memory, self._repo.head()
            if before.layout.head == head:
                return frozenset()
            grew = self._trunk.extend(before.layout.head, head)
            now = read_layout(self._repo, head, before.layout)
            with before.lock:
                touched = before.touched_by(now, grew=grew)
                self._memory = before.follow(now, touched)
            return touched

    def head(self) -> str:
        """The head that was taken in last; empty before the first refresh."""
        return self._memory.layout.head

    def pipeline(self) -> Pipeline | None:
        """pipeline.yaml of the head, or the last valid one while the head's is not."""
        return self._memory.layout.pipeline

    def trouble(self) -> Rejected | None:
        """The fault of the head's pipeline.yaml; None when it is valid."""
        return self._memory.layout.broken

    def overlays(self) -> Mapping[str, Overlay]:
        """Every overlay of the head, by name, the platform first."""
        return self._memory.layout.overlays

    def is_behind(self, head: str) -> bool:
        """True when a pass of `head` by another replica knew more than this one: then this one must not write."""
        return self._trunk.is_behind(self._memory.layout.head, head)

    # -- what git wants of an overlay

    def resolve(self, name: str) -> DesiredAtHead:
        """The desired state of the overlay now, or why it cannot be rendered, with the head of this answer.

        Raises: Conflict when the head no longer has the overlay; Unavailable.
        """
        memory = self._memory
        overlay = memory.layout.overlays.get(name)
        if overlay is None:
            raise Conflict("TrunkMoved", f"{name} left the trunk while it was looked at")
        return self._resolve(memory, overlay)

    def resolve_applied(self, applied: Container[str]) -> dict[str, DesiredAtHead | None]:
        """The answers of resolve for the overlays that the contract binds: all but the platform. None for those that
        are not among the `applied`: they are not rendered for this.
        """
        memory = self._memory
        return {
            name: self._resolve(memory, overlay) if name in applied else None
            for name, overlay in memory.layout.bound.items()
        }

    def at_head(self, name: str) -> Desired:
        """The desired state of the overlay now. Cached; a refusal too, when only a commit can mend it.

        Raises: Rejected with what is wrong, where; Unavailable.
        """
        memory = self._memory
        found = self._at_head(memory, memory.layout.overlays[name])
        if isinstance(found, Rejected):
            raise found
        return found

    def known(self, name: str) -> Desired | None:
        """The answer of at_head, if it is cached already: nothing is rendered for it."""
        known = self._memory.desired.get(name)
        return known if isinstance(known, Desired) else None

    def as_of(self, name: str, head: str) -> Desired:
        """The desired state of the overlay if the trunk's head were this commit. Nothing of it is remembered.

        Raises: Rejected with what would be wrong, where.
        """
        scratch = HeadMemory(layout=read_layout(self._repo, head, self._memory.layout))
        overlay = scratch.layout.overlays.get(name)
        if overlay is None:
            raise Rejected("NotFound", f"commit {head[:12]} has no overlay {name}")
        found = self._render_or_refuse(scratch, overlay)
        if isinstance(found, Rejected):
            raise found
        return found

    def at(self, overlay: Overlay, revision: Revision) -> Desired:
        """The desired state at a revision that was admitted before: for healing while the head is refused.

        Raises: Rejected(UnknownRevision) when the repo no longer has it.
        """
        return self._render.at(self._memory, overlay, revision)

    def may_want(self, name: str, key: Key) -> bool:
        """True when the overlay has this object, or does not render at the moment."""
        try:
            return key in self.at_head(name).keys
        except Rejected:
            return True

    def build(self, name: str) -> bytes:
        """The text that kustomize prints for a deployed overlay. Raises as at_head does, and Rejected(NotFound)."""
        overlay = self._memory.layout.overlays.get(name)
        if overlay is None:
            known = ", ".join(self._memory.layout.overlays) or "none"
            raise Rejected("NotFound", f"the config repo has no overlay {name}; it has {known}")
        return self._build(self._memory.layout, overlay)

    # -- beside the other overlays

    def contract_head(self) -> ContractHead:
        """All overlays of the head that can be composed, as they are about to run, and the contract.

        Raises: Rejected when pipeline.yaml holds no valid contract; Unavailable.
        """
        memory = self._memory
        if memory.contract_head is None:
            memory.contract_head = ContractHead(self._contract(memory), self._overlays_at_head(memory))
        return memory.contract_head

    def first_release(self, overlay: Overlay) -> Revision | None:
        """The commits of the first release.yaml that the overlay ever had; None when git cannot tell."""
        return self._trunk.first_release(overlay, self.head())

    # -- images and files

    def closure(self, tree: Tree, path: str) -> Closure:
        """The files that a build of a directory reads, in a tree that need not be committed.

        Raises: Rejected with file and line.
        """
        return self._builds.closure(tree, path)

    def images_in(self, overlay: Overlay, tree: Tree) -> frozenset[Image]:
        """The images that the overlay's containers would use in a tree that need not be committed; kept by content.

        Raises: Rejected when it would not render; Unavailable.
        """
        return self._builds.images(overlay, tree)

    def images_in_use(self, name: str, image: str) -> frozenset[str] | None:
        """Names of the images that the overlay's containers use, None while it cannot be rendered. The cluster is not
        asked: a replica that follows, or has only just started, makes no pass from which it would know.

        Senders wait for the answer, and every commit of an image makes a new render: so the images of an earlier head
        are the answer if `image` is among them. If it is used no more, that costs a commit that changes no object.
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
            with memory.lock:
                memory.used[name] = found
        return memory.used[name]

    # -- steps

    def _resolve(self, memory: HeadMemory, overlay: Overlay) -> DesiredAtHead:
        found = self._at_head(memory, overlay)
        if isinstance(found, Rejected):
            return DesiredAtHead(overlay, memory.layout.head, refusal=Stall(found.reason, str(found)))
        return DesiredAtHead(overlay, memory.layout.head, found)

    def _at_head(self, memory: HeadMemory, overlay: Overlay) -> Desired | Rejected:
        known = memory.desired.get(overlay.name)
        if known is None:
            known = self._render_or_refuse(memory, overlay)
            with memory.lock:
                if self._memory is memory and not _is_passing(known):
                    memory.desired[overlay.name] = known
        return known

    def _render_or_refuse(self, memory: HeadMemory, overlay: Overlay) -> Desired | Rejected:
        try:
            return self._render.at_head(memory, overlay)
        except Rejected as error:
            return error

    def _build(self, found: HeadLayout, overlay: Overlay) -> bytes:
        composition = compose.compose(overlay, found.head, self._repo.tree, self._repo.read)
        return self._builds.text(self._builds.closure(composition.tree, overlay.path))

    def _contract(self, memory: HeadMemory) -> Contract:
        declared, blob = memory.layout.pipeline, self._repo.tree(memory.layout.head).get(pipeline.FILE)
        if memory.layout.broken is not None or declared is None or blob is None:
            raise memory.layout.broken or Rejected("NoPipeline", f"the config repo has no {pipeline.FILE}")
        if memory.contract is None:
            memory.contract = Contract(blob.id, declared, rule_book.compile_rule_book(declared))
        return memory.contract

    def _overlays_at_head(self, memory: HeadMemory) -> dict[str, OverlayAtTree]:
        found = {}
        for name, overlay in memory.layout.bound.items():
            try:
                composition = memory.compositions.get(name) or self._render.composition(memory, overlay)
            except Rejected:
                continue
            base = composition.revision.base if composition.is_locked else memory.layout.head
            found[name] = OverlayAtTree(overlay, composition.tree, base, closure=memory.reached.get(name))
        return found

    def _images_rendered(self, name: str) -> frozenset[str] | None:
        found = self._layout()
        try:
            overlay = found.overlays[name]
            return container_images.image_names(manifests.parse(self._build(found, overlay), overlay, lambda _: True))
        except (GitopsError, KeyError):
            return None

    def _layout(self) -> HeadLayout:
        """The layout of the head taken in last; before the first one, of the head that the repo knows."""
        known = self._memory.layout
        return known if known.head else read_layout(self._repo, self._repo.head(), known)


def _is_passing(found: Desired | Rejected) -> bool:
    """True if the answer can change while the head stays."""
    return found.provisional if isinstance(found, Desired) else found.reason in {"LimitExceeded", "NotOnTrunk"}
