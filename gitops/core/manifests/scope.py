"""The scope of an overlay: the namespaces it may create objects in, and the cluster-scoped kinds it may hold."""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import FILE, Pipeline
from gitops.core.errors import Place, Rejected
from gitops.core.manifests.container_images import images_of
from gitops.core.manifests.manifest import Manifest
from gitops.core.manifests.pod_references import references
from gitops.core.ownership.applyset import ID_LABEL, PART_OF_LABEL, SYSTEM_NAMESPACE

_MOST_SHOWN = 5
_NAMESPACE_KINDS = frozenset({"LimitRange", "ResourceQuota", "Role", "RoleBinding", "ServiceAccount"})
"""Kinds that say who may do what in a namespace, and how much it may use."""


@dataclass(frozen=True, slots=True)
class ScopeCeilings:
    """The most that lockstep.yaml allows; pipeline.yaml can only allow less. Empty = no ceiling.

    `namespaces` and `service_accounts` (of pods) are globs. `cluster_kinds` are `Kind` or `Kind.group`.
    """

    namespaces: tuple[str, ...] = ()
    cluster_kinds: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllowedScope:
    """The scope that pipeline.yaml allows an overlay. `namespaces`: None = all except the controller's own. `kinds`:
    the kinds that it may hold in a namespace, None = all. `foreign_images`: images that must not run there.
    """

    overlay: Overlay
    namespaces: frozenset[str] | None
    cluster_kinds: frozenset[str]
    kinds: frozenset[str] | None = None
    foreign_images: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ScopeViolation:
    """An object that is out of scope: why, and what to do about it."""

    manifest: Manifest
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.manifest.key} {self.why}; {self.remedy}"


def of(overlay: Overlay, pipeline: Pipeline | None) -> AllowedScope:
    """The scope that pipeline.yaml allows. Without a pipeline.yaml: the overlay's own namespace, nothing
    cluster-scoped.

    The platform holds the roles and quotas of namespaces, so it may write into the namespace of every environment. It
    is no environment and has no contract, so it holds no workloads, and never the image of a service.
    """
    if overlay.is_platform:
        environments = pipeline.environments.values() if pipeline else ()
        named = frozenset(pipeline.platform.kinds if pipeline and pipeline.platform else ())
        services = frozenset(service.image for service in pipeline.services.values()) if pipeline else frozenset()
        namespaces = frozenset(each.namespace for each in environments)
        return AllowedScope(overlay, namespaces, named, _NAMESPACE_KINDS | named, services)
    environment = pipeline.environments.get(overlay.environment) if pipeline else None
    kinds = environment.sync.allow.cluster if environment else ()
    return AllowedScope(overlay, frozenset({overlay.namespace}), frozenset(kinds))


def violations(
    manifests: Collection[Manifest], allowed: AllowedScope, ceilings: ScopeCeilings | None = None
) -> tuple[ScopeViolation, ...]:
    """The objects that the overlay may not create, in the order of the render."""
    limits = ceilings or ScopeCeilings()
    found = (_violation(manifest, allowed, limits) for manifest in manifests)
    return tuple(violation for violation in found if violation is not None)


def require(manifests: Collection[Manifest], allowed: AllowedScope, ceilings: ScopeCeilings | None = None) -> None:
    """Raises: Rejected(OutOfScope); the message names up to five objects, each with why and what to do."""
    found = violations(manifests, allowed, ceilings)
    if found:
        message = ". ".join(str(violation) for violation in found[:_MOST_SHOWN])
        left_out = len(found) - _MOST_SHOWN
        message += f". And {left_out} more" if left_out > 0 else ""
        raise Rejected("OutOfScope", message, place=Place(allowed.overlay.file))


def _violation(manifest: Manifest, allowed: AllowedScope, ceilings: ScopeCeilings) -> ScopeViolation | None:
    labels = manifest.body["metadata"].get("labels") or {}
    claimed = [label for label in (PART_OF_LABEL, ID_LABEL) if label in labels]
    if claimed:
        return ScopeViolation(
            manifest,
            f"carries the label {claimed[0]}",
            "remove it: Lockstep sets it to the overlay that owns the object",
        )
    if not manifest.key.namespace:
        return _cluster_violation(manifest, allowed, ceilings)
    return _namespace_violation(manifest, allowed, ceilings)


def _cluster_violation(manifest: Manifest, allowed: AllowedScope, ceilings: ScopeCeilings) -> ScopeViolation | None:
    kind = manifest.key.kind
    if kind == "Namespace" and manifest.key.name == SYSTEM_NAMESPACE:
        return ScopeViolation(manifest, "is the controller's own namespace", "manage it outside this config repo")
    if kind not in allowed.cluster_kinds:
        field = "platform.kinds" if allowed.overlay.is_platform else _field(allowed, "sync.allow.cluster")
        remedy = f"move it to the platform, or add {kind} to {field} of {FILE}"
        if allowed.overlay.is_platform:
            remedy = f"add {kind} to {field} of {FILE}"
        return ScopeViolation(manifest, "is cluster-scoped", remedy)
    group = manifest.key.group
    if ceilings.cluster_kinds and not {kind, f"{kind}.{group}"} & set(ceilings.cluster_kinds):
        remedy = f"the controller's configuration does not allow {kind}; its administrator can"
        return ScopeViolation(manifest, "is cluster-scoped", remedy)
    return None


def _namespace_violation(manifest: Manifest, allowed: AllowedScope, ceilings: ScopeCeilings) -> ScopeViolation | None:
    namespace = manifest.key.namespace
    if namespace == SYSTEM_NAMESPACE:
        return ScopeViolation(manifest, "is in the controller's own namespace", "put it into the environment's")
    if allowed.namespaces is not None and namespace not in allowed.namespaces:
        mine = allowed.overlay.namespace or "one of the environments' namespaces"
        return ScopeViolation(
            manifest, f"is not in {mine}", "remove its namespace, or move it to the overlay it belongs to"
        )
    return _platform_violation(manifest, allowed) or _ceiling_violation(manifest, ceilings)


def _platform_violation(manifest: Manifest, allowed: AllowedScope) -> ScopeViolation | None:
    if allowed.kinds is not None and manifest.key.kind not in allowed.kinds:
        remedy = f"move it to base and the overlays; if it is no part of them, add it to platform.kinds of {FILE}"
        return ScopeViolation(manifest, "is not what a platform holds", remedy)
    foreign = sorted({image.name for image in images_of(manifest.body)} & allowed.foreign_images)
    if foreign:
        return ScopeViolation(manifest, f"runs {foreign[0]}, a service's image", "run it in the environments' overlays")
    return None


def _ceiling_violation(manifest: Manifest, ceilings: ScopeCeilings) -> ScopeViolation | None:
    namespace = manifest.key.namespace
    if not _matches(namespace, ceilings.namespaces):
        remedy = f"the controller's configuration does not allow {namespace}; its administrator can"
        return ScopeViolation(manifest, "is outside what this controller may write", remedy)
    for account in sorted(key.name for key in references(manifest.body) if key.kind == "ServiceAccount"):
        if not _matches(account, ceilings.service_accounts):
            remedy = f"the controller's configuration does not allow {account}; its administrator can"
            return ScopeViolation(manifest, f"runs as service account {account}", remedy)
    return None


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def _field(allowed: AllowedScope, field: str) -> str:
    return f"environments.{allowed.overlay.environment}.{field}"
