"""Finds the ConfigMaps, Secrets, PersistentVolumeClaims and ServiceAccounts that the pods of a workload need.

Fields of a wrong type are skipped: the API server refuses them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gitops.core.objects import Body, Key


def references(body: Body) -> frozenset[Key]:
    """The keys, in the object's own namespace, that its pod spec refers to; empty for objects without a pod spec."""
    namespace = str(body["metadata"].get("namespace") or "")
    found = _find_references(_pod_spec(body))
    return frozenset(Key("", kind, namespace, name) for kind, name in found if isinstance(name, str) and name)


def _pod_spec(body: Body) -> Mapping[str, Any]:
    if body["kind"] == "Pod":
        return _part(body, "spec")
    spec = _part(body, "data", "spec") if body["kind"] == "ControllerRevision" else _part(body, "spec")
    if "jobTemplate" in spec:
        spec = _part(spec, "jobTemplate", "spec")
    return _part(spec, "template", "spec")


def _find_references(pod: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    yield "ServiceAccount", pod.get("serviceAccountName")
    yield "ServiceAccount", pod.get("serviceAccount")  # the deprecated name of the same field, still in use
    for secret in _items(pod, "imagePullSecrets"):
        yield "Secret", secret.get("name")
    for volume in _items(pod, "volumes"):
        yield from _find_in_volume(volume)
    for container in (*_items(pod, "initContainers"), *_items(pod, "containers")):
        for source in _items(container, "envFrom"):
            yield "ConfigMap", _part(source, "configMapRef").get("name")
            yield "Secret", _part(source, "secretRef").get("name")
        for variable in _items(container, "env"):
            yield "ConfigMap", _part(variable, "valueFrom", "configMapKeyRef").get("name")
            yield "Secret", _part(variable, "valueFrom", "secretKeyRef").get("name")


def _find_in_volume(volume: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    yield "ConfigMap", _part(volume, "configMap").get("name")
    yield "Secret", _part(volume, "secret").get("secretName")
    yield "PersistentVolumeClaim", _part(volume, "persistentVolumeClaim").get("claimName")
    for source in _items(_part(volume, "projected"), "sources"):
        yield "ConfigMap", _part(source, "configMap").get("name")
        yield "Secret", _part(source, "secret").get("name")


def _part(value: Any, *names: str) -> Mapping[str, Any]:
    """The mapping below these names; empty if it does not exist."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _items(value: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    listed = value.get(name)
    return (item for item in (listed if isinstance(listed, list) else ()) if isinstance(item, Mapping))
