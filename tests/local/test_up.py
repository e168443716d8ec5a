"""`lockstep local up` with everything real: processes, control plane, config repo, controller."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import urllib.request  # noqa: TID251 - the test is a browser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import git
import pytest
from kubernetes import client, config

from gitops.local.cluster import binaries, prerequisites
from gitops.local.cluster.control_plane import CONTROLLERS, STORAGE, ControlPlane
from gitops.local.site import LocalSite
from gitops.local.supervision import process_record, processes
from tests import ROOT
from tests.worlds.kubernetes import eventually

LAST_LINE = "Ctrl-C stops everything"
STARTED = (*STORAGE, *CONTROLLERS, "controller")
_PATIENCE = 240


@dataclass
class Up:
    """A running `lockstep local up` and the lines that it has printed."""

    process: subprocess.Popen[str]
    site: LocalSite
    lines: list[str] = field(default_factory=list)

    def read_until(self, wanted: str) -> list[str]:
        """Reads up to the line that contains `wanted`; fails if the output ends before."""
        read: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            read.append(line.rstrip("\n"))
            if wanted in line:
                self.lines += read
                return read
        self.lines += read
        pytest.fail(f"{wanted!r} was never printed; this was:\n" + "\n".join(self.lines))

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def rest(self) -> str:
        """Waits for its end, which must have exit code 0, and returns the remaining output."""
        text, _ = self.process.communicate(timeout=_PATIENCE)
        assert self.process.returncode == 0, text
        return text


def _lockstep(site: LocalSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gitops", "local", *arguments, "--directory", str(site.directory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
        cwd=ROOT,
    )


@contextmanager
def _up(directory: Path, **environment: str) -> Iterator[Up]:
    """Starts `lockstep local up`; kills it at the end if it still runs."""
    argv = [sys.executable, "-u", "-m", "gitops", "local", "up", "--directory", str(directory)]
    inherited = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}  # noqa: TID251
    with subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**inherited, **environment},
    ) as process:
        watchdog = threading.Timer(_PATIENCE, process.kill)
        watchdog.start()
        try:
            yield Up(process, LocalSite(directory))
        finally:
            watchdog.cancel()
            process.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with _up(tmp_path_factory.mktemp("up") / "site") as up:
        up.read_until(LAST_LINE)
        yield up


def _recorded(site: LocalSite) -> dict[str, processes.ProcessIdentity]:
    found = [process_record.running(directory) for directory in (site.control_plane, site.directory)]
    return {name: identity for each in found if each for name, identity in each.components.items()}


def _of_sessions(leaders: set[int]) -> list[str]:
    """The names of living processes in the sessions of these leaders. Every component leads a session, and its children
    stay in it.
    """
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (directory / "stat").read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, _, session, *_ = rest.split()
        if int(session) in leaders and state not in "ZX":
            found.append(name)
    return found


def _deployment(site: LocalSite, namespace: str, name: str) -> client.V1Deployment:
    with config.new_client_from_config(str(site.kubeconfig())) as api:
        return client.AppsV1Api(api).read_namespaced_deployment(name, namespace)


def _image(deployment: client.V1Deployment) -> str:
    image: str = deployment.spec.template.spec.containers[0].image
    return image


def _steps(lines: list[str]) -> list[str]:
    """The steps of the push, without their times."""
    steps = (re.match(r" +[\d.]+ s +\+[\d.]+ s +(.*)", line) for line in lines)
    return [step[1] for step in steps if step]


def test_up_shows_a_release_from_harbor_to_healthy(running: Up) -> None:
    answer, commit, change, healthy = _steps(running.lines)
    assert answer.startswith("Lockstep    200: dev: order SNAPSHOT-master-119")
    head = git.Repo(running.site.config_repo).commit("main~0")
    assert head.hexsha[:7] in commit
    assert "dev: order SNAPSHOT-master-119" in commit
    assert "Deployment tuling-dev/order" in change
    assert healthy == "Healthy     order in dev is Synced and Healthy"


def test_up_has_deployed_the_release_that_it_shows(running: Up) -> None:
    image = _image(_deployment(running.site, "tuling-dev", "order"))
    assert ":SNAPSHOT-master-119@sha256:" in image


def test_site_is_readable_by_its_user_only(running: Up) -> None:
    site = running.site
    assert stat.S_IMODE(site.directory.stat().st_mode) == 0o700
    private = [site.config, site.log, *(site.directory / "secrets").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_status_shows_processes_addresses_and_overlays(running: Up) -> None:
    shown = _lockstep(running.site, "status")
    assert shown.returncode == 0
    for name, identity in _recorded(running.site).items():
        assert re.search(rf"{name} +pid {identity.pid}", shown.stdout)
    assert running.site.url("page") in shown.stdout
    for overlay in ("platform", "dev", "test", "prod"):
        assert re.search(rf"^{overlay} +Synced +Healthy", shown.stdout, re.MULTILINE)


def test_push_is_followed_until_it_is_healthy(running: Up) -> None:
    pushed = _lockstep(running.site, "push", "print-api", "1.5.0")
    assert pushed.returncode == 0, pushed.stderr
    assert _steps(pushed.stdout.splitlines())[-1].endswith("print-api in dev is Synced and Healthy")
    assert ":1.5.0@sha256:" in _image(_deployment(running.site, "tuling-dev", "print-api"))


@pytest.mark.parametrize(
    ("service", "tag", "why"),
    [
        ("print-api", "2.0.0", 'print-api: tag 2.0.0 is outside semver ">=1.4 <2"'),
        ("design", "SNAPSHOT-master-86", "is at SNAPSHOT-master-86 (3add685590fe) already"),
    ],
)
def test_push_that_changes_nothing_tells_why(running: Up, service: str, tag: str, why: str) -> None:
    pushed = _lockstep(running.site, "push", service, tag)
    assert pushed.returncode == 0
    assert why in pushed.stdout
    assert pushed.stdout.endswith("nothing was changed\n")


def test_push_of_an_unknown_service_names_the_known_ones(running: Up) -> None:
    pushed = _lockstep(running.site, "push", "oder", "SNAPSHOT-master-1")
    assert pushed.returncode != 0
    assert "pipeline.yaml has no service oder; it has gateway, order, design" in pushed.stderr


def test_config_repo_announces_a_git_push(running: Up, tmp_path: Path) -> None:
    with git.Repo.clone_from(str(running.site.config_repo), tmp_path / "work") as work:
        (tmp_path / "work" / "NOTES").write_text("by hand\n")
        work.index.add(["NOTES"])
        work.index.commit("notes", author=git.Actor("me", "me@example.invalid"))
        _, _, printed = work.git.push("origin", "main", with_extended_output=True)
    assert "lockstep: looking at the trunk's new head" in printed


def test_suggested_promotion_commands_work(running: Up) -> None:
    """Promotes to test with a skipped gate and to prod with a second person's approval, rolls back, and resumes."""
    lines = [line.strip() for line in running.lines[running.lines.index("Try next, in another terminal:") :]]
    [identity] = [line for line in lines if line.startswith("export ")]
    to_test, to_prod, approve, rollback, resume = (
        line for line in lines if re.search(r" (promote|approve|rollback|resume) ", line) and not line.startswith("#")
    )
    trunk = git.Repo(running.site.config_repo)

    def subject() -> str:
        return str(trunk.commit("main").summary)

    def gates() -> list[str]:
        return [gate for each in _overlay(running.site, "prod")["requests"] for gate in each["gates"]]

    _type(f"{identity}; {to_test}")
    eventually(lambda: subject() == "test: order SNAPSHOT-master-119 from dev")
    eventually(lambda: ":SNAPSHOT-master-119@" in _image(_deployment(running.site, "tuling-test", "order")))
    before = _image(_deployment(running.site, "tuling-prod", "order"))
    _type(f"{identity}; {to_prod}")
    eventually(lambda: gates() == ["0 of 1 approvals; `lockstep approve` gives one"])
    assert "prod: order SNAPSHOT-master-119" in _type(f"{identity}; {approve}")
    eventually(lambda: subject() == "prod: order SNAPSHOT-master-119 from test")
    assert "Lockstep-Approved-By: colleague@lockstep.invalid" in trunk.commit("main").message
    assert "Lockstep-Waived: soak, scan, windows: a first try" in trunk.commit("main").message
    eventually(lambda: ":SNAPSHOT-master-119@" in _image(_deployment(running.site, "tuling-prod", "order")))
    _type(f"{identity}; {rollback}")
    eventually(lambda: _image(_deployment(running.site, "tuling-prod", "order")) == before)
    _type(f"{identity}; {resume}")
    assert subject() == "prod: resume"


