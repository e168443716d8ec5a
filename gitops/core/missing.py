"""Images that a registry no longer has though somebody may need them. Pure.

What runs goes on for as long as its nodes hold the image; the next pod on another node cannot pull it. So this is told
before that happens.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

from gitops.core.images import Image
from gitops.core.status import Record

IN_USE = "ImageMissing"
IN_REACH = "RollbackImageMissing"
PULLABLE = "Pullable"
"""The condition that says whether images can be pulled; and its reason when they can."""
REASONS = frozenset({IN_USE, IN_REACH})

_REACH = 3
"""Images of each service that a rollback may go back to: as many of the newest that ran before."""
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Missing:
    """Sentences about one overlay: what it uses, and what a rollback may go back to."""

    in_use: tuple[str, ...] = ()
    in_reach: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Empty when nothing is missing."""
        return IN_USE if self.in_use else IN_REACH if self.in_reach else ""

    @property
    def message(self) -> str:
        everything = (*self.in_use, *self.in_reach)
        more = len(everything) - _MOST_SHOWN
        return "; ".join([*everything[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])])


@dataclass(frozen=True, slots=True)
class Needs:
    """The images of one overlay that have to stay pullable: now, and for a rollback. All have digests."""

    in_use: frozenset[Image] = frozenset()
    in_reach: frozenset[Image] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(map(pinned, self.in_use | self.in_reach))


def needs(in_use: Iterable[Image], history: Iterable[Record]) -> Needs:
    """`history`: of the overlay, newest first. What ran before is in reach, a few images of each name."""
    used = frozenset(image for image in in_use if image.digest)
    known = {pinned(image) for image in used}
    found: dict[str, dict[str, Image]] = {}
    for record in history:
        for image in record.images.values():
            if image.digest and pinned(image) not in known:
                found.setdefault(image.name, {}).setdefault(image.digest, image)
    return Needs(used, frozenset(image for images in found.values() for image in islice(images.values(), _REACH)))


def told(overlay: str, needed: Needs, absent: Collection[str]) -> Missing:
    """`absent`: `name@digest` of what a registry does not have."""
    used = set(map(pinned, needed.in_use))
    in_reach = [each for each in needed.in_reach if pinned(each) not in used]
    return Missing(
        tuple(
            f"{_named(overlay, each)}: a pod that starts on another node cannot pull it; push it again, or roll forward"
            for each in _absent(needed.in_use, absent)
        ),
        tuple(
            f"{_named(overlay, each)}: a rollback to it would not start; push it again, or keep it from the registry's "
            "retention"
            for each in _absent(in_reach, absent)
        ),
    )


def pinned(image: Image) -> str:
    return f"{image.name}@{image.digest}"


def _absent(images: Collection[Image], absent: Collection[str]) -> list[Image]:
    return sorted(image for image in images if image.digest and pinned(image) in absent)


def _named(overlay: str, image: Image) -> str:
    host, _, path = image.name.partition("/")
    tag = f" {image.tag}" if image.tag else ""
    return f"{overlay}: {path.rpartition('/')[2]}{tag} (sha256:{image.short_digest}) is no longer in {host}"
