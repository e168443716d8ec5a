"""Reads overlays as they were at commits of the trunk: the states that a rollback goes back from and to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitops.core.config_repo import compose, layout
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import RELEASE_FILE, Release
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.core.promotion import rollback
from gitops.core.promotion.rollback import OverlayState
from gitops.ports import Trees


class FirstCommits(Protocol):
    """Which commit brought a file first."""

    def first_commit(self, path: str) -> str | None:
        """The commit of the trunk that brought the file first; None when that is not known."""


@dataclass(frozen=True, slots=True)
class KnownFirstCommits:
    """Implements FirstCommits by what was read before: path -> commit."""

    commits: Mapping[str, str | None]

    def first_commit(self, path: str) -> str | None:
        return self.commits.get(path)


@dataclass(frozen=True, slots=True)
class PastOverlays:
    """`declared` names the services. Releases carry only the evidence that counts for the overlay."""

    declared: Pipeline
    trees: Trees
    first: FirstCommits

    def state(self, place: Overlay, commit: str) -> OverlayState:
        tree = self.trees.tree(commit)
        release = compose.read_release(place, tree, self.trees.read)
        locked = self.trees.tree(release.overlay) if release and release.overlay else tree
        return OverlayState(commit, tree, self._count_evidence(place, release), self._images(place, locked))

    def path(self, place: Overlay, now: OverlayState) -> str:
        """The path that changes with each of the overlay's releases: release.yaml, or the directory without one."""
        is_locked = now.release is not None and now.release.base is not None
        return f"{place.path}/{RELEASE_FILE}" if is_locked else place.path

    def previous(self, place: Overlay, now: OverlayState, past: Sequence[str]) -> str:
        """The commit to go back to. `past`: the commits that changed `path`, newest first.

        Raises: Rejected(NothingBefore).
        """
        found = rollback.previous(now.release, [(commit, self._release(place, commit)) for commit in past])
        if found is None:
            raise Rejected("NothingBefore", f"{place.name} had no release before this one; name a commit with --to")
        return found

    def _release(self, place: Overlay, commit: str) -> Release | None:
        """The release at a commit; None if it is unreadable. None too if the base has neither proof nor waiver, because
        the overlay never ran it.
        """
        try:
            found = self._count_evidence(place, compose.read_release(place, self.trees.tree(commit), self.trees.read))
        except Rejected:
            return None
        is_admitted = found is not None and (found.has_proven_base or bool(found.base_waiver))
        return found if is_admitted or place.after is None else None

    def _count_evidence(self, place: Overlay, release: Release | None) -> Release | None:
        """The release with the evidence that counts here; a waiver in one word counts for the first release only."""
        if release is None or place.after is None:
            return release
        if release.waives_all:
            first = self.first.first_commit(f"{place.path}/{RELEASE_FILE}")
            if compose.first_release(place, first, self.trees.tree, self.trees.read) != release.revision:
                return release.model_copy(update={"waived": None})
        return release.with_evidence_from(place.after)

    def _images(self, place: Overlay, tree: Tree) -> dict[str, Image]:
        file = layout.kustomization(place.path, tree)
        found = image_edit.images(self.trees.read(tree[file].id), file) if file else ()
        return image_edit.by_service(found, self.declared)
