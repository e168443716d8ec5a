"""`preset: standard`: a policy to start from, made from the differences between environments in 40 public config repos.

Free: fields that differ in nearly all of them for good reasons. Warn: fields that differ often, but explain some of the
faults found. The rest of a workload, and everything that guards it, must be declared. The first match wins.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.pod_paths import CONTAINER_LISTS, POD_TEMPLATES

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet")
_AUTOSCALERS = ("HorizontalPodAutoscaler",)
_ROLES = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
_TRAFFIC = ("NetworkPolicy", "PeerAuthentication", "AuthorizationPolicy")
_ADMISSION = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy")
_GUARDS = (*_ROLES, *_TRAFFIC, *_ADMISSION, "CustomResourceDefinition")


@dataclass(frozen=True, slots=True)
class PresetEntry:
    """`topic` is part of what messages call the rule. Without a field: an object that only some environments have."""

    topic: str
    outcome: ViolationSeverity
    field: str = ""
    kinds: tuple[str, ...] = ()


def _pod_fields(topic: str, outcome: ViolationSeverity, *below: str) -> Iterator[PresetEntry]:
    for pod in POD_TEMPLATES:
        for each in below:
            yield PresetEntry(topic, outcome, f"{pod}/{each}", _WORKLOADS)


def _container_fields(topic: str, outcome: ViolationSeverity, *below: str) -> Iterator[PresetEntry]:
    yield from _pod_fields(topic, outcome, *(f"{name}/*/{each}" for name in CONTAINER_LISTS for each in below))


def _free_fields(topic: str, kinds: tuple[str, ...], *fields: str) -> Iterator[PresetEntry]:
    yield from (PresetEntry(topic, ViolationSeverity.FREE, field, kinds) for field in fields)


def _forbid_guards() -> Iterator[PresetEntry]:
    yield from (PresetEntry("guards", ViolationSeverity.FORBID, field, _GUARDS) for field in ("", "/**"))
    yield from _container_fields("security", ViolationSeverity.FORBID, "securityContext")
    yield from _pod_fields(
        "security",
        ViolationSeverity.FORBID,
        "securityContext",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "volumes/*/hostPath",
    )
    yield from _pod_fields(
        "security", ViolationSeverity.FORBID, "serviceAccountName", "serviceAccount", "automountServiceAccountToken"
    )


def _free_usual() -> Iterator[PresetEntry]:
    yield from _free_fields("labels", (), "/metadata/labels/*", "/metadata/annotations/*")
    yield from _free_fields("scale", ("Deployment", "StatefulSet"), "/spec/replicas")
    yield from _free_fields("scale", _AUTOSCALERS, *(f"/spec/{name}" for name in _SCALING))
    yield from _free_fields(
        "scale", ("ScaledObject",), "/spec/minReplicaCount", "/spec/maxReplicaCount", "/spec/triggers"
    )
    yield from _free_fields("scale", ("PodDisruptionBudget",), "/spec/minAvailable", "/spec/maxUnavailable")
    yield from _container_fields("sizes", ViolationSeverity.FREE, "resources")
    yield from _free_fields("sizes", ("PersistentVolumeClaim",), "/spec/resources")
    claims = "/spec/volumeClaimTemplates/*/spec"
    yield from _free_fields("sizes", ("StatefulSet",), f"{claims}/resources", f"{claims}/storageClassName")
    yield from _free_fields("settings", ("ConfigMap", "Secret"), "/data/*")
    yield from _container_fields("settings", ViolationSeverity.FREE, "env/*/value")
    yield from _free_fields("settings", ("ExternalSecret",), "/spec/data/*/remoteRef", "/spec/dataFrom")
    yield from _free_fields("exposure", ("Ingress",), "/spec/rules/*/host", "/spec/tls")
    routes = ("HTTPRoute", "GRPCRoute", "TLSRoute")
    yield from _free_fields("exposure", routes, "/spec/hostnames")
    yield from _free_fields("exposure", ("Certificate",), "/spec/dnsNames", "/spec/commonName")
    yield from _free_fields("exposure", ("Service",), "/spec/type", "/spec/ports/*/nodePort")
    yield from _free_fields("schedule", ("CronJob",), "/spec/schedule", "/spec/suspend")
    yield from _pod_fields("placement", ViolationSeverity.FREE, *_PLACEMENT)


def _warn_of_unusual() -> Iterator[PresetEntry]:
    yield from _container_fields("variables in some environments only", ViolationSeverity.WARN, "env/*", "envFrom")
    yield from _container_fields("tuning", ViolationSeverity.WARN, "args", "command", "volumeMounts", *_PROBES)
    yield from _pod_fields("volumes", ViolationSeverity.WARN, "volumes")
    # A rule that covers the name of an item allows the item.
    yield from _container_fields("sidecars", ViolationSeverity.WARN, "name")
    yield PresetEntry("objects in some environments only", ViolationSeverity.WARN)


_SCALING = ("minReplicas", "maxReplicas", "metrics", "behavior")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PLACEMENT = ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName")

STANDARD = (*_forbid_guards(), *_free_usual(), *_warn_of_unusual())
