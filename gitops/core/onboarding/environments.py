"""Declares each environment for pipeline.yaml: order, namespace, prefix, suffix and kinds without a namespace.

A person's options win; the rest is guessed from what the environment renders.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitops.core.config_repo.environments import Allow, Environment, SyncMode, SyncOptions
from gitops.core.errors import Rejected
from gitops.core.manifests.manifest import Manifest
from gitops.core.onboarding import directory_names
from gitops.core.onboarding.discovery import KustomizationDirectory, OverlayRoot
from gitops.core.parsing import models

_NAME_PART = re.compile(r"[a-z0-9.-]{0,63}")
UNKNOWN_NAMESPACE = "lockstep-init-unknown"
"""The namespace of objects without one, as long as the namespace of the environment is not known."""


@dataclass(frozen=True, slots=True)
class EnvironmentOptions:
    """The options of `lockstep init`: `environments`: name -> directory; `base`: the directory to compare with;
    `order`; `namespaces`: environment -> namespace. Empty ones are guessed. `within`: search this directory only.
    """

    within: str = ""
    environments: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    order: tuple[str, ...] = ()
    namespaces: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeployedOverlay:
    """One overlay: the root that was found, its kustomization, and the objects that it renders."""

    root: OverlayRoot
    directory: KustomizationDirectory
    manifests: tuple[Manifest, ...]


def declare(deployed: Sequence[DeployedOverlay], options: EnvironmentOptions) -> dict[str, Environment]:
    """The environments in their order.

    Raises: Rejected(Undecided) if the order or a namespace cannot be guessed; Rejected(NotFound) if the order of the
    options does not name each environment once.
    """
    after = _order(list(dict.fromkeys(each.root.environment for each in deployed)), options)
    found = {name: [each for each in deployed if each.root.environment == name] for name in after}
    namespaces = {name: options.namespaces.get(name) or _namespace(overlays) for name, overlays in found.items()}
    _require_namespaces(namespaces)
    counted = Counter(namespaces.values())
    return {
        name: Environment(
            namespace=namespaces[name] or "",
            prefix=_common_affix([each.directory.prefix for each in found[name]]),
            suffix=_common_affix([each.directory.suffix for each in found[name]]),
            after=previous,
            images=None if previous else "newest",
            sync=SyncOptions(mode=SyncMode.OBSERVE, allow=Allow(cluster=_cluster_kinds(found[name]))),
            context=name if counted[namespaces[name]] > 1 else None,
        )
        for name, previous in after.items()
    }


def find_twins(deployed: Sequence[DeployedOverlay]) -> Iterator[tuple[DeployedOverlay, DeployedOverlay]]:
    """Pairs of overlays of one environment that share more than half of their objects: only one can be deployed."""
    for number, one in enumerate(deployed):
        for other in deployed[number + 1 :]:
            both = {each.key for each in one.manifests} & {each.key for each in other.manifests}
            fewer = min(len(one.manifests), len(other.manifests))
            if one.root.environment == other.root.environment and 2 * len(both) > fewer:
                yield one, other


def find_foreign_services(
    deployed: Sequence[DeployedOverlay], known: Mapping[str, Environment]
) -> list[DeployedOverlay]:
    """Services without any object in the namespace of their environment: they are deployed to another namespace.

    Each environment has at least one other service, unless a person named a namespace that none of them uses.
    """
    return [
        each
        for each in deployed
        if each.root.service
        and not {found.key.namespace for found in each.manifests}
        & {known[each.root.environment].namespace, UNKNOWN_NAMESPACE}
    ]


def _order(environments: list[str], options: EnvironmentOptions) -> dict[str, str | None]:
    if options.order:
        if sorted(options.order) != sorted(environments):
            raise Rejected("NotFound", f"--order must name each of these once: {', '.join(environments)}")
        return dict(zip(options.order, (None, *options.order), strict=False))
    unranked = [name for name in environments if directory_names.rank(name) is None]
    if unranked and options.environments:
        return dict(zip(environments, (None, *environments), strict=False))
    if unranked and len(environments) > 1:
        known = ",".join(environments)
        message = f"the names {', '.join(environments)} do not show an order. Name it: --order {known}"
        raise Rejected("Undecided", message)
    return dict(directory_names.predecessors(environments))


def _namespace(overlays: Sequence[DeployedOverlay]) -> str | None:
    """The namespace of most of the objects, as set in them or in the kustomization; None if none is set."""
    counted = Counter(
        manifest.key.namespace for each in overlays for manifest in each.manifests if manifest.key.namespace
    )
    named = [name for name in counted if name != UNKNOWN_NAMESPACE and models.is_name(name)]
    return min(named, key=lambda name: (-counted[name], name), default=None)


def _require_namespaces(namespaces: Mapping[str, str | None]) -> None:
    missing = [name for name, namespace in namespaces.items() if not namespace]
    if missing:
        options = " ".join(f"--namespace {name}=NAMESPACE" for name in missing)
        raise Rejected(
            "Undecided", f"no object or kustomization of {', '.join(missing)} sets a namespace. Add {options}"
        )


def _common_affix(values: Sequence[str]) -> str:
    """The prefix or suffix that all services of an environment have; empty if they differ."""
    return values[0] if len(set(values)) == 1 and _NAME_PART.fullmatch(values[0]) else ""


def _cluster_kinds(overlays: Sequence[DeployedOverlay]) -> tuple[str, ...]:
    return tuple(sorted({found.key.kind for each in overlays for found in each.manifests if not found.key.namespace}))
