"""The ledger outlives its writers and fits into a ConfigMap. The leader reads it from memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes import client

from gitops.adapters.kubernetes.ledger import KubernetesLedger, ledger_name
from gitops.adapters.kubernetes.state_namespace import NAMESPACE
from gitops.core.errors import Rejected
from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.objects import Key
from gitops.core.promotion.proof import Proof, Proofs
from gitops.core.revision import Revision
from gitops.core.sync.status import ObjectStatus, Record, Sync, SyncStatus
from tests.worlds.clocks import WorldClock
from tests.worlds.control_plane import SharedControlPlane
from tests.worlds.kubernetes import KubernetesWorld
from tests.worlds.ports import Leader

REPO = "https://git.example/shop.git"
BEGUN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def overlay(control_plane: SharedControlPlane) -> str:
    return control_plane.namespace("ledger") + "/order"


def ledger(kubernetes_world: KubernetesWorld, *, is_writer: bool, repo: str = REPO) -> KubernetesLedger:
    return KubernetesLedger(kubernetes_world.api, repo=repo, leadership=Leader(leads=is_writer), clock=WorldClock())


def status(overlay: str, health: Health = Health.HEALTHY, objects: int = 1) -> SyncStatus:
    listed = tuple(
        ObjectStatus(Key("apps", "Deployment", "shop-dev", f"service-{n}"), Sync.SYNCED, health, "1 of 1 ready")
        for n in range(objects)
    )
    return SyncStatus(overlay, overlay.partition("/")[0], Sync.SYNCED, health, BEGUN, objects=listed)


def record(number: int, message: str = "") -> Record:
    at = BEGUN + timedelta(seconds=number)
    images = {"order": Image("harbor.example/shop/order", f"1.4.{number}", "sha256:" + "a" * 64)}
    revision = Revision(f"{number:040x}", f"{number:040x}")
    return Record(at, revision, Sync.SYNCED, Health.HEALTHY, "Synced", message, {"configured": 1}, images)


def test_ledger_of_a_follower_reads_the_leader_s_writes(kubernetes_world: KubernetesWorld, overlay: str) -> None:
    leader, follower = ledger(kubernetes_world, is_writer=True), ledger(kubernetes_world, is_writer=False)
    assert follower.read(overlay) is None
    leader.write(status(overlay), record(1))
    leader.write(status(overlay, Health.DEGRADED), record(2))
    leader.write(status(overlay, Health.PROGRESSING), None)
    expected = (status(overlay, Health.PROGRESSING), (record(2), record(1)))
    assert follower.read(overlay) == expected
    assert leader.read(overlay) == expected
    assert follower.read_all()[overlay] == leader.read_all()[overlay] == expected


def test_ledger_of_a_new_leader_continues_the_history(kubernetes_world: KubernetesWorld, overlay: str) -> None:
    old, new = ledger(kubernetes_world, is_writer=True), ledger(kubernetes_world, is_writer=True)
    old.write(status(overlay), record(1))
    new.read_all()
    old.write(status(overlay), record(2))
    new.write(status(overlay), record(3))
    found = new.read(overlay)
    assert found is not None
    assert [each.at for each in found[1]] == [record(n).at for n in (3, 2, 1)]


def test_ledger_of_a_leader_that_returns_reads_the_other_leader_s_writes(
    kubernetes_world: KubernetesWorld, overlay: str
) -> None:
    first, second = ledger(kubernetes_world, is_writer=True), ledger(kubernetes_world, is_writer=True)
    first.write(status(overlay), record(1))
    first.write_proofs(overlay, Proofs(BEGUN))
    first.read_all()
    second.read_all()
    second.write(status(overlay, Health.DEGRADED), record(2))
    second.write_proofs(overlay, Proofs(BEGUN + timedelta(minutes=1)))
    first.forget()
    assert first.read_proofs(overlay) == Proofs(BEGUN + timedelta(minutes=1))
    assert first.read_all()[overlay] == (status(overlay, Health.DEGRADED), (record(2), record(1)))


def test_ledger_of_the_leader_reads_from_memory(kubernetes_world: KubernetesWorld, overlay: str) -> None:
    """The leader does not notice that its ConfigMap is deleted, so it did not read it."""
    leader = ledger(kubernetes_world, is_writer=True)
    leader.read_all()
    leader.write(status(overlay), record(1))
    client.CoreV1Api(kubernetes_world.console).delete_namespaced_config_map(ledger_name(overlay), NAMESPACE)
    assert leader.read(overlay) == leader.read_all()[overlay] == (status(overlay), (record(1),))
    leader.write(status(overlay), record(2))
    assert ledger(kubernetes_world, is_writer=False).read(overlay) is not None


def test_ledger_history_keeps_the_newest_hundred(kubernetes_world: KubernetesWorld, overlay: str) -> None:
    leader = ledger(kubernetes_world, is_writer=True)
    for number in range(103):
        leader.write(status(overlay), record(number))
    found = ledger(kubernetes_world, is_writer=False).read(overlay)
    assert found is not None
    assert [each.at for each in found[1]] == [record(n).at for n in range(102, 2, -1)]


def test_ledger_of_much_text_stays_below_the_limit_of_a_config_map(
    kubernetes_world: KubernetesWorld, overlay: str
) -> None:
    leader = ledger(kubernetes_world, is_writer=True)
    for number in range(30):
        leader.write(status(overlay, objects=1000), record(number, "long " * 5000))
    stored = client.CoreV1Api(kubernetes_world.console).read_namespaced_config_map(ledger_name(overlay), NAMESPACE)
    assert sum(map(len, stored.data.values())) < 64 * 1024
    found = ledger(kubernetes_world, is_writer=False).read(overlay)
    assert found is not None
    assert found[0] == status(overlay, objects=1000)
    assert found[1][0] == record(29, "long " * 5000)
    assert len(found[1]) < 30


def test_ledger_that_is_damaged_is_replaced_and_hides_no_other(kubernetes_world: KubernetesWorld, overlay: str) -> None:
    leader, other = ledger(kubernetes_world, is_writer=True), overlay.partition("/")[0]
    leader.write(status(overlay), record(1))
    leader.write(status(other), record(1))
    client.CoreV1Api(kubernetes_world.console).patch_namespaced_config_map(
        ledger_name(overlay), NAMESPACE, {"data": {"status": "{}"}}
    )
    follower = ledger(kubernetes_world, is_writer=False)
    assert follower.read(overlay) is None
    assert other in follower.read_all()
    assert overlay not in follower.read_all()
    leader.write(status(overlay), record(2))
    assert ledger(kubernetes_world, is_writer=False).read(overlay) is not None


def test_ledger_of_another_repo_is_refused_and_unchanged(kubernetes_world: KubernetesWorld, overlay: str) -> None:
    theirs = ledger(kubernetes_world, is_writer=True, repo="https://git.example/other.git")
    theirs.write(status(overlay), record(1))
    ours = ledger(kubernetes_world, is_writer=True)
    with pytest.raises(Rejected) as caught:
        ours.write(replace(status(overlay), health=Health.DEGRADED), None)
    assert caught.value.reason == "ForeignLedger"
    assert overlay not in ours.read_all()
    assert theirs.read(overlay) == (status(overlay), (record(1),))


def test_ledger_keeps_proofs_when_the_status_changes(kubernetes_world: KubernetesWorld, overlay: str) -> None:
    leader, follower = ledger(kubernetes_world, is_writer=True), ledger(kubernetes_world, is_writer=False)
    proofs = Proofs(BEGUN, (Proof("order", record(1).images["order"], "files", "own", Revision("a", "b"), 3.5),))
    leader.write_proofs(overlay, proofs)
    assert leader.read_proofs(overlay) is None
    leader.write(status(overlay), record(1))
    leader.write_proofs(overlay, proofs)
    leader.write(status(overlay, Health.DEGRADED), record(2))
    assert leader.read_proofs(overlay) == follower.read_proofs(overlay) == proofs
    found = follower.read(overlay)
    assert found is not None
    assert found[0].health is Health.DEGRADED
    assert len(found[1]) == 2
