"""What the overlays that take new images say of them at the trunk's head: what a sweep would change, or would not."""

from collections.abc import Callable, Mapping

from gitops.core.config_repo import layout
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.ports import ConfigRepo

_MOST_REMEMBERED = 20_000


class DeclaredImages:
    """Thread-safe: at worst a file is read twice. `declared` and `overlays`: as of the head that was taken in last."""

    def __init__(
        self,
        repo: ConfigRepo,
        declared: Callable[[], Pipeline | None],
        overlays: Callable[[], Mapping[str, Overlay]],
    ) -> None:
        self._repo = repo
        self._declared = declared
        self._overlays = overlays
        self._known: dict[str, tuple[Image, ...]] = {}

    def __call__(self) -> Mapping[str, frozenset[Image]]:
        """Name of an image -> what overlays of environments with `images: newest` say of it.

        Raises: Unavailable.
        """
        declared = self._declared()
        if declared is None:
            return {}
        following = {name for name, each in declared.environments.items() if each.images is not None}
        tree = self._repo.tree(self._repo.head())
        found: dict[str, set[Image]] = {}
        for place in self._overlays().values():
            file = layout.kustomization(place.path, tree) if place.environment in following else None
            for image in self._read(tree[file].id, file) if file else ():
                found.setdefault(image.name, set()).add(image)
        return {name: frozenset(images) for name, images in found.items()}

    def _read(self, blob: str, file: str) -> tuple[Image, ...]:
        if len(self._known) > _MOST_REMEMBERED:
            self._known.clear()
        known = self._known.get(blob)
        if known is None:
            try:
                known = tuple(image_edit.images(self._repo.read(blob), file))
            except Rejected:
                known = ()  # what is wrong with it is said where it is edited or rendered
            self._known[blob] = known
        return known
