"""Leader election: one leader at a time. A leader that stops releases the Lease, a lost leader's Lease expires."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes import client

from gitops.adapters.kubernetes import state_namespace
from gitops.adapters.kubernetes.api import KubernetesApi
from gitops.adapters.kubernetes.kubeconfig import ClusterAccess
from gitops.adapters.kubernetes.lease import LeaderElection, LeaseCandidate, LeaseTerms
from gitops.adapters.kubernetes.state_namespace import NAMESPACE
from tests.worlds.clocks import WorldClock, now
from tests.worlds.control_plane import SharedControlPlane
from tests.worlds.kubernetes import Ear, Line, eventually

TERMS = LeaseTerms(duration=1.5, deadline=1.0, retry=0.2)


@pytest.fixture
def name(control_plane: SharedControlPlane) -> str:
    return control_plane.namespace("lease")


@pytest.fixture
def api(control_plane: SharedControlPlane) -> Iterator[KubernetesApi]:
    api = KubernetesApi(ClusterAccess(control_plane.kubeconfig))
    yield api
    api.close()


@pytest.fixture
def enter(api: KubernetesApi, name: str) -> Iterator[Callable[..., LeaderElection]]:
    """Return a function that starts candidates. Stops those that still run after the test."""
    leaders: list[LeaderElection] = []

    def enter(identity: str, ear: Ear[str], over: KubernetesApi = api) -> LeaderElection:
        leaders.append(LeaderElection(over, name, LeaseCandidate(identity, TERMS), clock=WorldClock()))
        leaders[-1].start(LeadershipRecorder(identity, ear))
        return leaders[-1]

    yield enter
    for leader in leaders:
        leader.stop()


@dataclass(frozen=True)
class LeadershipRecorder:
    """Record starts and stops of leadership. Implements ports.LeadershipListener."""

    identity: str
    ear: Ear[str]

    def started_leading(self) -> None:
        self.ear(f"{self.identity} on")

    def stopped_leading(self) -> None:
        self.ear(f"{self.identity} off")


def read_lease(control_plane: SharedControlPlane, name: str) -> client.V1LeaseSpec:
    return client.CoordinationV1Api(control_plane.api).read_namespaced_lease(name, NAMESPACE).spec


def test_lease_is_taken_by_the_first_and_released_at_stop(
    control_plane: SharedControlPlane, enter: Callable[..., LeaderElection], name: str
) -> None:
    ear: Ear[str] = Ear()
    first = enter("first", ear)
    assert ear.next() == "first on"
    second = enter("second", ear)
    assert (first.is_leader(), second.is_leader()) == (True, False)
    assert read_lease(control_plane, name).holder_identity == "first"
    begun = time.monotonic()
    first.stop()
    assert [ear.next(), ear.next()] == ["first off", "second on"]
    assert time.monotonic() - begun < TERMS.duration
    assert (first.is_leader(), second.is_leader()) == (False, True)
    assert read_lease(control_plane, name).lease_transitions == 2
    second.stop()
    assert read_lease(control_plane, name).holder_identity == ""


def test_lease_is_renewed_as_long_as_the_leader_runs(
    control_plane: SharedControlPlane, enter: Callable[..., LeaderElection], name: str
) -> None:
    ear: Ear[str] = Ear()
    leader = enter("first", ear)
    assert ear.next() == "first on"
    enter("second", ear)
    acquired = read_lease(control_plane, name)
    long_after = acquired.acquire_time + timedelta(seconds=2 * TERMS.duration)
    eventually(lambda: read_lease(control_plane, name).renew_time > long_after)
    renewed = read_lease(control_plane, name)
    assert (renewed.holder_identity, renewed.acquire_time) == ("first", acquired.acquire_time)
    assert renewed.lease_transitions == 1
    assert leader.is_leader()


def test_lease_that_cannot_be_renewed_is_given_up_before_it_expires(
    control_plane: SharedControlPlane, enter: Callable[..., LeaderElection], tmp_path: Path
) -> None:
    with connect_over_line(control_plane, tmp_path) as (line, over):
        ear: Ear[str] = Ear()
        cut_off = enter("cut off", ear, over)
        assert ear.next() == "cut off on"
        enter("second", ear)
        line.cut()
        assert [ear.next(), ear.next()] == ["cut off off", "second on"]
        assert not cut_off.is_leader()
        line.mend()
        cut_off.stop()


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_lease_does_not_depend_on_the_clocks_of_others(
    api: KubernetesApi, enter: Callable[..., LeaderElection], name: str, skew: float
) -> None:
    """A renewal counts from the time it is seen, not from the time that it carries. client-go has the same rule."""
    claimed = (now() + timedelta(seconds=skew)).isoformat(timespec="microseconds")
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 1, "renewTime": claimed, "acquireTime": claimed}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
    state_namespace.store(api, f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases", lease)
    ear: Ear[str] = Ear()
    begun = time.monotonic()
    enter("second", ear)
    assert ear.next() == "second on"
    assert time.monotonic() - begun >= TERMS.duration


@contextmanager
def connect_over_line(control_plane: SharedControlPlane, directory: Path) -> Iterator[tuple[Line, KubernetesApi]]:
    content = json.loads(control_plane.kubeconfig.read_text())
    cluster = content["clusters"][0]["cluster"]
    line = Line(urlsplit(cluster["server"]).port or 0)
    cluster["server"] = f"https://127.0.0.1:{line.port}"
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(content))
    api = KubernetesApi(ClusterAccess(kubeconfig))
    try:
        yield line, api
    finally:
        line.close()
        api.close()
