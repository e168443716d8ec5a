"""Missing images: images that an overlay needs and that their registry no longer has.

Running pods keep running as long as their nodes have the image, but a pod on another node cannot pull it. So people
are warned before that happens.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

from gitops.core.images.reference import Image
from gitops.core.sync.status import Record

IN_USE = "ImageMissing"
IN_REACH = "RollbackImageMissing"
PROVEN = "ProvenImageMissing"
PULLABLE = "Pullable"
"""The condition that says whether all needed images can be pulled, and its reason if they can."""
REASONS = frozenset({IN_USE, IN_REACH, PROVEN})

_REACH = 3
"""The number of earlier images of each service, newest first, that a rollback may need."""
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class MissingImages:
    """Sentences about the missing images of one overlay: in use, in reach of a rollback, proven here."""

    in_use: tuple[str, ...] = ()
    in_reach: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Empty if no image is missing."""
        reasons = ((IN_USE, self.in_use), (PROVEN, self.proven), (IN_REACH, self.in_reach))
        return next((reason for reason, sentences in reasons if sentences), "")

    @property
    def message(self) -> str:
        everything = (*self.in_use, *self.proven, *self.in_reach)
        more = len(everything) - _MOST_SHOWN
        return "; ".join([*everything[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])])


@dataclass(frozen=True, slots=True)
class NeededImages:
    """The images of one overlay that must stay in their registry: in use, for a rollback, and for a promotion of what
    it has proven. All have digests.
    """

    in_use: frozenset[Image] = frozenset()
    in_reach: frozenset[Image] = frozenset()
    proven: frozenset[Image] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(map(pinned_name, self.in_use | self.in_reach | self.proven))


def needed_images(in_use: Iterable[Image], history: Iterable[Record], proven: Iterable[Image] = ()) -> NeededImages:
    """The images that an overlay needs. `history`: its history, newest first; the newest images of each name there are
    in reach of a rollback. `proven`: images that may be promoted from here.
    """
    used = frozenset(image for image in in_use if image.digest)
    known = {pinned_name(image) for image in used}
    found: dict[str, dict[str, Image]] = {}
    for record in history:
        for image in record.images.values():
            if image.digest and pinned_name(image) not in known:
                found.setdefault(image.name, {}).setdefault(image.digest, image)
    in_reach = frozenset(image for images in found.values() for image in islice(images.values(), _REACH))
    return NeededImages(used, in_reach, frozenset(image for image in proven if image.digest))


def describe(overlay: str, needed: NeededImages, absent: Collection[str]) -> MissingImages:
    """Describes the needed images that are missing. `absent`: `name@digest` of images that a registry does not have."""
    used = set(map(pinned_name, needed.in_use))
    proven = [each for each in needed.proven if pinned_name(each) not in used]
    in_reach = [each for each in needed.in_reach if pinned_name(each) not in used | set(map(pinned_name, proven))]
    return MissingImages(
        tuple(
            f"{_name(overlay, each)}: a pod that starts on another node cannot pull it; push it again, or roll forward"
            for each in _find_absent(needed.in_use, absent)
        ),
        tuple(
            f"{_name(overlay, each)}: a rollback to it would not start; push it again, or keep it from the registry's "
            "retention"
            for each in _find_absent(in_reach, absent)
        ),
        tuple(
            f"{_name(overlay, each)}: it was proven here, and is not promoted while it is missing; push it again, or "
            "prove a newer image"
            for each in _find_absent(proven, absent)
        ),
    )


def pinned_name(image: Image) -> str:
    return f"{image.name}@{image.digest}"


def _find_absent(images: Collection[Image], absent: Collection[str]) -> list[Image]:
    return sorted(image for image in images if image.digest and pinned_name(image) in absent)


def _name(overlay: str, image: Image) -> str:
    host, _, path = image.name.partition("/")
    tag = f" {image.tag}" if image.tag else ""
    return f"{overlay}: {path.rpartition('/')[2]}{tag} (sha256:{image.short_digest}) is no longer in {host}"
