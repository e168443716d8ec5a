"""The images that the containers of manifests use."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitops.core.errors import Rejected
from gitops.core.images import reference as references
from gitops.core.images.reference import Image
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def images(manifests: Collection[Manifest]) -> frozenset[Image]:
    """Every image that a container of a pod template uses. What is no image reference is left to the API server."""
    return frozenset(image for manifest in manifests for image in images_of(manifest.body))


def images_of(body: Body) -> frozenset[Image]:
    """The images of one object's containers: of a pod itself, or of the pods that it makes."""
    found = set()
    for reference in _image_references(body):
        try:
            found.add(references.parse(reference))
        except Rejected:
            continue
    return frozenset(found)


def image_names(manifests: Collection[Manifest]) -> frozenset[str]:
    """Names of `images`, without tag and digest."""
    return frozenset(image.name for image in images(manifests))


def _image_references(body: Body) -> Iterator[str]:
    spec = body.get("spec")
    for path in ((), ("template", "spec"), ("jobTemplate", "spec", "template", "spec")):
        pod: Any = spec
        for segment in path:
            pod = pod.get(segment) if isinstance(pod, dict) else None
        if isinstance(pod, dict):
            yield from _container_images(pod)


def _container_images(pod: Mapping[str, Any]) -> Iterator[str]:
    for name in _CONTAINERS:
        containers = pod.get(name)
        for container in containers if isinstance(containers, list) else ():
            if isinstance(container, dict) and isinstance(container.get("image"), str):
                yield container["image"]
