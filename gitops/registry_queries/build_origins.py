"""From which commit an image was built, by its labels: they never change for a digest, so they are asked for once."""

from collections.abc import Iterable
from datetime import timedelta

from gitops.core.image_updates import build_origin
from gitops.core.image_updates.build_origin import BuildOrigin
from gitops.core.images.reference import Image
from gitops.ports import Registry
from gitops.registry_queries.query_cache import QueryCache, QueryParties


class LabelsQuery:
    """Implements RegistryQuery. 20,000 answers take some ten MiB; a dropped one is asked for again."""

    lasts: timedelta | None = None
    most: int = 20_000

    def ask(self, registry: Registry, image: str, digest: str) -> BuildOrigin:
        return build_origin.origin(registry.describe(image, digest).labels)


class Origins:
    """Thread-safe. No caller waits for a registry."""

    def __init__(self, parties: QueryParties) -> None:
        self._registries = parties.registries
        self._queries: QueryCache[BuildOrigin] = QueryCache(parties, LabelsQuery())

    def of(self, image: Image) -> BuildOrigin | None:
        """The origin of an image; None while it is not known. Its registry is asked then, if lockstep.yaml has it."""
        if not image.digest or self._registries.of(image.name) is None:
            return None
        answer = self._queries.of(image)
        return answer.value if answer else None

    def revision(self, image: Image) -> str:
        """The commit that the image was built from; empty when its labels name none, or are not known yet."""
        found = self.of(image)
        return found.revision if found else ""

    def foresee(self, images: Iterable[Image]) -> None:
        """Asks for images that a caller will want to know of soon."""
        for image in images:
            self.of(image)

    def work(self, key: str) -> float | None:
        """Asks once; the queue of QueryParties calls it."""
        return self._queries.work(key)
