from collections.abc import Mapping
from pathlib import Path

import pytest

from gitops.local.cluster import binaries
from tests.example.rendered import ENVIRONMENTS, ROOT, Rendered, build


@pytest.fixture(scope="session")
def kustomize() -> Path:
    return binaries.ensure("kustomize")


@pytest.fixture(scope="session")
def platform(kustomize: Path) -> Rendered:
    return build(kustomize, ROOT / "base/platform")


@pytest.fixture(scope="session")
def base(kustomize: Path) -> Rendered:
    return build(kustomize, ROOT / "base")


@pytest.fixture(scope="session")
def environments(kustomize: Path) -> Mapping[str, Rendered]:
    return {name: build(kustomize, ROOT / "environments" / name) for name in ENVIRONMENTS}


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest, environments: Mapping[str, Rendered]) -> Rendered:
    """Return each environment in turn, rendered."""
    return environments[request.param]
