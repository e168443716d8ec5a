"""The cost of rendering one small overlay safely, compared with kustomize alone on the same files."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import fleet
from benchmarks.figures import Figure, Spread
from benchmarks.world import World
from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kustomize.builder import Kustomize
from gitops.core.config_repo import compose
from gitops.core.config_repo.layout import Overlay
from gitops.core.kustomize import guard

_RENDERS = 40


def renders(world: World, services: Sequence[str]) -> Sequence[Figure]:
    """Alternates the variants, so that both have the same conditions."""
    repo = GitConfigRepo(str(world.fleet.remote), "main", world.directory / "bench" / "clone")
    repo.fetch()
    world.fleet.catch_up()
    kustomize = Kustomize(world.kustomize, world.directory / "bench" / "renders")
    bare, ours = [], []
    for service in services[:_RENDERS]:
        bare.append(_render_bare(world.kustomize, world.fleet.checkout / world.fleet.overlay(service)))
        ours.append(_render_guarded(repo, kustomize, service))
    repo.close()
    floor, taken = Spread(tuple(bare)), Spread(tuple(ours))
    note = f"{taken}; floor: {floor}"
    return [Figure("render", "one small overlay, p50", taken.percentile(50), "s", None, floor.percentile(50), note)]


def _render_bare(kustomize: Path, directory: Path) -> float:
    began = time.monotonic()
    subprocess.run([kustomize, "build", str(directory)], check=True, capture_output=True, env={"PATH": os.defpath})
    return time.monotonic() - began


def _render_guarded(repo: GitConfigRepo, kustomize: Kustomize, service: str) -> float:
    overlay = Overlay(
        f"{fleet.ENVIRONMENT}/{service}", fleet.ENVIRONMENT, fleet.Fleet.overlay(service), fleet.NAMESPACE
    )
    began = time.monotonic()
    composition = compose.compose(overlay, repo.head(), repo.tree, repo.read)
    closure = guard.closure(composition.tree, repo.read, overlay.path)
    kustomize.render(guard.source(closure, repo.read))
    return time.monotonic() - began
