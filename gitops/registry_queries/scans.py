"""What scans of images came to, for the promoter's gate: asked of the registries, and fresh."""

from gitops.core.errors import Rejected
from gitops.core.image_updates.events import ImageScanned
from gitops.core.image_updates.scans import ASKED_EVERY, COUNTS_FOR, ScanAnswer, ScanUnknown
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import Scan
from gitops.registry_queries.query_cache import QueryAnswer, QueryCache, QueryParties, RegistryQuery

_MOST_KEPT = 2_000


class Scans:
    """Thread-safe. Nobody waits for a registry here: what is not known yet is `Untold.UNASKED`."""

    def __init__(self, means: QueryParties) -> None:
        self._means = means
        self._inquiries: QueryCache[Scan] = QueryCache(
            means, RegistryQuery(lambda registry, image, digest: registry.scan(image, digest), ASKED_EVERY, _MOST_KEPT)
        )

    def of(self, image: Image) -> ScanAnswer:
        if not image.digest:
            return ScanAnswer(untold=ScanUnknown.UNPINNED)
        if self._means.registry_of(image.name) is None:
            return ScanAnswer(untold=ScanUnknown.NO_REGISTRY)
        answer = self._inquiries.of(image)
        return ScanAnswer() if answer is None else self._told(answer)

    def announced(self, event: ImageScanned) -> None:
        """A registry has news of a scan: what it said before counts no more. What it came to is still asked."""
        self._inquiries.forget(event.digest)

    def outdate(self) -> None:
        """Another replica has news, of what is not known here: what registries said before counts no more."""
        self._inquiries.outdate()

    def work(self, key: str) -> float | None:
        """Called by the queue that `Means.add` fills."""
        return self._inquiries.work(key)

    def _told(self, answer: QueryAnswer[Scan]) -> ScanAnswer:
        if answer.error is not None:
            return ScanAnswer(untold=_untold(answer), why=answer.error.message, again_at=answer.again_at)
        age = self._means.now() - answer.at
        is_fresh = abs(age) <= COUNTS_FOR
        return (
            ScanAnswer(scan=answer.value, again_at=answer.again_at)
            if is_fresh
            else ScanAnswer(again_at=answer.again_at)
        )


def _untold(answer: QueryAnswer[Scan]) -> ScanUnknown:
    if not isinstance(answer.error, Rejected):
        return ScanUnknown.UNREACHABLE
    return ScanUnknown.UNSUPPORTED if answer.error.reason == "Unsupported" else ScanUnknown.REFUSED
