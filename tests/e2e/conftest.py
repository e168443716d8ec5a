"""Installations for the end-to-end tests: `worlds` makes one at a time, each with its own namespaces."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from gitops.local.cluster import binaries
from tests.e2e.harness import Settings, World, world
from tests.worlds.control_plane import SharedControlPlane

MakeWorld = Callable[..., World]
_numbers = count(1)


@pytest.fixture(scope="session")
def kustomize() -> Path:
    return binaries.ensure("kustomize")


@pytest.fixture(scope="module")
def worlds(
    control_plane: SharedControlPlane, kustomize: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeWorld]:
    with ExitStack() as stack:

        def make(settings: Settings | None = None) -> World:
            number = next(_numbers)
            directory = tmp_path_factory.mktemp(f"world-{number}")
            return stack.enter_context(world(directory, control_plane.kubeconfig, number, kustomize, settings))

        yield make


@pytest.fixture(scope="module")
def running(worlds: MakeWorld) -> World:
    """One running and synced installation for all tests of a module."""
    made = worlds()
    made.start()
    made.until_ready()
    return made
