"""The life of a control plane in its directory: start, stop, start again, and the death of its owner."""

import os
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from kubernetes import client, config, watch

from gitops.core.errors import Rejected, Unavailable
from gitops.local.cluster import binaries
from gitops.local.cluster.control_plane import CONTROLLERS, STORAGE, ControlPlane
from gitops.local.supervision import process_record, processes
from tests.worlds.control_plane import SharedControlPlane

OWNER = """
import sys
from pathlib import Path
from gitops.local.cluster import binaries
from gitops.local.cluster.control_plane import STORAGE, ControlPlane
plane = ControlPlane(Path(sys.argv[1]), binaries.ensure_all(STORAGE), with_controllers=False)
plane.start()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def programs() -> Mapping[str, Path]:
    return binaries.ensure_all()


def _components(directory: Path) -> Mapping[str, processes.ProcessIdentity]:
    running = process_record.running(directory)
    assert running is not None
    return running.components


def _config_maps(plane: ControlPlane) -> set[str]:
    with config.new_client_from_config(str(plane.kubeconfig)) as api:
        return {found.metadata.name for found in client.CoreV1Api(api).list_namespaced_config_map("default").items}


def _add_config_map(plane: ControlPlane, name: str) -> None:
    with config.new_client_from_config(str(plane.kubeconfig)) as api:
        client.CoreV1Api(api).create_namespaced_config_map("default", {"metadata": {"name": name}})


def test_control_plane_stop_leaves_no_process(tmp_path: Path, programs: Mapping[str, Path]) -> None:
    plane = ControlPlane(tmp_path, programs)
    plane.start()
    started = _components(tmp_path)
    assert tuple(started) == STORAGE + CONTROLLERS
    plane.stop()
    assert [name for name, identity in started.items() if processes.is_alive(identity)] == []
    assert process_record.running(tmp_path) is None
    plane.stop()


def test_control_plane_keeps_data_port_and_users_at_a_second_start(
    tmp_path: Path, programs: Mapping[str, Path]
) -> None:
    directory = tmp_path / ("deep" * 20) / "cluster"  # longer than the address of a Unix socket may be
    with ControlPlane(directory, programs, with_controllers=False) as first:
        _add_config_map(first, "kept")
        before = first.kubeconfig.read_text()
    with ControlPlane(directory, programs, with_controllers=False) as second:
        assert "kept" in _config_maps(second)
        assert second.kubeconfig.read_text() == before


def _lease_holders(plane: ControlPlane, unlike: frozenset[str] = frozenset()) -> frozenset[str]:
    """Waits until the holder of the nodes' Leases has changed, and returns it."""
    with config.new_client_from_config(str(plane.kubeconfig)) as api:
        listing = client.CoordinationV1Api(api).list_namespaced_lease
        for event in watch.Watch().stream(listing, "kube-node-lease", timeout_seconds=20):
            if (holder := event["raw_object"]["spec"]["holderIdentity"]) not in unlike:
                return frozenset([holder])
    return frozenset()


def test_control_plane_runs_pods_at_once_at_a_second_start(tmp_path: Path, programs: Mapping[str, Path]) -> None:
    with ControlPlane(tmp_path, programs) as first:
        before = _lease_holders(first)
    assert before
    with ControlPlane(tmp_path, programs) as second:
        assert _lease_holders(second, unlike=before), "the nodes still belong to a kwok that is gone"


def test_control_plane_directory_is_readable_by_its_user_only(control_plane: SharedControlPlane) -> None:
    directory = control_plane.kubeconfig.parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE((directory / name).stat().st_mode) for name in ("kubeconfig", "tokens.csv")} == {0o600}


def test_control_plane_ends_with_a_killed_owner_and_starts_again(tmp_path: Path, programs: Mapping[str, Path]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        handles = [os.pidfd_open(identity.pid) for identity in _components(tmp_path).values()]
        owner.send_signal(signal.SIGKILL)
    for handle in handles:
        assert select.select([handle], [], [], 10)[0], "a component outlived its owner"
        os.close(handle)
    with ControlPlane(tmp_path, programs, with_controllers=False) as plane:
        _add_config_map(plane, "after")


def test_control_plane_is_stopped_but_not_started_by_another_process(
    tmp_path: Path, programs: Mapping[str, Path]
) -> None:
    with ControlPlane(tmp_path, programs, with_controllers=False) as plane:
        with pytest.raises(Rejected, match="local down"):
            ControlPlane(tmp_path, programs, with_controllers=False).start()
        running = process_record.running(tmp_path)
        assert running is not None
        assert running.owner.pid == os.getpid()
        assert process_record.stop(tmp_path) == tuple(reversed(STORAGE))
        assert plane.crashed() == STORAGE


def test_component_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path, programs: Mapping[str, Path]) -> None:
    etcd = tmp_path / "etcd"
    etcd.write_text("#!/bin/sh\necho no space left on device >&2\nexit 3\n")
    etcd.chmod(0o755)
    plane = ControlPlane(tmp_path / "cluster", {**programs, "etcd": etcd}, with_controllers=False)
    with pytest.raises(Unavailable, match=r"(?s)etcd ended with exit code 3.*no space left on device"):
        plane.start()
    assert process_record.running(tmp_path / "cluster") is None
