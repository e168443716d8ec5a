"""What only a person can tell, as refusals that say how to tell it."""

from gitops.core.errors import Rejected
from gitops.core.onboarding import directory_names as names
from gitops.core.onboarding.discovery import Discovered, Graph
from gitops.core.onboarding.environments import DeployedOverlay, undecided

_NO_KUSTOMIZATION = (
    "there is no kustomization.yaml. Lockstep deploys kustomize overlays: commit what Helm and other tools render, and "
    "write a kustomization for it, one overlay for each environment"
)


def nothing(found: Discovered, known: Graph, within: str) -> Rejected:
    if not known:
        return Rejected("NoEnvironments", _NO_KUSTOMIZATION)
    below = [path or "." for path in sorted(known) if not within or f"{path}/".startswith(f"{within}/")]
    some = ", ".join((found.left_out or below)[:10])
    message = f"no directory sounds like an environment. There are: {some}. Name them: --environment dev=PATH"
    return undecided(message)


def twins(one: DeployedOverlay, other: DeployedOverlay) -> Rejected:
    environment, path = one.root.environment, one.root.path
    ours, theirs = path.split("/"), other.root.path.split("/")
    differs = next((at for at, both in enumerate(zip(ours, theirs, strict=False)) if both[0] != both[1]), len(ours))
    narrower = f"`lockstep init {'/'.join(ours[: differs + 1])}`, or " if differs < (names.position(path) or 0) else ""
    message = (
        f"{path} and {other.root.path} both are {environment} and render the same objects, so they must be for two "
        f"clusters. Adopt one of them: {narrower}name the directory of each environment, --environment "
        f"{environment}={path} and so on"
    )
    return undecided(message)
