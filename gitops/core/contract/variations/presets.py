"""`preset: standard`: what environments of 40 public config repos differ in, as a policy to start from.

Free is what nearly all of them have differently for good reasons; a warning is shown for what is usual but explains
some of the faults; the rest of a workload, and all that guards it, must be declared. The first match wins.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gitops.core.config_repo.variations import ViolationSeverity

_PODS = ("/spec/template/spec", "/spec/jobTemplate/spec/template/spec")
_CONTAINERS = ("containers", "initContainers")
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet")
_AUTOSCALERS = ("HorizontalPodAutoscaler",)
_ROLES = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
_TRAFFIC = ("NetworkPolicy", "PeerAuthentication", "AuthorizationPolicy")
_ADMISSION = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy")
_GUARDS = (*_ROLES, *_TRAFFIC, *_ADMISSION, "CustomResourceDefinition")


@dataclass(frozen=True, slots=True)
class PresetEntry:
    """Without a field: the object itself, there in some environments only."""

    what: str
    outcome: ViolationSeverity
    field: str = ""
    kinds: tuple[str, ...] = ()


def _pod(what: str, outcome: ViolationSeverity, *below: str) -> Iterator[PresetEntry]:
    for pod in _PODS:
        for each in below:
            yield PresetEntry(what, outcome, f"{pod}/{each}", _WORKLOADS)


def _container(what: str, outcome: ViolationSeverity, *below: str) -> Iterator[PresetEntry]:
    yield from _pod(what, outcome, *(f"{name}/*/{each}" for name in _CONTAINERS for each in below))


def _fields(what: str, kinds: tuple[str, ...], *fields: str) -> Iterator[PresetEntry]:
    yield from (PresetEntry(what, ViolationSeverity.FREE, field, kinds) for field in fields)


def _forbidden() -> Iterator[PresetEntry]:
    yield from (PresetEntry("guards", ViolationSeverity.FORBID, field, _GUARDS) for field in ("", "/**"))
    yield from _container("security", ViolationSeverity.FORBID, "securityContext")
    yield from _pod(
        "security",
        ViolationSeverity.FORBID,
        "securityContext",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "volumes/*/hostPath",
    )
    yield from _pod(
        "security", ViolationSeverity.FORBID, "serviceAccountName", "serviceAccount", "automountServiceAccountToken"
    )


def _free() -> Iterator[PresetEntry]:
    yield from _fields("labels", (), "/metadata/labels/*", "/metadata/annotations/*")
    yield from _fields("scale", ("Deployment", "StatefulSet"), "/spec/replicas")
    yield from _fields("scale", _AUTOSCALERS, *(f"/spec/{name}" for name in _SCALING))
    yield from _fields("scale", ("ScaledObject",), "/spec/minReplicaCount", "/spec/maxReplicaCount", "/spec/triggers")
    yield from _fields("scale", ("PodDisruptionBudget",), "/spec/minAvailable", "/spec/maxUnavailable")
    yield from _container("sizes", ViolationSeverity.FREE, "resources")
    yield from _fields("sizes", ("PersistentVolumeClaim",), "/spec/resources")
    claims = "/spec/volumeClaimTemplates/*/spec"
    yield from _fields("sizes", ("StatefulSet",), f"{claims}/resources", f"{claims}/storageClassName")
    yield from _fields("settings", ("ConfigMap", "Secret"), "/data/*")
    yield from _container("settings", ViolationSeverity.FREE, "env/*/value")
    yield from _fields("settings", ("ExternalSecret",), "/spec/data/*/remoteRef", "/spec/dataFrom")
    yield from _fields("exposure", ("Ingress",), "/spec/rules/*/host", "/spec/tls")
    routes = ("HTTPRoute", "GRPCRoute", "TLSRoute")
    yield from _fields("exposure", routes, "/spec/hostnames")
    yield from _fields("exposure", ("Certificate",), "/spec/dnsNames", "/spec/commonName")
    yield from _fields("exposure", ("Service",), "/spec/type", "/spec/ports/*/nodePort")
    yield from _fields("schedule", ("CronJob",), "/spec/schedule", "/spec/suspend")
    yield from _pod("placement", ViolationSeverity.FREE, *_PLACEMENT)


def _warned() -> Iterator[PresetEntry]:
    yield from _container("variables in some environments only", ViolationSeverity.WARN, "env/*", "envFrom")
    yield from _container("tuning", ViolationSeverity.WARN, "args", "command", "volumeMounts", *_PROBES)
    yield from _pod("volumes", ViolationSeverity.WARN, "volumes")
    # Whoever lets the name of an item through lets the item in.
    yield from _container("sidecars", ViolationSeverity.WARN, "name")
    yield PresetEntry("objects in some environments only", ViolationSeverity.WARN)


_SCALING = ("minReplicas", "maxReplicas", "metrics", "behavior")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PLACEMENT = ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName")

STANDARD = (*_forbidden(), *_free(), *_warned())
