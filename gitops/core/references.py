"""Which ConfigMaps, Secrets, claims and service accounts a workload's pods need."""

from collections.abc import Iterable, Mapping
from typing import Any

from gitops.core.objects import Body, Key


def references(body: Body) -> frozenset[Key]:
    """Keys (in the object's own namespace) that its pod spec refers to; empty for objects without one."""
    namespace = str(body["metadata"].get("namespace") or "")
    return frozenset(Key("", kind, namespace, name) for kind, name in _named(_pod_spec(body)) if name)


def _pod_spec(body: Body) -> Mapping[str, Any]:
    spec = body.get("spec") or {}
    if body["kind"] == "Pod":
        return dict(spec)
    if body["kind"] == "ControllerRevision":
        spec = (body.get("data") or {}).get("spec") or {}
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"].get("spec") or {}
    return dict((spec.get("template") or {}).get("spec") or {})


def _named(pod: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "ServiceAccount", pod.get("serviceAccountName", "")
    for secret in pod.get("imagePullSecrets") or ():
        yield "Secret", secret.get("name", "")
    for volume in pod.get("volumes") or ():
        yield from _of_volume(volume)
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        for source in container.get("envFrom") or ():
            yield "ConfigMap", (source.get("configMapRef") or {}).get("name", "")
            yield "Secret", (source.get("secretRef") or {}).get("name", "")
        for variable in container.get("env") or ():
            value = variable.get("valueFrom") or {}
            yield "ConfigMap", (value.get("configMapKeyRef") or {}).get("name", "")
            yield "Secret", (value.get("secretKeyRef") or {}).get("name", "")


def _of_volume(volume: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "ConfigMap", (volume.get("configMap") or {}).get("name", "")
    yield "Secret", (volume.get("secret") or {}).get("secretName", "")
    yield "PersistentVolumeClaim", (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield "ConfigMap", (source.get("configMap") or {}).get("name", "")
        yield "Secret", (source.get("secret") or {}).get("name", "")
