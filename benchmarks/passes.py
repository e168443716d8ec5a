"""`python -m benchmarks.passes LOCKSTEP_YAML`: one round of passes over unchanged overlays, by the controller's own
parts in this process, so that its CPU time is that of the passes alone. It prints JSON and writes nothing.
"""

import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from gitops.app import wiring as assembly
from gitops.app.wiring import Replica
from gitops.config import model as configuration
from gitops.runtime import logs as telemetry
from gitops.runtime.clock import SystemClock
from gitops.runtime.logs import LogOutput

_ROUNDS = 5


class _Leader:
    """Implements ports.Leadership: always the leader, because no other process runs."""

    def is_leader(self) -> bool:
        return True


def main(config: Path) -> None:
    telemetry.configure(LogOutput(sys.stderr, "bench", "warning"))
    began = time.perf_counter()
    settings = configuration.load(config, os.environ)  # noqa: TID251 - handed on, not read
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as scratch:
        repo = assembly.config_repo(settings, Path(scratch) / "clone")
        repo.fetch()
        replica = Replica(settings, SystemClock(), _Leader())
        reached = assembly.reach(replica, assembly.connect(settings))
        renders = assembly.renders(assembly.kustomize(settings, settings.state / "renders"))
        wanted = assembly.desired_parts(settings, repo, renders, reached)
        desired = wanted.desired
        desired.refresh()
        live = assembly.live(replica, reached)
        reconciler = assembly.reconciler(replica, reached, wanted, live)
        started = time.perf_counter()
        reconciler.recall()
        recalled = time.perf_counter()
        names = sorted(reconciler.known_overlays())
        rounds = []
        for _ in range(1 + _ROUNDS):
            gc.collect()
            begun, used = time.perf_counter(), time.process_time()
            for name in names:
                reconciler.reconcile(name)
            rounds.append((time.perf_counter() - begun, time.process_time() - used))
        live.stop()
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
