"""The images of the containers in manifests."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitops.core.errors import Rejected
from gitops.core.images import reference as references
from gitops.core.images.reference import Image
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def images(manifests: Collection[Manifest]) -> frozenset[Image]:
    """The images of all containers. Skips text that is no image reference: the API server refuses it."""
    return frozenset(image for manifest in manifests for image in images_of(manifest.body))


def images_of(body: Body) -> frozenset[Image]:
    """The images of one object: of a Pod, or of a pod template."""
    found = set()
    for reference in _find_references(body):
        try:
            found.add(references.parse(reference))
        except Rejected:
            continue
    return frozenset(found)


def image_names(manifests: Collection[Manifest]) -> frozenset[str]:
    """The names of `images`, without tag and digest."""
    return frozenset(image.name for image in images(manifests))


def _find_references(body: Body) -> Iterator[str]:
    spec = body.get("spec")
    for path in ((), ("template", "spec"), ("jobTemplate", "spec", "template", "spec")):
        pod: Any = spec
        for segment in path:
            pod = pod.get(segment) if isinstance(pod, dict) else None
        if isinstance(pod, dict):
            yield from _find_in_pod(pod)


def _find_in_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    for name in _CONTAINERS:
        containers = pod.get(name)
        for container in containers if isinstance(containers, list) else ():
            if isinstance(container, dict) and isinstance(container.get("image"), str):
                yield container["image"]
