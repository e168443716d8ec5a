"""What is declared of each environment: order, namespace, prefix, cluster-wide kinds. Guesses are told apart."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitops.core.config_repo.environments import Allow, Environment, SyncMode, SyncOptions
from gitops.core.errors import Rejected
from gitops.core.manifests.manifest import Manifest
from gitops.core.onboarding import directory_names as names
from gitops.core.onboarding.discovery import KustomizationDirectory, OverlayRoot
from gitops.core.parsing import models

_NAME_PART = re.compile(r"[a-z0-9.-]{0,63}")
UNKNOWN = "lockstep-init-unknown"
"""The namespace that objects without one get as long as the environment's is not known."""


@dataclass(frozen=True, slots=True)
class EnvironmentOptions:
    """What a person said about the environments: the name of each and its directory, the directory to compare with,
    the order, and namespaces. What is empty is guessed. `within`: look for environments below this directory only.
    """

    within: str = ""
    environments: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    order: tuple[str, ...] = ()
    namespaces: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeployedOverlay:
    """One overlay: where it was found, what its kustomization says, and the objects that it renders."""

    root: OverlayRoot
    directory: KustomizationDirectory
    manifests: tuple[Manifest, ...]


def undecided(message: str) -> Rejected:
    """A person has to say something first."""
    return Rejected("Undecided", message)


def declared(deployed: Sequence[DeployedOverlay], wishes: EnvironmentOptions) -> dict[str, Environment]:
    """In their order. Raises: Rejected(Undecided) when order or namespaces cannot be guessed; Rejected(NotFound)."""
    after = _order(list(dict.fromkeys(each.root.environment for each in deployed)), wishes)
    found = {name: [each for each in deployed if each.root.environment == name] for name in after}
    namespaces = {name: wishes.namespaces.get(name) or _namespace(overlays) for name, overlays in found.items()}
    _require_namespaces(namespaces)
    counted = Counter(namespaces.values())
    return {
        name: Environment(
            namespace=namespaces[name] or "",
            prefix=_common([each.directory.prefix for each in found[name]]),
            suffix=_common([each.directory.suffix for each in found[name]]),
            after=previous,
            images=None if previous else "newest",
            sync=SyncOptions(mode=SyncMode.OBSERVE, allow=Allow(cluster=_cluster_kinds(found[name]))),
            context=name if counted[namespaces[name]] > 1 else None,
        )
        for name, previous in after.items()
    }


def doubles(deployed: Sequence[DeployedOverlay]) -> Iterator[tuple[DeployedOverlay, DeployedOverlay]]:
    """Pairs of one environment's overlays that are mostly the same objects: they cannot both be deployed to it."""
    for number, one in enumerate(deployed):
        for other in deployed[number + 1 :]:
            both = {each.key for each in one.manifests} & {each.key for each in other.manifests}
            fewer = min(len(one.manifests), len(other.manifests))
            if one.root.environment == other.root.environment and 2 * len(both) > fewer:
                yield one, other


def strangers(deployed: Sequence[DeployedOverlay], known: Mapping[str, Environment]) -> list[DeployedOverlay]:
    """Services none of whose objects is in their environment's namespace: they are deployed to another one. At least
    one service of each environment is at home, unless a person named a namespace that none of them has.
    """
    return [
        each
        for each in deployed
        if each.root.service
        and not {_namespace_of(each, found) for found in each.manifests}
        & {known[each.root.environment].namespace, UNKNOWN}
    ]


def _namespace_of(_each: DeployedOverlay, manifest: Manifest) -> str:
    return manifest.key.namespace


def _order(environments: list[str], wishes: EnvironmentOptions) -> dict[str, str | None]:
    if wishes.order:
        if sorted(wishes.order) != sorted(environments):
            raise Rejected("NotFound", f"--order must name these: {', '.join(environments)}")
        return dict(zip(wishes.order, (None, *wishes.order), strict=False))
    silent = [name for name in environments if names.rank(name) is None]
    if silent and wishes.environments:
        return dict(zip(environments, (None, *environments), strict=False))
    if silent and len(environments) > 1:
        known = ",".join(environments)
        raise undecided(f"in which order do these come: {', '.join(environments)}? Say so, for example --order {known}")
    return dict(names.predecessors(environments))


def _namespace(overlays: Sequence[DeployedOverlay]) -> str | None:
    """The one that most of the objects are in, as written in them or in the kustomization."""
    counted = Counter(
        manifest.key.namespace for each in overlays for manifest in each.manifests if manifest.key.namespace
    )
    named = [name for name in counted if name != UNKNOWN and models.is_name(name)]
    return min(named, key=lambda name: (-counted[name], name), default=None)


def _require_namespaces(namespaces: Mapping[str, str | None]) -> None:
    missing = [name for name, namespace in namespaces.items() if not namespace]
    if missing:
        options = " ".join(f"--namespace {name}=NAMESPACE" for name in missing)
        raise undecided(f"nothing says into which namespace {', '.join(missing)} is deployed. Add {options}")


def _common(values: Sequence[str]) -> str:
    """What all services of an environment put around their names; nothing when it is not the same."""
    return values[0] if len(set(values)) == 1 and _NAME_PART.fullmatch(values[0]) else ""


def _cluster_kinds(overlays: Sequence[DeployedOverlay]) -> tuple[str, ...]:
    return tuple(sorted({found.key.kind for each in overlays for found in each.manifests if not found.key.namespace}))
