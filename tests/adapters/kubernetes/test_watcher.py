"""The watcher reports each change once: at once, and also after a cut connection, a restart or lost history."""

import json
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes import client, config
from structlog.testing import capture_logs

from gitops.adapters.kubernetes.applysets import KubernetesApplySets
from gitops.adapters.kubernetes.watcher import Watcher
from gitops.core.errors import Unavailable
from gitops.core.health import Health
from gitops.core.objects import Key
from gitops.core.ownership.applyset import PART_OF_LABEL, Parent
from gitops.local.cluster import binaries
from gitops.local.cluster.control_plane import ControlPlane
from tests.worlds.clocks import WorldClock, now
from tests.worlds.control_plane import SharedControlPlane
from tests.worlds.kubernetes import (
    MANAGER,
    PART_OF,
    Ear,
    KubernetesWorld,
    Line,
    config_map,
    deployment,
    eventually,
)

CONFIG_MAPS = [("", "v1", "ConfigMap")]
Change = tuple[str, Key]


@pytest.fixture
def namespace(control_plane: SharedControlPlane) -> str:
    return control_plane.namespace("watcher")


@pytest.fixture
def part_of(namespace: str) -> str:
    """Return an ApplySet id that only this test uses. A watch sees the whole cluster."""
    return f"applyset-{namespace}-v1"


@pytest.fixture
def changes(part_of: str) -> Ear[Key]:
    return Ear()


@dataclass(frozen=True, slots=True)
class ApplySetEar:
    """Listener for the changes of one ApplySet."""

    part_of: str
    heard: Ear[Key]

    def object_changed(self, part_of: str, key: Key) -> None:
        if part_of == self.part_of:
            self.heard(key)


@pytest.fixture
def watcher(kubernetes_world: KubernetesWorld, part_of: str, changes: Ear[Key]) -> Iterator[Watcher]:
    ear = ApplySetEar(part_of, changes)
    watcher = Watcher(kubernetes_world.discovery, manager=MANAGER, clock=WorldClock(), listener=ear)
    yield watcher
    watcher.stop()


def test_watch_knows_existing_objects_when_it_returns(
    kubernetes_world: KubernetesWorld, watcher: Watcher, namespace: str, part_of: str
) -> None:
    applied = [kubernetes_world.cluster.apply(config_map(f"c{n}", namespace, {}, part_of), "") for n in range(3)]
    kubernetes_world.cluster.apply(config_map("other", namespace, {}, "applyset-other-v1"), "")
    watcher.watch(CONFIG_MAPS)
    members = watcher.members(part_of)
    assert {key.name: seen.uid for key, seen in members.items()} == {
        body["metadata"]["name"]: body["metadata"]["uid"] for body in applied
    }


def test_watch_reports_an_edit_at_once_with_its_field_manager(
    kubernetes_world: KubernetesWorld, watcher: Watcher, changes: Ear[Key], namespace: str, part_of: str
) -> None:
    wanted = config_map("settings", namespace, {"a": "1"}, part_of)
    kubernetes_world.cluster.apply(wanted, "")
    watcher.watch(CONFIG_MAPS)
    before = watcher.members(part_of)[wanted.key]
    changes.until(wanted.key)
    begun = time.monotonic()
    kubernetes_world.edit("settings", namespace, {"a": "2", "DEBUG": "1"})
    assert changes.next() == wanted.key
    assert time.monotonic() - begun < 1.0
    after = watcher.members(part_of)[wanted.key]
    assert after.fingerprint != before.fingerprint
    assert ("/data/DEBUG", "console") in {(each.field, each.manager) for each in after.foreign}


def test_watch_does_not_report_changes_of_unowned_annotations(
    kubernetes_world: KubernetesWorld, watcher: Watcher, changes: Ear[Key], namespace: str, part_of: str
) -> None:
    quiet, loud = (config_map(name, namespace, {"a": "1"}, part_of) for name in ("quiet", "loud"))
    for wanted in (quiet, loud):
        kubernetes_world.cluster.apply(wanted, "")
    watcher.watch(CONFIG_MAPS)
    assert {changes.next(), changes.next()} == {quiet.key, loud.key}
    version = watcher.members(part_of)[quiet.key].resource_version
    note = {"metadata": {"annotations": {"some-controller.example/seen-at": "now"}}}
    client.CoreV1Api(kubernetes_world.console).patch_namespaced_config_map(
        "quiet", namespace, note, field_manager="controller"
    )
    kubernetes_world.edit("loud", namespace, {"a": "2"})
    assert changes.next() == loud.key
    assert watcher.members(part_of)[quiet.key].resource_version != version


