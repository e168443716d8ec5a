"""`lockstep parity`: every rendered difference between two environments, and the reason for it.

B is rendered as it runs and as it would be after a promotion from A. The rules are in gitops/core/contract/parity.py.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops.contract.surveyor import Contract, OverlayAtTree, Surveyor
from gitops.core.config_repo import compose, layout
from gitops.core.config_repo.compose import ComposedTree
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.tree import Blob, Tree
from gitops.core.contract import parity
from gitops.core.contract.parity import EnvironmentPair, ParitySide
from gitops.core.errors import Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.core.manifests import container_images
from gitops.core.manifests.manifest import Manifest
from gitops.core.revision import Revision
from gitops.ports import Cache, CommitSubjects, Renderer, Trees
from gitops.render.builds import Builds


@dataclass(frozen=True, slots=True)
class _Rendered:
    overlay: Overlay
    revision: Revision
    tree: Tree
    manifests: tuple[Manifest, ...]

    @property
    def side(self) -> ParitySide:
        return ParitySide(self.overlay.environment, [manifest.body for manifest in self.manifests])


class ParityComparer:
    """Implements ports.EnvironmentComparer."""

    def __init__(self, repo: CommitSubjects, renderer: Renderer, memo: Cache) -> None:
        self._repo = repo
        self._renderer = renderer
        self._memo = memo

    def parity(self, head: str, a: str, b: str) -> tuple[EnvironmentPair, ...]:
        """The differences of two environments, or of two overlays; one pair per service.

        Raises: Rejected(NotFound) when the head has no such environment or overlay; Rejected when pipeline.yaml is not
        valid; Unavailable.
        """
        edited = _EditedTrees(self._repo)
        surveyor = Surveyor(Builds(edited, self._renderer), self._memo)
        tree = edited.tree(head)
        contract = surveyor.contract(tree)
        known = layout.overlays(contract.pipeline, tree)
        ours, theirs = _by_service(known, a), _by_service(known, b)
        comparison = _Comparison(edited, surveyor, self._repo, head, contract)
        return tuple(comparison.pair(ours.get(each), theirs.get(each)) for each in dict.fromkeys([*ours, *theirs]))


class _EditedTrees:
    """Implements ports.Trees, with file contents that are kept in memory only."""

    def __init__(self, repo: Trees) -> None:
        self._repo = repo
        self._kept: dict[str, bytes] = {}

    def tree(self, revision: str) -> Tree:
        return self._repo.tree(revision)

    def read(self, blob: str) -> bytes:
        kept = self._kept.get(blob)
        return self._repo.read(blob) if kept is None else kept

    def keep(self, text: bytes) -> str:
        """An id for this content."""
        found = hashlib.sha256(text).hexdigest()
        self._kept[found] = text
        return found


class _EditedTree(Mapping[str, Blob]):
    """A tree with one file replaced."""

    def __init__(self, tree: Tree, path: str, blob: Blob) -> None:
        self._tree = tree
        self._path = path
        self._blob = blob

    def __getitem__(self, path: str) -> Blob:
        return self._blob if path == self._path else self._tree[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tree)

    def __len__(self) -> int:
        return len(self._tree)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One comparison; `trees` keeps the files that it edits."""

    trees: _EditedTrees
    surveyor: Surveyor
    history: CommitSubjects
    head: str
    contract: Contract

    def pair(self, a: Overlay | None, b: Overlay | None) -> EnvironmentPair:
        if a is None or b is None:
            name = next((each.name for each in (a, b) if each), "")
            return EnvironmentPair(a.name if a else "-", b.name if b else "-", trouble=f"{name} has no counterpart")
        try:
            one = self._render(a)
            two = self._render(b)
            ahead = self._promote(one, two)
        except Rejected as error:
            return EnvironmentPair(a.name, b.name, trouble=f"{error.reason}: {error}")
        found = parity.compare_environments(one.side, two.side, ahead.side, self.contract.book)
        return EnvironmentPair(a.name, b.name, found, commits=self._commits(one, two))

    def _render(self, found: Overlay) -> _Rendered:
        try:
            composition = compose.compose(found, self.head, self.trees.tree, self.trees.read)
            revision, tree = composition.revision, composition.tree
        except Rejected as error:
            if error.reason != "NotReleased":
                raise
            at_head = self.trees.tree(self.head)
            revision, tree = Revision(self.head, self.head), ComposedTree(found.path, at_head, at_head)
        return self._at(found, revision, tree)

    def _at(self, found: Overlay, revision: Revision, tree: Tree) -> _Rendered:
        subject = OverlayAtTree(found, tree, revision.base)
        return _Rendered(found, revision, tree, self.surveyor.manifests(subject, self.contract.pipeline))

    def _promote(self, a: _Rendered, b: _Rendered) -> _Rendered:
        """B with A's base and A's digests. Raises: Rejected when that does not render."""
        wanted = _newer_images(a.manifests, b.manifests, self.contract.book.services)
        if a.revision.base == b.revision.base and not wanted:
            return b
        tree = ComposedTree(b.overlay.path, self.trees.tree(a.revision.base), b.tree)
        edited = self._with_images(b.overlay, tree, wanted)
        try:
            return self._at(b.overlay, replace(b.revision, base=a.revision.base), edited)
        except Rejected as error:
            message = f"with the base and the images of {a.overlay.name}, {b.overlay.name} does not render: {error}"
            raise Rejected(error.reason, message) from error

    def _with_images(self, found: Overlay, tree: Tree, wanted: Collection[Image]) -> Tree:
        file = layout.kustomization(found.path, tree)
        if file is None or not wanted:
            return tree
        text = self.trees.read(tree[file].id)
        for image in wanted:
            text = image_edit.set_image(text, image, file)
        return _EditedTree(tree, file, replace(tree[file], id=self.trees.keep(text)))

    def _commits(self, a: _Rendered, b: _Rendered) -> tuple[str, ...]:
        if a.revision.base == b.revision.base:
            return ()
        return tuple(self.history.subjects(self.contract.pipeline.reference, b.revision.base, a.revision.base))


def _by_service(known: Collection[Overlay], name: str) -> dict[str, Overlay]:
    """The service's name (empty for an overlay that is a whole environment) -> overlay."""
    found = {
        each.name.partition("/")[2]: each
        for each in known
        if not each.is_platform and name in {each.name, each.environment}
    }
    if not found:
        names = ", ".join(each.name for each in known if not each.is_platform)
        raise Rejected("NotFound", f"there is no environment or overlay {name}; there are {names}")
    return found


def _newer_images(a: Sequence[Manifest], b: Sequence[Manifest], services: Collection[str]) -> tuple[Image, ...]:
    """The images of declared services that B uses and that A has at another digest."""
    used = {image.name: image for image in container_images.images(b)}
    return tuple(
        image
        for image in sorted(container_images.images(a))
        if image.name in services and image.digest and image.name in used and used[image.name] != image
    )
