"""Plans executed on a real API server: objects created, adopted, handed over, stripped, refused and pruned."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
from kubernetes import client

from gitops.adapters.kubernetes.watcher import Watcher
from gitops.core.health import Health
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key, key
from gitops.core.ownership.applyset import PART_OF_LABEL, Member, applyset_of
from gitops.core.ownership.live_object import Observed
from gitops.core.sync import plan
from gitops.core.sync.plan import Create, Outcome, Policy, Skipped, Strip
from gitops.core.sync.status import Action
from gitops.reconcile.executor import ApplyScope, Executor
from tests.worlds.clocks import WorldClock
from tests.worlds.control_plane import SharedControlPlane
from tests.worlds.kubernetes import MANAGER, KubernetesWorld, eventually
from tests.worlds.ports import Claims, Leader

APPLYSET = applyset_of("dev")


@dataclass
class Bench:
    """An executor and its cluster."""

    world: KubernetesWorld
    watcher: Watcher
    executor: Executor
    namespace: str

    def deployment(self, **spec: Any) -> Manifest:
        container = {"name": "app", "image": "registry.example/app:1"}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "app", "namespace": self.namespace},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "app"}},
                "template": {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}},
                **spec,
            },
        }
        return self.labelled(body)

    def labelled(self, body: Mapping[str, Any]) -> Manifest:
        return manifests.with_part_of(Manifest(key(body), body, ""), APPLYSET)

    def scope(self, *wanted: Manifest, scaled: frozenset[Key] = frozenset()) -> ApplyScope:
        return ApplyScope(APPLYSET, {each.key: each for each in wanted}, scaled, Claims("is also in overlay test"))

    def planned(self, wanted: list[Manifest], members: Mapping[Key, Member], policy: Policy) -> plan.Plan:
        self.watcher.watch({(each.key.group, each.version, each.key.kind) for each in wanted})
        return plan.plan(wanted, members, self.watcher.members(APPLYSET), policy)

    def run(
        self, wanted: list[Manifest], members: Mapping[Key, Member], policy: Policy, scope: ApplyScope
    ) -> tuple[plan.Plan, dict[Key, Outcome], dict[Key, Member]]:
        steps = self.executor.examine(self.planned(wanted, members, policy), scope)
        outcomes = self.executor.execute(steps, scope, self.watcher.members(APPLYSET))
        return steps, outcomes, plan.members_after(plan.members_before(members, steps), outcomes)

    def live(self) -> Any:
        return client.AppsV1Api(self.world.console).read_namespaced_deployment("app", self.namespace)

    def observed(self, wanted: Manifest) -> Observed:
        return self.watcher.members(APPLYSET)[wanted.key]

    def until_calm(self, wanted: Manifest) -> None:
        """Wait until the workload is rolled out, so that no controller writes a status between a read and a write."""
        self.watcher.watch({(wanted.key.group, wanted.version, wanted.key.kind)})
        eventually(lambda: wanted.key in self.watcher.members(APPLYSET))
        eventually(lambda: self.observed(wanted).health is Health.HEALTHY)


@pytest.fixture
def bench(control_plane: SharedControlPlane, kubernetes_world: KubernetesWorld) -> Iterator[Bench]:
    world = kubernetes_world
    watcher = Watcher(world.discovery, manager=MANAGER, clock=WorldClock())
    with ThreadPoolExecutor(4) as pool:
        executor = Executor(world.cluster, watcher, pool, manager=MANAGER, leadership=Leader())
        yield Bench(world, watcher, executor, control_plane.namespace("executor"))
    watcher.stop()


def test_applied_object_is_unchanged_in_the_next_plan(bench: Bench) -> None:
    wanted = [bench.deployment()]
    steps, outcomes, members = bench.run(wanted, {}, Policy(), bench.scope(*wanted))
    assert steps == (Create(wanted[0]),)
    assert outcomes[wanted[0].key].action is Action.CREATED
    assert bench.planned(wanted, members, Policy()) == (plan.Unchanged(wanted[0].key),)


def test_applied_object_of_a_killed_pass_is_recognised_without_a_write(bench: Bench) -> None:
    wanted = [bench.deployment()]
    bench.run(wanted, {}, Policy(), bench.scope(*wanted))
    ahead = {wanted[0].key: Member(wanted[0].key, "v1")}
    eventually(lambda: wanted[0].key in bench.watcher.members(APPLYSET))
    _, outcomes, members = bench.run(wanted, ahead, Policy(), bench.scope(*wanted))
    assert outcomes[wanted[0].key].action is Action.UNCHANGED
    assert members[wanted[0].key].manifest == wanted[0].hash
    assert bench.live().metadata.generation == 1


def test_foreign_fields_are_stripped_and_ours_stay(bench: Bench) -> None:
    wanted = [bench.deployment()]
    _, _, members = bench.run(wanted, {}, Policy(), bench.scope(*wanted))
    added = {
        "spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "DEBUG", "value": "1"}]}]}}}
    }
    client.AppsV1Api(bench.world.console).patch_namespaced_deployment(
        "app", bench.namespace, added, field_manager="console"
    )
    eventually(lambda: bool(bench.observed(wanted[0]).foreign))
    bench.until_calm(wanted[0])
    steps, outcomes, _ = bench.run(wanted, members, Policy(strip=True), bench.scope(*wanted))
    assert isinstance(steps[0], Strip)
    outcome = outcomes[wanted[0].key]
    assert {(drift.kind, drift.manager) for drift in outcome.drift} == {("healed", "console")}
    assert bench.live().spec.template.spec.containers[0].env is None
    assert bench.live().spec.template.spec.containers[0].image == "registry.example/app:1"


def test_foreign_fields_are_left_alone_without_the_policy(bench: Bench) -> None:
    wanted = [bench.deployment()]
    _, _, members = bench.run(wanted, {}, Policy(), bench.scope(*wanted))
    client.AppsV1Api(bench.world.console).patch_namespaced_deployment(
        "app", bench.namespace, {"spec": {"template": {"spec": {"hostNetwork": False}}}}, field_manager="console"
    )
    steps = bench.planned(wanted, members, Policy(strip=False))
    assert not any(isinstance(step, Strip) for step in steps)


def test_replicas_are_handed_to_an_autoscaler_without_a_drop_to_one_pod(bench: Bench) -> None:
    first = [bench.deployment()]
    _, _, members = bench.run(first, {}, Policy(), bench.scope(*first))
    spec = {name: value for name, value in first[0].body["spec"].items() if name != "replicas"}
    second = [bench.labelled({**first[0].body, "spec": {**spec, "minReadySeconds": 1}})]
    scope = bench.scope(*second, scaled=frozenset({second[0].key}))
    _, _, members = bench.run(second, members, Policy(), scope)
    assert bench.live().spec.replicas == 3
    client.AppsV1Api(bench.world.console).patch_namespaced_deployment_scale(
        "app", bench.namespace, {"spec": {"replicas": 5}}, field_manager="kube-controller-manager"
    )
    eventually(lambda: bench.observed(second[0]).replicas is None)
    bench.run(second, members, Policy(), scope)
    assert bench.live().spec.replicas == 5


def test_object_of_another_tool_is_refused_until_it_may_be_adopted(bench: Bench) -> None:
    wanted = bench.deployment()
    theirs: dict[str, Any] = {**wanted.body, "spec": {**wanted.body["spec"], "replicas": 1}}
    theirs["metadata"] = {
        "name": "app",
        "namespace": bench.namespace,
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:x/app"},
    }
    client.AppsV1Api(bench.world.console).create_namespaced_deployment(bench.namespace, theirs)
    steps, outcomes, _ = bench.run([wanted], {}, Policy(), bench.scope(wanted))
    assert outcomes == {}
    assert isinstance(steps[0], Skipped)
    assert "Argo CD" in steps[0].reason
    assert bench.live().spec.replicas == 1
    adopting = replace(bench.scope(wanted), adopt=frozenset({"argocd"}))
    _, outcomes, _ = bench.run([wanted], {}, Policy(), adopting)
    assert outcomes[wanted.key].action is Action.CONFIGURED
    assert bench.live().spec.replicas == 3


def test_a34_object_of_another_overlay_is_refused(bench: Bench) -> None:
    mine = bench.deployment()
    theirs = manifests.with_part_of(Manifest(mine.key, {**mine.body}, ""), applyset_of("test"))
    bench.world.cluster.apply(theirs, "")
    steps, _, _ = bench.run([mine], {}, Policy(), bench.scope(mine))
    assert isinstance(steps[0], Skipped)
    assert steps[0].reason == "is also in overlay test"


@pytest.mark.parametrize("absent_too", [True, False])
def test_object_that_appears_before_its_creation_is_examined_and_not_overwritten(
    bench: Bench, *, absent_too: bool
) -> None:
    mine = bench.deployment()
    scope = bench.scope(mine)
    steps = bench.executor.examine(bench.planned([mine], {}, Policy()), scope, absent_too=absent_too)
    assert steps == (Create(mine),)
    theirs = manifests.with_part_of(Manifest(mine.key, {**mine.body}, ""), applyset_of("test"))
    bench.world.cluster.apply(theirs, "")
    outcome = bench.executor.execute(steps, scope, {})[mine.key]
    assert (outcome.action, outcome.message) == (Action.FAILED, "is also in overlay test")
    assert bench.live().metadata.labels[PART_OF_LABEL] == applyset_of("test")


def test_object_without_an_owner_is_adopted_in_the_pass_that_finds_it(bench: Bench) -> None:
    mine = bench.deployment()
    body = {**mine.body, "metadata": {"name": "app", "namespace": bench.namespace}}
    client.AppsV1Api(bench.world.console).create_namespaced_deployment(bench.namespace, body)
    scope = bench.scope(mine)
    steps = bench.executor.examine(bench.planned([mine], {}, Policy()), scope, absent_too=False)
    outcome = bench.executor.execute(steps, scope, {})[mine.key]
    assert outcome.action is Action.CONFIGURED
    assert outcome.member is not None
    assert outcome.member.uid == bench.live().metadata.uid


def test_object_that_the_server_refuses_fails_alone_with_its_message(bench: Bench) -> None:
    good = bench.deployment()
    bad = bench.labelled(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "bad", "namespace": bench.namespace},
            "spec": {"ports": [{"port": 700000}]},
        }
    )
    _, outcomes, members = bench.run([good, bad], {}, Policy(), bench.scope(good, bad))
    assert outcomes[good.key].action is Action.CREATED
    assert outcomes[bad.key].action is Action.FAILED
    assert "700000" in outcomes[bad.key].message
    assert bad.key in members


def test_workload_waits_for_a_configmap_that_could_not_be_applied(bench: Bench) -> None:
    config = bench.labelled(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": bench.namespace},
            "data": {"not a key!": "x"},
        }
    )
    spec = bench.deployment().body["spec"]["template"]["spec"]
    volume = {"name": "settings", "configMap": {"name": "settings"}}
    template = {"metadata": {"labels": {"app": "app"}}, "spec": {**spec, "volumes": [volume]}}
    wanted = [bench.deployment(template=template), config]
    _, outcomes, _ = bench.run(wanted, {}, Policy(), bench.scope(*wanted))
    assert outcomes[config.key].action is Action.FAILED
    assert outcomes[wanted[0].key].message == f"waits: {config.key} could not be applied"


def test_prune_deletes_a_member_that_left_git_unless_its_annotation_disables_that(bench: Bench) -> None:
    def config(name: str, **annotations: str) -> Manifest:
        metadata = {"name": name, "namespace": bench.namespace, "annotations": annotations}
        return bench.labelled({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}})

    goes, stays = config("goes"), config("stays", **{"kustomize.toolkit.fluxcd.io/prune": "disabled"})
    _, _, members = bench.run([goes, stays], {}, Policy(), bench.scope(goes, stays))
    _, outcomes, left = bench.run([], members, Policy(), bench.scope())
    assert {outcomes[each.key].action for each in (goes, stays)} == {Action.PRUNED}
    assert left == {}
    names = {
        each.metadata.name
        for each in client.CoreV1Api(bench.world.console).list_namespaced_config_map(bench.namespace).items
    }
    assert "goes" not in names
    assert "stays" in names