def test_watch_reports_deleted_and_relabelled_objects(
    kubernetes_world: KubernetesWorld, watcher: Watcher, changes: Ear[Key], namespace: str, part_of: str
) -> None:
    gone, freed = (config_map(name, namespace, {}, part_of) for name in ("gone", "freed"))
    uids = [kubernetes_world.cluster.apply(wanted, "")["metadata"]["uid"] for wanted in (gone, freed)]
    watcher.watch(CONFIG_MAPS)
    assert {changes.next(), changes.next()} == {gone.key, freed.key}
    kubernetes_world.cluster.delete(gone.key, "v1", uid=uids[0])
    assert changes.next() == gone.key
    label = {"metadata": {"labels": {PART_OF_LABEL: None}}}
    client.CoreV1Api(kubernetes_world.console).patch_namespaced_config_map("freed", namespace, label)
    assert changes.next() == freed.key
    assert watcher.members(part_of) == {}


def test_watch_reports_an_object_that_moves_to_both_overlays(
    kubernetes_world: KubernetesWorld, watcher: Watcher, changes: Ear[Key], namespace: str, part_of: str
) -> None:
    wanted = config_map("moved", namespace, {}, part_of)
    kubernetes_world.cluster.apply(wanted, "")
    watcher.watch(CONFIG_MAPS)
    assert changes.next() == wanted.key
    kubernetes_world.cluster.apply(config_map("moved", namespace, {}, f"{part_of}-other"), "")
    assert changes.next() == wanted.key
    assert wanted.key in watcher.members(f"{part_of}-other")


def test_watch_reports_changes_of_health(
    kubernetes_world: KubernetesWorld, watcher: Watcher, changes: Ear[Key], namespace: str, part_of: str
) -> None:
    watcher.watch([("apps", "v1", "Deployment")])
    wanted = deployment("order", namespace, replicas=1, part_of=part_of)
    watcher.note(kubernetes_world.cluster.apply(wanted, ""))
    healths = [watcher.members(part_of)[wanted.key].health]
    while healths[-1] is not Health.HEALTHY:
        assert changes.next() == wanted.key
        healths.append(watcher.members(part_of)[wanted.key].health)
    assert healths[0] is Health.PROGRESSING


def test_watch_knows_a_noted_object_before_its_event(
    kubernetes_world: KubernetesWorld, watcher: Watcher, namespace: str, part_of: str
) -> None:
    watcher.watch(CONFIG_MAPS)
    wanted = config_map("mine", namespace, {}, part_of)
    seen = watcher.note(kubernetes_world.cluster.apply(wanted, ""))
    assert watcher.members(part_of)[wanted.key].uid == seen.uid


def test_watch_leaves_out_kinds_that_are_not_served(watcher: Watcher) -> None:
    watcher.watch([("nowhere.example", "v1", "Thing"), *CONFIG_MAPS])
    assert list(watcher.states()) == ["ConfigMap"]


def test_watch_stop_does_not_wait_for_the_server(watcher: Watcher) -> None:
    watcher.watch([*CONFIG_MAPS, ("", "v1", "Secret"), ("", "v1", "Service"), ("apps", "v1", "Deployment")])
    begun = time.monotonic()
    watcher.stop()
    assert time.monotonic() - begun < 1.0


