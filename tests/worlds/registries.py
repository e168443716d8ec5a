"""A registry whose answers a test sets, and queues that work when a test lets them."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from gitops.core.errors import Rejected, Unavailable
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import ImageDescription, Scan, ScanSeverity, ScanState, TaggedImage
from gitops.ports import Registry
from gitops.promotion.gate_facts import ImageQueries
from gitops.registry_queries.build_origins import Origins
from gitops.registry_queries.query_cache import KnownRegistries, QueryParties
from gitops.registry_queries.scans import Scans
from tests.worlds.clocks import WorldClock

REVISION = "0123456789abcdef0123456789abcdef01234567"


def done(severity: ScanSeverity | None) -> Scan:
    return Scan(ScanState.DONE, severity)


class FakeRegistry:
    """`scans` and `labels` map digest -> answer, or an error to raise. `asked` records the queries; `meanwhile`
    runs during each query.
    """

    def __init__(self) -> None:
        self.scans: dict[str, Scan | Rejected | Unavailable] = {}
        self.labels: dict[str, Mapping[str, str] | Rejected | Unavailable] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def tags(self, image: str, since: datetime | None = None) -> Sequence[TaggedImage]:
        self.asked.append(("tags", image, ""))
        return ()

    def image_of_tag(self, image: str, tag: str) -> TaggedImage | None:
        self.asked.append(("tagged", image, tag))
        return None

    def has(self, image: str, digest: str) -> bool:
        self.asked.append(("has", image, digest))
        return True

    def scan(self, image: str, digest: str) -> Scan:
        self.asked.append(("scan", image, digest))
        found = self.scans.get(digest, Scan(ScanState.ABSENT))
        self.meanwhile()
        if isinstance(found, (Rejected, Unavailable)):
            raise found
        return found

    def describe(self, image: str, digest: str) -> ImageDescription:
        self.asked.append(("describe", image, digest))
        found = self.labels.get(digest, {})
        if isinstance(found, (Rejected, Unavailable)):
            raise found
        return ImageDescription(found)

    def rated(self, image: Image, severity: ScanSeverity | None) -> None:
        self.scans[image.digest or ""] = done(severity)

    def built_from(self, image: Image, revision: str = REVISION, **labels: str) -> None:
        named = {"revision": revision, **labels}
        self.labels[image.digest or ""] = {f"org.opencontainers.image.{key}": text for key, text in named.items()}


class _HandQueue:
    """Implements ports.Queue. A test calls `work` to run the waiting names."""

    def __init__(self, waiting: deque[tuple["_HandQueue", str]]) -> None:
        self._waiting = waiting
        self.run: Callable[[str], float | None] = lambda _: None

    def add(self, name: str, *, after: float = 0.0) -> None:
        self._waiting.append((self, name))


class Asking:
    """Scans and build origins from one registry, which serves `hosts`. `work` runs the waiting queries and returns
    whether there were any. `answers` counts new answers. `gone` holds images that the registry has lost.
    """

    def __init__(self, now: Callable[[], datetime], hosts: Sequence[str] = ()) -> None:
        self.registry = FakeRegistry()
        self.hosts = dict[str, Registry](dict.fromkeys(hosts, self.registry))
        self.answers = 0
        self.gone: set[Image] = set()
        self._waiting: deque[tuple[_HandQueue, str]] = deque()
        queues = [_HandQueue(self._waiting), _HandQueue(self._waiting)]
        known, clock = KnownRegistries(self.hosts), WorldClock(now)
        self.scans = Scans(QueryParties(known, queues[0], clock, self))
        self.origins = Origins(QueryParties(known, queues[1], clock, self))
        queues[0].run, queues[1].run = self.scans.work, self.origins.work

    def serve(self, host: str) -> None:
        self.hosts[host] = self.registry

    @property
    def registries(self) -> ImageQueries:
        return ImageQueries(self.scans, self.origins, self)

    def is_absent(self, image: Image) -> bool:
        return image in self.gone

    def on_answer(self) -> None:
        self.answers += 1

    def work(self) -> bool:
        worked = bool(self._waiting)
        while self._waiting:
            queue, key = self._waiting.popleft()
            if queue.run(key) is not None:
                self._waiting.append((queue, key))
        return worked
