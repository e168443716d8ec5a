"""Passes over real git, real kustomize and a real API server, with faults in between."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kubernetes.applysets import KubernetesApplySets
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.ledger import KubernetesLedger
from gitops.adapters.kubernetes.watcher import Watcher
from gitops.adapters.kustomize.builder import Kustomize
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.head_surveys import HeadSurveys
from gitops.core.errors import Rejected, Unavailable
from gitops.core.manifests.manifest import Manifest
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.objects import Body
from gitops.core.ownership.applyset import PART_OF_LABEL, applyset_of
from gitops.core.revision import Revision
from gitops.core.sync.status import Record, Sync
from gitops.core.sync.sync_target import AdmissionVerdict, DesiredAtHead
from gitops.desired.applied_overlays import AppliedOverlays
from gitops.desired.desired_state import DesiredState
from gitops.desired.overlay_render import ScopeRules
from gitops.local.cluster import binaries
from gitops.reconcile.admission import OverlayAdmission
from gitops.reconcile.executor import Executor
from gitops.reconcile.reconciler import Reconciler, ReconcilerParties
from gitops.reconcile.status_writer import StatusWriter
from gitops.render.builds import Builds
from tests.worlds import kubernetes as kubernetes_world
from tests.worlds.clocks import WorldClock
from tests.worlds.control_plane import SharedControlPlane
from tests.worlds.git import Remote
from tests.worlds.kubernetes import MANAGER
from tests.worlds.ports import HashKey, Leader

PIPELINE = """environments:
  {env}: {{namespace: {namespace}, images: newest}}