def test_watch_requests_reports_each_request_of_its_repo_once(
    kubernetes_world: KubernetesWorld, watcher: Watcher, namespace: str
) -> None:
    repo = f"https://git.example/{namespace}.git"
    parents = {name: KubernetesApplySets(kubernetes_world.api, repo=name) for name in (repo, f"{repo}-other")}
    for name, overlay in ((repo, namespace), (f"{repo}-other", f"{namespace}-other")):
        parents[name].write(Parent(overlay, name))
    parents[repo].request(namespace, now())  # before the watch: a controller that starts reconciles everything anyway
    asked: Ear[str] = Ear()
    watcher.watch_requests(repo, asked)
    parents[f"{repo}-other"].request(f"{namespace}-other", now())
    parent = parents[repo].read(namespace)
    assert parent is not None
    parents[repo].write(parent)  # a write that is not a request
    parents[repo].request(namespace, now())
    assert asked.next() == namespace
    with pytest.raises(queue.Empty):
        asked.next(0.0)


@contextmanager
def start_plane_behind_line(directory: Path) -> Iterator[tuple[ControlPlane, Line, Path]]:
    """Start an API server for this test, and a kubeconfig that reaches it over a connection that the test can cut."""
    plane = ControlPlane(directory, binaries.ensure_all(), with_controllers=False)
    plane.start()
    content = json.loads(plane.kubeconfig.read_text())
    line = Line(urlsplit(content["clusters"][0]["cluster"]["server"]).port or 0)
    content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{line.port}"
    kubeconfig = directory / "kubeconfig-over-the-line"
    kubeconfig.write_text(json.dumps(content))
    try:
        yield plane, line, kubeconfig
    finally:
        line.close()
        plane.stop()


def test_watch_reports_changes_made_while_it_was_down(tmp_path: Path) -> None:
    with start_plane_behind_line(tmp_path) as (plane, line, kubeconfig), start_watcher(plane, kubeconfig) as found:
        direct, watcher, changes = found
        wanted = {name: config_map(name, "default", {"a": "1"}) for name in ("gone", "edited", "late", "kept")}
        for each in wanted.values():
            direct.cluster.apply(each, "")
        watcher.watch(CONFIG_MAPS)
        assert {changes.next()[1].name for _ in wanted} == set(wanted)

        # The connection is cut. When it is back, the watch continues with the same history.
        line.cut()
        _delete(direct, "gone")
        direct.edit("edited", "default", {"a": "2"})
        line.mend()
        assert changes.until((PART_OF, wanted["edited"].key))[0] == (PART_OF, wanted["gone"].key)

        # The server loses its history meanwhile: 410, so the watcher lists again and compares.
        line.cut()
        _delete(direct, "late")
        plane.stop()
        eventually(lambda: watcher.states()["ConfigMap"].failing_since is not None)
        with pytest.raises(Unavailable):  # no pass may decide on an outdated list
            watcher.watch(CONFIG_MAPS)
        with capture_logs() as logged:
            plane.start()
            line.mend()
            assert changes.next() == (PART_OF, wanted["late"].key)
        assert "watch starts over with a list" in {each["event"] for each in logged}
        assert {key.name for key in watcher.members(PART_OF)} == {"edited", "kept"}
        watcher.watch(CONFIG_MAPS)


def test_watch_of_a_server_that_is_down_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    with start_plane_behind_line(tmp_path) as (plane, line, kubeconfig), start_watcher(plane, kubeconfig) as found:
        _, watcher, _ = found
        line.cut()
        with pytest.raises(Unavailable, match="did not answer"):
            watcher.watch(CONFIG_MAPS)
        line.mend()
        eventually(lambda: watcher.states()["ConfigMap"].synced_since is not None)


@contextmanager
def start_watcher(plane: ControlPlane, kubeconfig: Path) -> Iterator[tuple[KubernetesWorld, Watcher, Ear[Change]]]:
    """Start a watcher that uses `kubeconfig`, next to a world with a direct connection."""
    console = config.new_client_from_config(str(plane.kubeconfig))
    changes: Ear[Change] = Ear()
    seen_through = KubernetesWorld.of(kubeconfig, console)
    seen_through.discovery.resource("", "v1", "ConfigMap")
    watcher = Watcher(seen_through.discovery, manager=MANAGER, clock=WorldClock(), listener=changes)
    try:
        yield KubernetesWorld.of(plane.kubeconfig, console), watcher, changes
    finally:
        watcher.stop()


def _delete(kubernetes_world: KubernetesWorld, name: str) -> None:
    client.CoreV1Api(kubernetes_world.console).delete_namespaced_config_map(name, "default")
