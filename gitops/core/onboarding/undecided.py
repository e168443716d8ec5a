"""Refusals of `lockstep init` where a person must decide something. Each message names the option that decides it."""

from gitops.core.errors import Rejected
from gitops.core.onboarding import directory_names
from gitops.core.onboarding.discovery import Discovered, Graph
from gitops.core.onboarding.environments import DeployedOverlay

_NO_KUSTOMIZATION = (
    "there is no kustomization.yaml. Lockstep deploys kustomize overlays: commit what Helm and other tools render, and "
    "write a kustomization for it, one overlay for each environment"
)


def refuse_no_environments(found: Discovered, known: Graph, within: str) -> Rejected:
    """The error if no directory could be recognized as an environment. `within`: the directory that was searched."""
    if not known:
        return Rejected("NoEnvironments", _NO_KUSTOMIZATION)
    below = [path or "." for path in sorted(known) if not within or f"{path}/".startswith(f"{within}/")]
    some = ", ".join((found.left_out or below)[:10])
    message = (
        f"no directory has the name of an environment. Kustomizations are in: {some}. Name the environments: "
        "--environment dev=PATH"
    )
    return Rejected("Undecided", message)


def refuse_twins(one: DeployedOverlay, other: DeployedOverlay) -> Rejected:
    """The error for two directories of one environment that render the same objects."""
    environment, path = one.root.environment, one.root.path
    ours, theirs = path.split("/"), other.root.path.split("/")
    differs = next((at for at, both in enumerate(zip(ours, theirs, strict=False)) if both[0] != both[1]), len(ours))
    is_above_environment = differs < (directory_names.position(path) or 0)
    narrower = f"`lockstep init {'/'.join(ours[: differs + 1])}`, or " if is_above_environment else ""
    message = (
        f"{path} and {other.root.path} are both {environment} and render the same objects, so they must be for two "
        f"clusters. Take one of them: {narrower}name the directory of each environment, --environment "
        f"{environment}={path} and so on"
    )
    return Rejected("Undecided", message)
