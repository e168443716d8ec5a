"""The fixture `control_plane`: one control plane for the whole test session. Each test has namespaces of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from kubernetes import client, config

from gitops.local.cluster import binaries, prerequisites
from gitops.local.cluster.control_plane import ControlPlane


@dataclass(frozen=True, slots=True)
class SharedControlPlane:
    """`api` is a client whose user may do everything. `kubeconfig` is a file with the same access."""

    kubeconfig: Path
    api: client.ApiClient
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def namespace(self, prefix: str = "test") -> str:
        """Create a namespace that no other test uses; it is deleted with the control plane."""
        name = f"{prefix}-{next(self._numbers)}"
        client.CoreV1Api(self.api).create_namespace({"metadata": {"name": name}})
        return name


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedControlPlane]:
    """A control plane with nodes, volumes and stub CRDs. The first run on a machine builds its programs: minutes."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), binaries.ensure_all()) as plane:
        prerequisites.apply(plane.kubeconfig)
        with config.new_client_from_config(str(plane.kubeconfig)) as api:
            yield SharedControlPlane(plane.kubeconfig, api)
