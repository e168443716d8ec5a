"""From which commit an image was built: by its labels, which never change for a digest and so are asked for once."""

from collections.abc import Iterable

from gitops.core.image_updates import build_origin as origin
from gitops.core.image_updates.build_origin import BuildOrigin
from gitops.core.images.reference import Image
from gitops.ports import Registry
from gitops.registry_queries.query_cache import QueryCache, QueryParties, RegistryQuery

_MOST_KEPT = 20_000
"""Some ten MiB, and more digests than anybody looks at; what was forgotten is asked again."""


class Origins:
    """Thread-safe. Nobody waits for a registry here."""

    def __init__(self, means: QueryParties) -> None:
        self._means = means
        self._inquiries: QueryCache[BuildOrigin] = QueryCache(means, RegistryQuery(_described, None, _MOST_KEPT))

    def of(self, image: Image) -> BuildOrigin | None:
        """None while it is not known; it is asked for then, if there is anybody to ask."""
        if not image.digest or self._means.registry_of(image.name) is None:
            return None
        answer = self._inquiries.of(image)
        return answer.value if answer else None

    def revision(self, image: Image) -> str:
        """The commit that it was built from; empty where its labels do not tell, or not yet."""
        found = self.of(image)
        return found.revision if found else ""

    def foresee(self, images: Iterable[Image]) -> None:
        """Somebody will want to know of these soon."""
        for image in images:
            self.of(image)

    def work(self, key: str) -> float | None:
        """Called by the queue that `Means.add` fills."""
        return self._inquiries.work(key)


def _described(registry: Registry, image: str, digest: str) -> BuildOrigin:
    return origin.origin(registry.describe(image, digest).labels)
