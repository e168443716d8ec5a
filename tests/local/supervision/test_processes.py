import signal
import subprocess
import sys
import threading
from pathlib import Path

from gitops.core.errors import GitopsError, Rejected
from gitops.local.supervision import processes
from gitops.local.supervision.processes import ProcessIdentity

STUBBORN = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
)


def _start(tmp_path: Path) -> subprocess.Popen[bytes]:
    return processes.start(
        [sys.executable, "-c", "import signal; signal.pause()"], directory=tmp_path, log=tmp_path / "log"
    )


def test_process_that_ignores_sigterm_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identity = processes.identify(process.pid)
        assert identity is not None
        processes.end(identity, grace=0.1)
        assert not processes.is_alive(identity)
    assert process.returncode == -signal.SIGKILL


def test_process_with_a_recorded_pid_but_another_start_is_not_ended(tmp_path: Path) -> None:
    with _start(tmp_path) as process:
        found = processes.identify(process.pid)
        assert found is not None
        processes.end(ProcessIdentity(process.pid, "another boot/1"), grace=0)
        assert processes.is_alive(found)
        process.kill()


def test_process_that_has_ended_has_no_identity(tmp_path: Path) -> None:
    process = _start(tmp_path)
    identity = processes.identify(process.pid)
    assert identity is not None
    process.kill()
    process.wait()
    assert processes.identify(process.pid) is None
    processes.end(identity, grace=0)


def test_process_start_is_refused_outside_the_main_thread(tmp_path: Path) -> None:
    refusals: list[GitopsError] = []

    def start() -> None:
        try:
            _start(tmp_path)
        except Rejected as refusal:
            refusals.append(refusal)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert [refusal.reason for refusal in refusals] == ["WrongThread"]
