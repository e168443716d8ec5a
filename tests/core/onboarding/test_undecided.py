"""Refusals that name the option by which a person decides."""

import pytest

from gitops.core.onboarding.discovery import Discovered, Graph, KustomizationDirectory, OverlayRoot
from gitops.core.onboarding.environments import DeployedOverlay
from gitops.core.onboarding.undecided import refuse_no_environments, refuse_twins

KNOWN: Graph = {path: KustomizationDirectory(f"{path}/kustomization.yaml") for path in ("", "a", "a/b", "c")}


@pytest.mark.parametrize(
    ("left_out", "known", "within", "reason", "expected"),
    [
        ((), {}, "", "NoEnvironments", "there is no kustomization.yaml"),
        ((), KNOWN, "", "Undecided", "Kustomizations are in: ., a, a/b, c. "),
        ((), KNOWN, "a", "Undecided", "Kustomizations are in: a, a/b. "),
        (("eu", "us"), KNOWN, "", "Undecided", "Kustomizations are in: eu, us. "),
    ],
)
def test_no_environments(left_out: tuple[str, ...], known: Graph, within: str, reason: str, expected: str) -> None:
    error = refuse_no_environments(Discovered((), left_out), known, within)
    assert error.reason == reason
    assert expected in error.message


def deployed(path: str) -> DeployedOverlay:
    return DeployedOverlay(OverlayRoot("dev", path), KustomizationDirectory(f"{path}/kustomization.yaml"), ())


@pytest.mark.parametrize(
    ("one", "other", "narrower"),
    [
        ("clusters/asia/dev", "clusters/eu/dev", "`lockstep init clusters/asia`, or "),
        ("overlays/dev", "overlays/dev-2", ""),
    ],
)
def test_twins(one: str, other: str, narrower: str) -> None:
    error = refuse_twins(deployed(one), deployed(other))
    assert error.reason == "Undecided"
    assert (
        f"Take one of them: {narrower}name the directory of each environment, --environment dev={one}" in error.message
    )
