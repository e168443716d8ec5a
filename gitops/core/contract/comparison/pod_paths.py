"""The paths of pods and their containers in an object, as patterns for fields.

Below `spec` of a Pod there is no template.
"""

import re

POD_TEMPLATES = ("/spec/template/spec", "/spec/jobTemplate/spec/template/spec")
"""The pod specs inside workloads. https://kubernetes.io/docs/concepts/workloads/pods/#pod-templates"""

CONTAINER_LISTS = ("containers", "initContainers")
"""The lists of containers that a kustomization writes; debuggers add `ephemeralContainers` to running pods alone."""

NAMED_ITEMS = (*CONTAINER_LISTS, "volumes", "env")
"""Lists of a pod whose items have a name and are one thing each: an item that only one side has is one difference."""

_POD = rf"^/spec(?:{'|'.join(re.escape(path.removeprefix('/spec')) for path in POD_TEMPLATES)})?"
_IMAGE_OF_POD = re.compile(rf"{_POD}/(?:{'|'.join((*CONTAINER_LISTS, 'ephemeralContainers'))})/[^/]+/image$")
_IMAGE_OF_CONTAINER = re.compile(rf".*/(?:{'|'.join(CONTAINER_LISTS)})/[^/]+/image")
_TEMPLATE = re.compile("|".join(re.escape(f"{path}/") for path in POD_TEMPLATES))


def is_image_of_pod(path: str) -> bool:
    """True where core.manifests.container_images finds images: promotions know and prove these images only."""
    return _IMAGE_OF_POD.search(path) is not None


def is_image_of_container(path: str) -> bool:
    """True for the image of a container, also within a kind that is not built into Kubernetes."""
    return _IMAGE_OF_CONTAINER.fullmatch(path) is not None


def is_in_pod_template(path: str) -> bool:
    """True for a field below the pod template of a workload."""
    return _TEMPLATE.match(path) is not None
