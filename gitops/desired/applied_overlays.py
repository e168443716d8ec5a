"""Overlays at the head beside the revisions that were applied last: the same files, or others."""

from collections.abc import Mapping
from dataclasses import dataclass

from gitops.contract.surveyor import OverlayAtTree
from gitops.core.config_repo import compose
from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Rejected
from gitops.core.revision import Revision
from gitops.core.sync.desired import Desired
from gitops.core.sync.sync_target import DesiredAtHead
from gitops.ports import Trees
from gitops.render.builds import Builds


@dataclass(frozen=True, slots=True)
class _Comparison:
    """`is_same`: the build reads the very same files at both. `before`: the overlay at the revision, None when the
    config repo no longer has it, or it is the same.
    """

    is_same: bool
    before: OverlayAtTree | None = None


class AppliedOverlays:
    """Thread-safe. Compares each overlay once for the same declaration, content and revision."""

    def __init__(self, repo: Trees, builds: Builds) -> None:
        self._repo = repo
        self._builds = builds
        self._known: dict[str, tuple[Overlay, str, Revision, _Comparison]] = {}

    def is_same(self, desired: Desired, revision: Revision) -> bool:
        """True when the build of the overlay reads the very same files at another revision as well."""
        return self._compare(desired, revision).is_same

    def unapplied(
        self, heads: Mapping[str, DesiredAtHead | None], applied: Mapping[str, Revision]
    ) -> dict[str, OverlayAtTree | None]:
        """The overlays whose files are not those that were applied last, each as it was applied; None = it was not, or
        the config repo no longer has it. `applied`: overlay -> its revision; `heads` is None for overlays without one.
        """
        found: dict[str, OverlayAtTree | None] = {}
        for name, wanted in heads.items():
            revision = applied.get(name)
            if wanted is None or revision is None:
                found[name] = None
            elif wanted.desired is None:
                found[name] = self._before(wanted.overlay, revision)
            elif not (compared := self._compare(wanted.desired, revision)).is_same:
                found[name] = compared.before
        return found

    def _compare(self, desired: Desired, revision: Revision) -> _Comparison:
        if revision == desired.revision:
            return _Comparison(is_same=True)
        known = self._known.get(desired.overlay.name)
        # pipeline.yaml decides the namespace of an overlay, and no key of files tells it
        if known is None or known[:3] != (desired.overlay, desired.key, revision):
            try:
                found = self._compare_files(desired, revision)
            except Rejected:  # such as a commit that the clone does not have yet: compared again next time
                return _Comparison(is_same=False, before=self._before(desired.overlay, revision))
            self._known[desired.overlay.name] = known = (desired.overlay, desired.key, revision, found)
        return known[3]

    def _compare_files(self, desired: Desired, revision: Revision) -> _Comparison:
        tree = compose.compose_at(desired.overlay, revision, self._repo.tree)
        closure = self._builds.closure(tree, desired.overlay.path)
        if closure.key == desired.key:
            return _Comparison(is_same=True)
        before = OverlayAtTree(desired.overlay, tree, revision.base, closure=closure)
        return _Comparison(is_same=False, before=before)

    def _before(self, overlay: Overlay, revision: Revision) -> OverlayAtTree | None:
        try:
            return OverlayAtTree(overlay, compose.compose_at(overlay, revision, self._repo.tree), revision.base)
        except Rejected:
            return None
