"""Facts about images from outside of the config repo, as a test sets them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from random import Random

from gitops.core.images.reference import Image

UsedImages = Callable[[str, str], Collection[str] | None]


def _unknown(_overlay: str, _image: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class KnownImages:
    """Implements ports.ImageUse and ports.SourceRevisions. `used` maps (overlay, image) -> images of its containers;
    `revisions` maps digest -> commit.
    """

    used: UsedImages = _unknown
    revisions: Mapping[str, str] = field(default_factory=dict)

    def images_in_use(self, name: str, image: str) -> Collection[str] | None:
        return self.used(name, image)

    def revision(self, image: Image) -> str:
        return self.revisions.get(image.digest or "", "")


class Half(Random):
    """A random source that always draws 0.5."""

    def random(self) -> float:
        return 0.5