variations:
- {{objects: [{{kind: ConfigMap, name: '*'}}]}}
"""


class LosingAnswers(KubernetesCluster):
    """The API server carries out each write. While `lose` is set, its answers are lost."""

    lose = False

    def apply(self, manifest: Manifest, resource_version: str) -> Body:
        body = super().apply(manifest, resource_version)
        if self.lose:
            raise Unavailable("Timeout", "the answer was lost")
        return body


class OvertakenState(DesiredState):
    """Calls `meanwhile` once, after it has answered for an overlay and before the contract judges this answer."""

    meanwhile: Callable[[], object] | None = None

    def resolve(self, name: str) -> DesiredAtHead:
        found = super().resolve(name)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return found


class ToleratedBreach(OverlayAdmission):
    """Admits every overlay. While `finds` is set, each has a violation that does not stop it."""

    finds = False

    def judge(self, wanted: DesiredAtHead, last: Revision | None, applied: Mapping[str, Revision]) -> AdmissionVerdict:
        return replace(super().judge(wanted, last, applied), is_breached=self.finds)


class Quiet:
    def announce(self, overlay: str, record: Record) -> None:
        """Drop the Event."""


class Site:
    """One environment with an overlay for each service, on real git, real kustomize and a real API server."""

    def __init__(self, control_plane: SharedControlPlane, directory: Path) -> None:
        self.namespace = control_plane.namespace("reconciler")
        self.env = self.namespace
        files = {
            "environments/pipeline.yaml": self.pipeline(self.namespace),
            "base/kustomization.yaml": b"resources: []\n",
        }
        self.remote = Remote(directory / "remote.git", files)
        world = kubernetes_world.KubernetesWorld.of(control_plane.kubeconfig, control_plane.api)
        self.core = client.CoreV1Api(control_plane.api)
        self.api = world.api
        self.cluster = LosingAnswers(world.discovery, manager=MANAGER)
        self.repo = GitConfigRepo(self.remote.url, "main", directory / "clone")
        self.watcher = Watcher(world.discovery, manager=MANAGER, clock=WorldClock())
        self.pool = ThreadPoolExecutor(4)
        renderer = Kustomize(binaries.ensure("kustomize"), directory / "renders")
        builds = Builds(self.repo, renderer)
        self.desired = OvertakenState(self.repo, builds, self.cluster, ScopeRules(ScopeCeilings(), HashKey()))
        surveys = HeadSurveys(builds, RenderCache(directory / "surveys"))
        self.admission = ToleratedBreach(self.desired, AppliedOverlays(self.repo, builds), surveys)
        self.parents = KubernetesApplySets(self.api, repo=self.remote.url)
        self.start()

    def start(self) -> None:
        """Start a new leader: it knows only the cluster and the config repo."""
        ledger = KubernetesLedger(self.api, repo=self.remote.url, leadership=Leader(), clock=WorldClock())
        self.reporter = StatusWriter(ledger, Quiet(), WorldClock())
        world = ReconcilerParties(
            desired=self.desired,
            admission=self.admission,
            live=self.watcher,
            parents=self.parents,
            reporter=self.reporter,
            executor=Executor(self.cluster, self.watcher, self.pool, manager=MANAGER, leadership=Leader()),
            clock=WorldClock(),
            leadership=Leader(),
            repo_name=self.remote.url,
        )
        self.reconciler = Reconciler(world)
        self.reconciler.recall()

    def pipeline(self, namespace: str) -> bytes:
        return PIPELINE.format(env=self.env, namespace=namespace).encode()

    def push(self, **overlays: dict[str, Any] | str) -> None:
        """Push overlays of ConfigMaps: name -> value, or the text of the manifests."""
        files: dict[str, bytes] = {}
        for overlay, maps in overlays.items():
            path = f"environments/{self.env}/{overlay}"
            files[f"{path}/kustomization.yaml"] = f"namespace: {self.namespace}\nresources: [maps.yaml]\n".encode()
            files[f"{path}/maps.yaml"] = maps.encode() if isinstance(maps, str) else config_maps(maps).encode()
        self.remote.write(files, "an edit")
        self.refresh()

    def refresh(self) -> None:
        self.repo.fetch()
        self.desired.refresh()

    def look_at(self, overlay: str) -> None:
        self.reconciler.reconcile(f"{self.env}/{overlay}")

    def ready(self, overlay: str) -> tuple[Sync, str, str]:
        status = self.reporter.status(f"{self.env}/{overlay}")
        assert status is not None
        condition = status.condition("Ready")
        assert condition is not None
        return status.sync, condition.reason, condition.message

    def live(self, name: str) -> Any:
        return self.core.read_namespaced_config_map(name, self.namespace)

    def close(self) -> None:
        self.watcher.stop()
        self.pool.shutdown()
        self.repo.close()
        self.api.close()


def config_maps(values: dict[str, Any]) -> str:
    return "".join(
        f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: '{value}'}}\n"
        for name, value in values.items()
    )


@pytest.fixture
def site(control_plane: SharedControlPlane, tmp_path: Path) -> Iterator[Site]:
    made = Site(control_plane, tmp_path)
    yield made
    made.close()


def test_pass_after_a_lost_answer_and_a_revert_restores_the_content(site: Site) -> None:
    site.push(a={"settings": "one"})
    site.look_at("a")
    site.push(a={"settings": "two"})
    site.cluster.lose = True
    with pytest.raises(Unavailable):
        site.look_at("a")
    site.cluster.lose = False
    assert site.live("settings").data == {"value": "two"}
    site.push(a={"settings": "one"})
    site.start()
    site.look_at("a")
    assert site.live("settings").data == {"value": "one"}
    assert site.ready("a")[0] is Sync.SYNCED


def test_object_that_moves_between_overlays_is_never_deleted(site: Site) -> None:
    site.push(a={"moves": "1", "stays": "1"}, b={"other": "1"})
    site.look_at("a")
    site.look_at("b")
    uid = site.live("moves").metadata.uid
    site.push(a={"stays": "1"}, b={"other": "1", "moves": "1"})
    site.look_at("b")
    site.look_at("a")
    assert site.live("moves").metadata.uid == uid
    assert site.live("moves").metadata.labels[PART_OF_LABEL] == applyset_of(f"{site.env}/b")
    assert (site.ready("a")[0], site.ready("b")[0]) == (Sync.SYNCED, Sync.SYNCED)


def test_a34_object_in_two_overlays_keeps_its_first_owner_over_a_restart(site: Site) -> None:
    site.push(a={"shared": "a"})
    site.look_at("a")
    site.push(b={"shared": "b"})
    for _ in range(2):
        with pytest.raises(Unavailable):
            site.look_at("b")
        assert site.live("shared").data == {"value": "a"}
        assert f"is also in overlay {site.env}/a" in site.ready("b")[2]
        site.start()


def test_pass_that_cannot_plan_says_so_and_leaves_what_runs(site: Site) -> None:
    site.push(a={"settings": "one"})
    site.look_at("a")
    broken = config_maps({"settings": "two"}).replace(
        "{name: settings}", "{name: settings, annotations: {lockstep.gitops/sync-wave: first}}"
    )
    site.push(a=broken)
    site.look_at("a")
    assert site.ready("a")[:2] == (Sync.OUT_OF_SYNC, "InvalidAnnotation")
    assert site.live("settings").data == {"value": "one"}


def test_pass_applies_a_narrower_pipeline_at_once(site: Site) -> None:
    site.push(a={"settings": "one"})
    site.look_at("a")
    elsewhere = f"{site.namespace}-new"
    site.remote.write({"environments/pipeline.yaml": site.pipeline(elsewhere)}, "moved")
    site.refresh()
    site.look_at("a")
    assert site.ready("a")[:2] == (Sync.OUT_OF_SYNC, "OutOfScope")
    assert site.live("settings").data == {"value": "one"}


def test_overlay_that_left_git_stays_and_is_called_orphaned(site: Site) -> None:
    site.push(a={"settings": "one"}, b={"other": "1"})
    site.look_at("a")
    tree = {"environments/pipeline.yaml": site.pipeline(site.namespace)}
    site.remote.write(tree, "a is gone", start=None)
    site.refresh()
    site.look_at("a")
    assert site.ready("a")[1] == "Orphaned"
    assert site.live("settings").data == {"value": "one"}


def test_preview_is_of_one_head_also_when_a_new_one_is_taken_in_meanwhile(site: Site) -> None:
    site.push(a={"settings": "one"})
    site.desired.meanwhile = lambda: site.push(a={"settings": "one", "more": "two"})
    revision, steps = site.reconciler.preview(f"{site.env}/a")
    assert revision is not None
    assert revision.overlay == site.desired.head()
    assert {step.key.name for step in steps} == {"settings", "more"}


def test_preview_remembers_no_violation_and_a_pass_does(site: Site) -> None:
    name = f"{site.env}/a"
    site.push(a={"settings": "one"})
    site.admission.finds = True
    site.reconciler.preview(name)
    assert site.reconciler.breached_overlays() == frozenset()
    site.look_at("a")
    assert site.reconciler.breached_overlays() == {name}
    site.admission.finds = False
    site.reconciler.preview(name)
    assert site.reconciler.breached_overlays() == {name}


def test_preview_of_an_overlay_that_git_has_not_is_refused(site: Site) -> None:
    site.push(a={"settings": "one"})
    with pytest.raises(Rejected, match=f"the config repo has no overlay {site.env}/b"):
        site.reconciler.preview(f"{site.env}/b")