def _type(command: str) -> str:
    """Runs a command in a shell, in the directory of `make run`."""
    finished = subprocess.run(
        ["bash", "-euc", command], capture_output=True, text=True, check=False, timeout=_PATIENCE, cwd=ROOT
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def _overlay(site: LocalSite, name: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{site.url('page')}/api/v1/overlays/{name}") as answer:  # noqa: TID251 - the test is a browser
        found: dict[str, Any] = json.load(answer)
    return found


def test_up_is_refused_while_another_runs(running: Up) -> None:
    second = _lockstep(running.site, "up")
    assert second.returncode != 0
    assert "lockstep local down" in second.stderr


def test_controller_is_started_again_after_a_kill(running: Up) -> None:
    first = _recorded(running.site)["controller"]
    os.kill(first.pid, signal.SIGKILL)
    running.read_until("starting the controller:")
    assert _recorded(running.site)["controller"] != first
    pushed = _lockstep(running.site, "push", "print-api", "1.5.1")
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr


def test_site_is_stopped_without_a_process_and_started_again(tmp_path: Path) -> None:
    with _up(tmp_path / "site") as first:
        first.read_until(LAST_LINE)
        started = _recorded(first.site)
        kept = _deployment(first.site, "tuling-prod", "gateway").metadata.uid
        first.interrupt()
        first.rest()
    assert tuple(started) == STARTED
    assert _of_sessions({identity.pid for identity in started.values()}) == []

    with _up(tmp_path / "site") as second:
        second.read_until(LAST_LINE)
        started = _recorded(second.site)
        assert [line for line in second.lines if re.match("building|making", line)] == []
        assert "SNAPSHOT-master-120" in _steps(second.lines)[0]
        assert _deployment(second.site, "tuling-prod", "gateway").metadata.uid == kept
        down = _lockstep(second.site, "down")
        assert down.returncode == 0
        assert second.process.wait(timeout=5) == 0
    assert _of_sessions({identity.pid for identity in started.values()}) == []
    assert "nothing was running in" in _lockstep(second.site, "down").stdout
    assert _lockstep(second.site, "status").returncode == 1


def test_interrupt_kills_at_the_second_time(tmp_path: Path) -> None:
    with _up(tmp_path / "site") as up:
        up.read_until("starting the controller:")
        started = _recorded(up.site)
        os.kill(started["controller"].pid, signal.SIGSTOP)  # so that it does not answer a polite request
        up.interrupt()
        up.read_until("stopping the controller")
        up.interrupt()
        assert "killed" in up.rest()
    assert _of_sessions({identity.pid for identity in started.values()}) == []


def test_interrupt_during_the_start_leaves_no_process(tmp_path: Path) -> None:
    with _up(tmp_path / "site") as up:
        up.read_until("starting the control plane")
        up.interrupt()
        up.rest()
    assert _recorded(up.site) == {}


def test_given_cluster_is_used_and_not_stopped(tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "theirs", binaries.ensure_all()) as theirs:
        prerequisites.apply(theirs.kubeconfig)
        with _up(tmp_path / "site", KUBECONFIG=str(theirs.kubeconfig)) as up:
            up.read_until(LAST_LINE)
            assert tuple(_recorded(up.site)) == ("controller",)
            up.interrupt()
            up.rest()
        said = "\n".join(up.lines)
        assert f"Lockstep will write to the cluster of {theirs.kubeconfig}" in said
        assert "nothing was missing" in said
        assert _steps(up.lines)[-1].endswith("order in dev is Synced and Healthy")
        assert theirs.crashed() == ()
