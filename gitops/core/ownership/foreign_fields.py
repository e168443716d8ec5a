"""Foreign fields: fields that another manager added to an object that Lockstep applied.

Our server-side apply does not remove them, because our manifests never declared them.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from gitops.core import objects
from gitops.core.objects import Body
from gitops.core.ownership import fields, managed_fields
from gitops.core.ownership.managed_fields import Elements, FieldOwner

_SPEC = ("/spec",)
_PARTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "ConfigMap"): ("/data", "/binaryData"),
    ("", "LimitRange"): _SPEC,
    ("", "ResourceQuota"): _SPEC,
    ("", "Secret"): ("/data", "/stringData"),
    ("", "Service"): ("/spec/selector", "/spec/ports", "/spec/externalIPs"),
    ("apps", "DaemonSet"): _SPEC,
    ("apps", "Deployment"): _SPEC,
    ("apps", "ReplicaSet"): _SPEC,
    ("apps", "StatefulSet"): _SPEC,
    ("argoproj.io", "Rollout"): ("/spec/template",),
    ("autoscaling", "HorizontalPodAutoscaler"): _SPEC,
    ("batch", "CronJob"): _SPEC,
    ("batch", "Job"): _SPEC,
    ("keda.sh", "ScaledObject"): _SPEC,
    ("networking.k8s.io", "Ingress"): _SPEC,
    ("networking.k8s.io", "NetworkPolicy"): _SPEC,
    ("policy", "PodDisruptionBudget"): _SPEC,
    ("rbac.authorization.k8s.io", "ClusterRole"): ("/rules", "/aggregationRule"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("/subjects", "/roleRef"),
    ("rbac.authorization.k8s.io", "Role"): ("/rules",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("/subjects", "/roleRef"),
}
"""The parts that decide what an object does, by kind. Without labels, annotations, finalizers, ownerReferences and
status: controllers and consoles of a cluster write there by design.
"""

_RESTARTS = frozenset({"kubectl.kubernetes.io/restartedAt", "kubesphere.io/restartedAt", "cattle.io/timestamp"})
"""Annotations by which kubectl, KubeSphere and Rancher restart pods. Nothing else changes."""

_AGGREGATION = "clusterrole-aggregation-controller"
"""The controller of Kubernetes that fills in the rules of a ClusterRole with an aggregationRule."""


class _FieldRule(Protocol):
    """Decides whether another manager may own the field at a path."""

    def __call__(self, path: str, /) -> bool: ...


def additions(body: Body, manager: str) -> tuple[FieldOwner, ...]:
    """The fields in these parts that another manager owns and `manager` does not. Only the topmost field is named.

    Includes a field of ours that another manager changed, until it is healed: managedFields cannot tell the two apart.
    Empty for an object that `manager` never applied. If another manager created the object, it owns the API's
    defaults, and they are included.
    """
    key = objects.key(body)
    parts, ours = _PARTS.get((key.group, key.kind), ()), managed_fields.read_applied(body, manager)
    if ours is None or not parts:
        return ()
    others = [each for each in managed_fields.entries(body) if each.get("manager") != manager]
    return tuple(
        managed_fields.owner(path, entry)
        for entry in others
        if not entry.get("subresource")
        for path in _find_added(managed_fields.elements(entry), ours, _rule_for(entry))
        if any(fields.covers(part, path) for part in parts)
    )


def _rule_for(entry: managed_fields.Entry) -> _FieldRule:
    return _is_aggregated if entry.get("manager") == _AGGREGATION else _is_allowed


def _is_allowed(path: str) -> bool:
    return path == "/spec/replicas" or ("/metadata/annotations/" in path and fields.last_name(path) in _RESTARTS)


def _is_aggregated(path: str) -> bool:
    return fields.covers("/rules", path)


def _find_added(theirs: Elements, ours: Elements, allowed: _FieldRule, path: str = "") -> Iterator[str]:
    """The topmost fields that are theirs and not ours. A list item that they added is named once, by its key. Leaves
    out allowed fields, and mappings with nothing but allowed fields.
    """
    for element, below in theirs.items():
        here = fields.child(path, managed_fields.element_name(element))
        if element == "." or allowed(here):
            continue
        whole = element not in ours and (not below or "." in below)
        if whole and not any(map(allowed, managed_fields.leaf_paths(below, here))):
            yield here
        elif below:
            yield from _find_added(below, ours.get(element) or {}, allowed, here)
