"""Results of vulnerability scans, for the gate `scan`: asked of the registries, and fresh."""

from datetime import timedelta

from gitops.core.errors import Rejected
from gitops.core.image_updates.events import ImageScanned
from gitops.core.image_updates.scans import ASKED_EVERY, COUNTS_FOR, ScanAnswer, ScanUnknown
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import Scan
from gitops.ports import Registry
from gitops.registry_queries.query_cache import QueryAnswer, QueryCache, QueryParties


class ScanQuery:
    """Implements RegistryQuery."""

    lasts: timedelta | None = ASKED_EVERY
    most: int = 2_000

    def ask(self, registry: Registry, image: str, digest: str) -> Scan:
        return registry.scan(image, digest)


class Scans:
    """Thread-safe. No caller waits for a registry: a scan that is not known yet is `ScanUnknown.UNASKED`."""

    def __init__(self, parties: QueryParties) -> None:
        self._registries = parties.registries
        self._clock = parties.clock
        self._queries: QueryCache[Scan] = QueryCache(parties, ScanQuery())

    def of(self, image: Image) -> ScanAnswer:
        if not image.digest:
            return ScanAnswer(unknown=ScanUnknown.UNPINNED)
        if self._registries.of(image.name) is None:
            return ScanAnswer(unknown=ScanUnknown.NO_REGISTRY)
        answer = self._queries.of(image)
        return ScanAnswer() if answer is None else self._judge(answer)

    def announced(self, event: ImageScanned) -> None:
        """A registry has news of a scan: earlier answers are dropped, and its result is asked for."""
        self._queries.forget(event.digest)

    def outdate(self) -> None:
        """Another replica heard news of an unknown scan: all earlier answers are dropped."""
        self._queries.outdate()

    def work(self, key: str) -> float | None:
        """Asks once; the queue of QueryParties calls it."""
        return self._queries.work(key)

    def _judge(self, answer: QueryAnswer[Scan]) -> ScanAnswer:
        if answer.error is not None:
            return ScanAnswer(unknown=_explain_error(answer), why=answer.error.message, again_at=answer.again_at)
        age = self._clock.now() - answer.at
        is_fresh = abs(age) <= COUNTS_FOR
        return (
            ScanAnswer(scan=answer.value, again_at=answer.again_at)
            if is_fresh
            else ScanAnswer(again_at=answer.again_at)
        )


def _explain_error(answer: QueryAnswer[Scan]) -> ScanUnknown:
    if not isinstance(answer.error, Rejected):
        return ScanUnknown.UNREACHABLE
    return ScanUnknown.UNSUPPORTED if answer.error.reason == "Unsupported" else ScanUnknown.REFUSED
