"""Who owns which field of a live object, read from metadata.managedFields (server-side apply).

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
The format of fieldsV1: https://github.com/kubernetes-sigs/structured-merge-diff/blob/master/fieldpath/serialize-pe.go
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gitops.core import fields, health, objects
from gitops.core.health import Health
from gitops.core.inventory import PART_OF_LABEL
from gitops.core.objects import Body, Key


@dataclass(frozen=True, slots=True)
class FieldOwner:
    """One field path (as `core.fields` names them), who wrote it, when, and by which operation (`Update`, `Apply`,
    `Update of scale`). An empty manager: the field is gone and nobody owns it.
    """

    field: str
    manager: str
    at: datetime | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass needs to know of one live object, reduced from a watch event; the body is not kept.

    `fingerprint`: hash of our own Apply entry in managedFields, empty when we have none.
    `part_of`: the applyset part-of label; `owner`: another GitOps tool's mark, e.g. `Argo CD (tracking-id ...)`.
    `foreign`: fields that others added inside the parts that decide behaviour (spec.template, data, rules ...).
    `replicas`: the live spec.replicas while our entry owns that field, else None.
    """

    key: Key
    uid: str
    resource_version: str
    generation: int = 0
    part_of: str = ""
    fingerprint: str = ""
    owner: str = ""
    foreign: tuple[FieldOwner, ...] = ()
    last_writers: tuple[FieldOwner, ...] = ()
    health: Health = Health.HEALTHY
    message: str = ""
    replicas: int | None = None
    deleting: bool = False


def observe(body: Body, manager: str) -> Observed:
    """A live object, whole or metadata only, as seen by the owner of the field manager `manager`.

    `apiVersion` and `kind` must be the object's own: whoever reads a PartialObjectMetadata puts them back. Metadata
    alone is enough where `health.has_rule` is false. `last_writers` stays empty: see `lost` and `writers`.
    """
    metadata = body["metadata"]
    verdict, message = health.assess(body)
    ours = owned(body, manager)
    return Observed(
        key=objects.key(body),
        uid=str(metadata.get("uid") or ""),
        resource_version=str(metadata.get("resourceVersion") or ""),
        generation=int(metadata.get("generation") or 0),
        part_of=str((metadata.get("labels") or {}).get(PART_OF_LABEL, "")),
        fingerprint=fingerprint(body, manager),
        owner=_other_tool(body, manager, ours),
        foreign=tuple(_foreign(body, manager)),
        health=verdict,
        message=message,
        replicas=(body.get("spec") or {}).get("replicas") if "/spec/replicas" in ours else None,
        deleting="deletionTimestamp" in metadata,
    )


def fingerprint(body: Body, manager: str) -> str:
    """Changes when, and only when, the set of fields that our last apply owns changes; empty without such an entry.

    The server keeps one Apply entry a manager and takes a field out of it as soon as anybody else changes or removes
    that field. Time and apiVersion of the entry do not count: re-applying moves them.
    """
    tree = _our_tree(body, manager)
    if tree is None:
        return ""
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def owned(body: Body, manager: str) -> frozenset[str]:
    """The leaf fields that our last apply owns. A leaf is what the server counts as one: an atomic map or list too."""
    return frozenset(_leaf_paths(_our_tree(body, manager) or {}))


def declared(manifest_body: Body) -> frozenset[str]:
    """The leaf fields that applying a manifest makes ours, lists without merge keys as one field."""
    content = {name: part for name, part in manifest_body.items() if name not in {"apiVersion", "kind", "status"}}
    metadata = content.pop("metadata", None) or {}
    content["metadata"] = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    found = fields.leaves(content, into_positions=False)
    return frozenset(path for path, value in found if value is not None and path not in {"", "/metadata"})


def lost(before: Collection[str], after: Collection[str]) -> tuple[str, ...]:
    """The fields of `before` (`declared` of a manifest, or an earlier `owned`) that `after` (`owned` now) has not, in
    order. A field counts as still ours when we own it, a part of it, or the atomic whole that it is a part of.
    """
    kept = set(after)
    partly = {ancestor for path in kept for ancestor in _ancestors(path)}
    return tuple(
        path for path in sorted(before) if path not in partly and not any(each in kept for each in _ancestors(path))
    )


def writers(body: Body, paths: Collection[str]) -> tuple[FieldOwner, ...]:
    """Who owns these fields now: for each path the newest entry that holds it, a part of it or the whole around it."""
    entries = [(entry, set(_leaf_paths(entry.get("fieldsV1") or {}))) for entry in _entries(body)]
    return tuple(_writer(path, entries) for path in sorted(paths))


def _writer(path: str, entries: list[tuple[Mapping[str, Any], set[str]]]) -> FieldOwner:
    around = set(_ancestors(path))
    holders = [entry for entry, held in entries if not around.isdisjoint(held) or _holds_part(held, path)]
    newest = max(holders, key=lambda entry: str(entry.get("time") or ""), default=None)
    return FieldOwner(path, "") if newest is None else _owner(path, newest)


def _holds_part(held: Collection[str], path: str) -> bool:
    return any(fields.covers(path, each) for each in held)


def _owner(path: str, entry: Mapping[str, Any]) -> FieldOwner:
    at = entry.get("time")
    how = " of ".join(filter(None, (str(entry.get("operation") or ""), str(entry.get("subresource") or ""))))
    return FieldOwner(path, str(entry.get("manager") or ""), datetime.fromisoformat(at) if at else None, how)


