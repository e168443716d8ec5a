"""`python -m benchmarks.passes LOCKSTEP_YAML`: one round of passes over overlays that are as they should be, by the
controller's own parts in this process, so that its CPU time is nothing else's. Prints JSON; nothing is written.
"""

import gc
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from gitops.app import wiring as assembly
from gitops.app.wiring import Clocks
from gitops.config import model as configuration
from gitops.runtime import logs as telemetry
from gitops.runtime.logs import LogOutput

_ROUNDS = 5


def main(config: Path) -> None:
    telemetry.configure(LogOutput(sys.stderr, "bench", "warning"))
    began = time.perf_counter()
    clocks = Clocks(now=lambda: datetime.now(UTC), monotonic=time.monotonic)  # noqa: TID251 - this program's clock
    settings = configuration.load(config, os.environ)  # noqa: TID251 - handed on, not read
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as scratch:
        repo = assembly.config_repo(settings, Path(scratch) / "clone")
        repo.fetch()
        reached = assembly.reach(settings, clocks, lambda: True)
        renderer = assembly.kustomize(settings, settings.state / "renders")
        wanted = assembly.wanted(settings, repo, renderer, reached)
        desired = wanted.desired
        desired.refresh()
        parts = assembly.reconciling(settings, reached, wanted, clocks, (lambda: True, lambda *_: None))
        started = time.perf_counter()
        parts.reconciler.recall()
        recalled = time.perf_counter()
        names = sorted(parts.reconciler.known())
        rounds = []
        for _ in range(1 + _ROUNDS):
            gc.collect()
            begun, used = time.perf_counter(), time.process_time()
            for name in names:
                parts.reconciler.reconcile(name)
            rounds.append((time.perf_counter() - begun, time.process_time() - used))
        parts.watcher.stop()
        parts.pool.shutdown()
        repo.close()
        reached.api.close()
    first, *others = rounds
    seconds, cpu = sorted(others)[len(others) // 2]
    found = {
        "started": started - began,
        "recalled": recalled - started,
        "first": first[0],
        "seconds": seconds,
        "cpu": cpu,
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
