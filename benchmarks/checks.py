"""`lockstep check` as a person runs it, compared with the same number of plain kustomize builds: 100 overlays of 10
objects.

Needs no cluster. A cold check also renders the references, one for the overlays of each service in every environment.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks import check_repo
from benchmarks.figures import Figure, Spread
from gitops.adapters.git.work_tree import WorkTree
from gitops.adapters.kustomize.builder import Kustomize
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.checker import Checker
from gitops.contract.surveyor import Surveyor
from gitops.render.builds import Builds

_ROUNDS = 3
_COLD, _WARM = 5.0, 0.5


class _Used(NamedTuple):
    """Wall-clock seconds and CPU seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class _Place:
    repo: Path
    kustomize: Path
    scratch: Path

    def command(self, cache: str) -> _Used:
        """Runs the whole command in its own process, with a cache directory of this name."""
        argv = [sys.executable, "-m", "gitops", "check", str(self.repo)]
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.scratch),
            "XDG_CACHE_HOME": str(self.scratch / cache),
            "LOCKSTEP_KUSTOMIZE": str(self.kustomize),
        }
        return _measure(lambda: subprocess.run(argv, check=True, capture_output=True, env=environment, cwd=Path.cwd()))

    def in_process(self, cache: str) -> float:
        """Runs the same check in this process, which has imported everything; returns the seconds."""
        began = time.monotonic()
        repo = WorkTree(self.repo, {})
        directory = self.scratch / cache / "lockstep" / "check"
        surveyor = Surveyor(Builds(repo, Kustomize(self.kustomize, directory)), RenderCache(directory / "surveys"))
        report = Checker(repo, surveyor).check(repo.head())
        repo.close()
        if not report.passes(ahead=False):
            raise AssertionError(report.forbidden())
        return time.monotonic() - began

    def plainly(self, overlays: Sequence[str]) -> _Used:
        """Runs plain builds only, as many at once as check does: one for each core."""

        def build(overlay: str) -> None:
            argv = [self.kustomize, "build", overlay]
            subprocess.run(argv, check=True, capture_output=True, env={"PATH": os.defpath}, cwd=self.repo)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return _measure(lambda: list(pool.map(build, overlays)))


def checks(scratch: Path, kustomize: Path, overlays: int) -> Sequence[Figure]:
    """Alternates the variants, so that all have the same conditions."""
    written = check_repo.write(scratch / "check_repo", overlays)
    place = _Place(scratch / "check_repo", kustomize, scratch)
    plain, cold, warm, inside = [], [], [], []
    for number in range(_ROUNDS):
        plain.append(place.plainly(written))
        cold.append(place.command(f"cache-{number}"))
        warm += [place.command(f"cache-{number}") for _ in range(_ROUNDS)]
        inside.append((place.in_process(f"inside-{number}"), place.in_process(f"inside-{number}")))
    floor = _median_use(plain)
    references = len(written) // len(check_repo.ENVIRONMENTS)
    ratios = Spread(tuple(one.wall / other.wall for one, other in zip(cold, plain, strict=True)))
    note = (
        f"{_median_use(cold).cpu:.2f} CPU s, {floor.cpu:.2f} for the floor: {len(written)} plain builds; check renders "
        f"{references} references besides; in process {_median([each for each, _ in inside]):.2f} s"
    )
    warm_note = f"{_median_use(warm).cpu:.2f} CPU s; in process {_median([each for _, each in inside]):.2f} s"
    return [
        Figure(
            "check",
            f"{len(written)} overlays of 10 objects, cold",
            _median_use(cold).wall,
            "s",
            _COLD,
            floor.wall,
            note,
        ),
        Figure("check", "cold, against as many plain builds", ratios.percentile(50), "x", 2.0),
        Figure("check", "warm", _median_use(warm).wall, "s", _WARM, note=warm_note),
    ]


def _measure(work: Callable[[], object]) -> _Used:
    """The CPU time is that of the children that end meanwhile; this process only waits for them."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return _Used(time.monotonic() - began, cpu)


def _median_use(samples: Sequence[_Used]) -> _Used:
    return _Used(_median([each.wall for each in samples]), _median([each.cpu for each in samples]))


def _median(samples: Sequence[float]) -> float:
    return Spread(tuple(samples)).percentile(50)