def _ancestors(path: str) -> Iterator[str]:
    """The path itself and all above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


# fieldsV1: `f:name` a field, `k:{...}` a list item by its keys, `v:...` a list item by its value, `i:0` one by its
# position, `.` the thing itself; a node without children is a leaf.


def _entries(body: Body) -> list[Mapping[str, Any]]:
    return list(body["metadata"].get("managedFields") or ())


def _our_tree(body: Body, manager: str) -> Mapping[str, Any] | None:
    for entry in _entries(body):
        ours = entry.get("manager") == manager and entry.get("operation") == "Apply"
        if ours and not entry.get("subresource"):
            return entry.get("fieldsV1") or {}
    return None


def _leaf_paths(tree: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for element, below in tree.items():
        if element == ".":
            continue
        here = fields.child(path, _element_name(element))
        if below:
            yield from _leaf_paths(below, here)
        else:
            yield here


def _element_name(element: str) -> str:
    kind, _, text = element.partition(":")
    if kind == "k":
        return "-".join(_scalar(part) for part in json.loads(text).values())
    return _scalar(json.loads(text)) if kind == "v" else text


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# The parts of an object that decide what it does. Status, scale, finalizers, ownerReferences, labels and annotations
# of the object itself are not among them: controllers and consoles of a cluster write there by design.

_WORKLOAD = ("/spec",)
_BEHAVIOUR: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "ConfigMap"): ("/data", "/binaryData"),
    ("", "LimitRange"): ("/spec",),
    ("", "ResourceQuota"): ("/spec",),
    ("", "Secret"): ("/data", "/stringData"),
    ("", "Service"): ("/spec/selector", "/spec/ports", "/spec/externalIPs"),
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "ReplicaSet"): _WORKLOAD,
    ("apps", "StatefulSet"): _WORKLOAD,
    ("argoproj.io", "Rollout"): ("/spec/template",),
    ("autoscaling", "HorizontalPodAutoscaler"): ("/spec",),
    ("batch", "CronJob"): _WORKLOAD,
    ("batch", "Job"): _WORKLOAD,
    ("keda.sh", "ScaledObject"): ("/spec",),
    ("networking.k8s.io", "Ingress"): ("/spec",),
    ("networking.k8s.io", "NetworkPolicy"): ("/spec",),
    ("policy", "PodDisruptionBudget"): ("/spec",),
    ("rbac.authorization.k8s.io", "ClusterRole"): ("/rules", "/aggregationRule"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("/subjects", "/roleRef"),
    ("rbac.authorization.k8s.io", "Role"): ("/rules",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("/subjects", "/roleRef"),
}

_RESTARTS = frozenset({"kubectl.kubernetes.io/restartedAt", "kubesphere.io/restartedAt", "cattle.io/timestamp"})
"""Annotations by which kubectl, KubeSphere and Rancher restart pods without changing what they are."""

_AGGREGATION = "clusterrole-aggregation-controller"
"""The cluster's own controller that fills in the rules of a ClusterRole with an aggregationRule."""


def _foreign(body: Body, manager: str) -> Iterator[FieldOwner]:
    key = objects.key(body)
    parts = _BEHAVIOUR.get((key.group, key.kind), ())
    ours = _our_tree(body, manager) or {}
    for entry in _entries(body):
        if not parts or entry.get("manager") == manager or entry.get("subresource"):
            continue
        allowed = _is_aggregated if entry.get("manager") == _AGGREGATION else _is_allowed
        for path in _additions(entry.get("fieldsV1") or {}, ours, "", allowed):
            if any(fields.covers(part, path) for part in parts):
                yield _owner(path, entry)


def _is_allowed(path: str) -> bool:
    return path == "/spec/replicas" or ("/metadata/annotations/" in path and fields.last_name(path) in _RESTARTS)


def _is_aggregated(path: str) -> bool:
    return fields.covers("/rules", path)


def _additions(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], path: str, allowed: Callable[[str], bool]
) -> Iterator[str]:
    """The topmost fields that are theirs and not ours. An item that they added whole is named once, by its key; the
    parts of it that are allowed are left out, and so is a map that holds only such.
    """
    for element, below in theirs.items():
        if element == ".":
            continue
        here = fields.child(path, _element_name(element))
        if allowed(here):
            continue
        whole = element not in ours and (not below or "." in below)
        if whole and not any(map(allowed, _leaf_paths(below, here))):
            yield here
        elif below:
            yield from _additions(below, ours.get(element) or {}, here, allowed)


# Marks that other tools leave on what they manage: where, under which name, and how a person calls it.

_MARKS: tuple[tuple[str, str, str], ...] = (
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD (tracking-id {})"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux (Kustomization {})"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux (HelmRelease {})"),
    ("annotations", "objectset.rio.cattle.io/id", "Rancher Fleet (objectset {})"),
    ("labels", "objectset.rio.cattle.io/hash", "Rancher Fleet (objectset {})"),
    ("annotations", "meta.helm.sh/release-name", "Helm (release {})"),
    ("labels", "kapp.k14s.io/app", "kapp (app {})"),
)
_HELM = ("labels", "app.kubernetes.io/managed-by", "Helm")


def _other_tool(body: Body, manager: str, ours: Collection[str]) -> str:
    """A mark that stands in our own manifest, and that nobody else wrote, is a chart's leftover and owns nothing."""
    for where, name, title in (*_MARKS, (*_HELM[:2], _HELM[2])):
        value = (body["metadata"].get(where) or {}).get(name)
        if value is None or (name == _HELM[1] and value != _HELM[2]):
            continue
        path = fields.child(f"/metadata/{where}", name)
        if path not in ours or _written_by_another(body, manager, path):
            return title.format(value)
    return ""


def _written_by_another(body: Body, manager: str, path: str) -> bool:
    others = (entry for entry in _entries(body) if entry.get("manager") != manager)
    return any(path in set(_leaf_paths(entry.get("fieldsV1") or {})) for entry in others)
