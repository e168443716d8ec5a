"""Fields that others added to an object that we applied. No apply of ours removes them: nobody declared them, and
server-side apply leaves alone what it does not know.
"""

from collections.abc import Callable, Iterator, Mapping

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
"""The parts of an object that decide what it does. Its own labels, annotations, finalizers and ownerReferences and its
status are not among them: controllers and consoles of a cluster write there by design.
"""

_RESTARTS = frozenset({"kubectl.kubernetes.io/restartedAt", "kubesphere.io/restartedAt", "cattle.io/timestamp"})
"""Annotations by which kubectl, KubeSphere and Rancher restart pods without changing what they are."""

_AGGREGATION = "clusterrole-aggregation-controller"
"""The cluster's own controller that fills in the rules of a ClusterRole with an aggregationRule."""

_Allowed = Callable[[str], bool]


def additions(body: Body, manager: str) -> tuple[FieldOwner, ...]:
    """Fields inside the deciding parts that another manager owns and `manager` does not, topmost first named.

    A field of ours that somebody changed is among them until it is healed: metadata cannot tell it from an added one.
    Empty for an object that `manager` never applied. Where another manager created the object, the API's defaults
    stand under its name and count as added.
    """
    key = objects.key(body)
    parts, ours = _PARTS.get((key.group, key.kind), ()), managed_fields.applied(body, manager)
    if ours is None or not parts:
        return ()
    others = [each for each in managed_fields.entries(body) if each.get("manager") != manager]
    return tuple(
        managed_fields.owner(path, entry)
        for entry in others
        if not entry.get("subresource")
        for path in _added(managed_fields.elements(entry), ours, _allowance(entry))
        if any(fields.covers(part, path) for part in parts)
    )


def _allowance(entry: managed_fields.Entry) -> _Allowed:
    return _is_aggregated if entry.get("manager") == _AGGREGATION else _is_allowed


def _is_allowed(path: str) -> bool:
    return path == "/spec/replicas" or ("/metadata/annotations/" in path and fields.last_name(path) in _RESTARTS)


def _is_aggregated(path: str) -> bool:
    return fields.covers("/rules", path)


def _added(theirs: Elements, ours: Elements, allowed: _Allowed, path: str = "") -> Iterator[str]:
    """The topmost fields that are theirs and not ours: an item that they added whole is named once, by its key. What
    is allowed is left out, and so is a map that holds nothing else.
    """
    for element, below in theirs.items():
        here = fields.child(path, managed_fields.element_name(element))
        if element == "." or allowed(here):
            continue
        whole = element not in ours and (not below or "." in below)
        if whole and not any(map(allowed, managed_fields.leaf_paths(below, here))):
            yield here
        elif below:
            yield from _added(below, ours.get(element) or {}, allowed, here)
