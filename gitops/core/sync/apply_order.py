"""The order in which objects are applied: by wave, then by stage of their kind.

Waves are those of Argo CD (https://argo-cd.readthedocs.io/en/stable/user-guide/sync-waves/), so that repos need no
change. The stages follow kubectl, Helm (pkg/release/util/kind_sorter.go) and Flux's stages.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from gitops.core.errors import Rejected
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body, Key


class _Step(Protocol):
    @property
    def manifest(self) -> Manifest: ...


S = TypeVar("S", bound=_Step)

WAVE_ANNOTATIONS = ("lockstep.gitops/sync-wave", "argocd.argoproj.io/sync-wave")

_FIRST = {"Namespace", "CustomResourceDefinition"}
_CLASSES = {"PriorityClass", "StorageClass", "IngressClass", "RuntimeClass", "GatewayClass", "VolumeSnapshotClass"}
_FOUNDATIONS = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "LimitRange",
    "NetworkPolicy",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
}
_LAST = {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService"}


def stage(key: Key) -> int:
    """0: namespaces and CRDs. 1: classes. 2: what workloads refer to. 3: the rest. 4: webhooks, which can refuse
    others.
    """
    if key.kind in _FIRST:
        return 0
    if key.kind in _CLASSES:
        return 1
    if key.kind in _FOUNDATIONS:
        return 2
    return 4 if key.kind in _LAST else 3


def wave(body: Body) -> int:
    """The sync wave in the annotations of a manifest; 0 by default.

    Raises: Rejected(InvalidAnnotation) if it is not a whole number.
    """
    annotations = body["metadata"].get("annotations") or {}
    for name in WAVE_ANNOTATIONS:
        if name in annotations:
            try:
                return int(str(annotations[name]))
            except ValueError as error:
                who = f"{body['kind']} {body['metadata']['name']}"
                raise Rejected(
                    "InvalidAnnotation", f"{who}: annotation {name} must be a whole number in quotes"
                ) from error
    return 0


def groups(steps: Sequence[S]) -> list[tuple[int, int, list[S]]]:
    """(wave, stage, steps) in the order in which they are applied. Steps of one group have no order."""
    found: dict[tuple[int, int], list[S]] = {}
    for step in steps:
        found.setdefault((wave(step.manifest.body), stage(step.manifest.key)), []).append(step)
    return [(*place, found[place]) for place in sorted(found)]
