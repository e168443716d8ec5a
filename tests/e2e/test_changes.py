"""A change from a pushed image or commit to the trunk, the cluster and Healthy. Objects removed from git are pruned,
but never by mistake.
"""

import json

import pytest

from gitops.core.health import Health
from gitops.core.sync.status import Sync
from tests.e2e import config_repo
from tests.e2e.console import Body
from tests.e2e.harness import HARBOR_SECRET, World, message, reason
from tests.worlds.git import git

JSON = {"Content-Type": "application/json"}


def _head(world: World) -> str:
    return git(world.remote, "rev-parse", "main")


@pytest.mark.parametrize(("cloud", "tag"), [(False, "1.1.0"), (True, "1.2.0")])
def test_image_push_is_committed_applied_and_healthy(running: World, *, cloud: bool, tag: str) -> None:
    """In both of Harbor's formats. The answer names the commit, which is already pushed."""
    before = _head(running)
    sent = running.push_image("shop", tag, cloud=cloud)
    assert sent.answer
    assert sent.answer.status == 200
    head = _head(running)
    assert head[:12] in sent.answer.text
    assert git(running.remote, "rev-parse", "main^") == before
    assert sent.digest in git(running.remote, "log", "-1", "--format=%(trailers:key=Lockstep-Digest)", "main")
    deployment = running.until_image(running.names.dev, "shop", tag)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":{tag}@{sent.digest}")
    found = running.until_status(
        running.names.dev, lambda now: now.images["shop"].tag == tag and reason(now) == "Synced"
    )
    assert (found.sync, found.health) == (Sync.SYNCED, Health.HEALTHY)


def test_image_push_changes_the_overlay_of_its_service(running: World) -> None:
    running.push_image("desk", "1.1.0")
    running.until_image(running.names.split, "desk", "1.1.0")
    running.until_ready()


def test_image_push_sent_twice_makes_one_commit(running: World) -> None:
    first = running.push_image("shop", "1.3.0")
    head = _head(running)
    for cloud in (False, True):
        again = running.push_image("shop", "1.3.0", cloud=cloud)
        assert again.answer
        assert again.answer.status == 200
        assert "already" in again.answer.text
    assert first.is_acked
    assert _head(running) == head


def test_webhooks_that_are_refused(running: World) -> None:
    before = _head(running)
    body = json.dumps({"type": "PUSH_ARTIFACT"}).encode()
    assert running.post("harbor", body, {**JSON, "Authorization": "wrong"}).status == 401
    assert running.post("harbor", b" " * (1 << 20) + b"{}", {**JSON, "Authorization": HARBOR_SECRET}).status == 413
    assert running.post("harbor", body, {**JSON, "Authorization": HARBOR_SECRET}).status == 400
    assert _head(running) == before


@pytest.mark.parametrize(
    ("service", "tag", "why"),
    [
        ("stranger", "1.0.0", "no service of pipeline.yaml has the image"),
        ("shop", "nightly", "tag nightly is outside"),
        ("shop", "1.0.1", "older than"),
    ],
)
def test_image_push_without_an_effect_is_200_with_the_reason(running: World, service: str, tag: str, why: str) -> None:
    before = _head(running)
    sent = running.push_image(service, tag)
    assert sent.answer
    assert sent.answer.status == 200
    assert why in sent.answer.text
    assert _head(running) == before


def test_scan_is_checked_and_deletion_of_a_deployed_image_is_reported(running: World) -> None:
    sent = running.push_image("shop", "1.4.0")
    running.until_image(running.names.dev, "shop", "1.4.0")
    running.until_status(running.names.dev, lambda found: found.images["shop"].digest == sent.digest)
    before = _head(running)
    resource = {"digest": sent.digest, "tag": "1.4.0", "resource_url": f"{sent.image}:1.4.0"}
    about = {"resources": [resource], "repository": {"repo_full_name": sent.image.partition("/")[2]}}
    headers = {**JSON, "Authorization": HARBOR_SECRET}
    for kind, expected in (
        ("SCANNING_COMPLETED", "looking at what waits for the scan of"),
        ("DELETE_ARTIFACT", "looking whether an overlay of the trunk names"),
    ):
        body = json.dumps({"type": kind, "occur_at": 1795425094, "operator": "auto", "event_data": about}).encode()
        answer = running.post("harbor", body, headers)
        assert (answer.status, expected in answer.text) == (200, True), answer.text
    running.controller.until("an image in use was deleted", digest=sent.digest, deployed_in=running.names.dev)
    assert _head(running) == before


def test_git_push_is_applied_and_removed_objects_are_pruned(running: World) -> None:
    dev = running.names.dev
    running.edit(config_repo.extra(running.names, note=config_repo.config_map("note", text="hello")))
    running.console.until_one("ConfigMap", dev, "note", lambda found: found["data"]["text"] == "hello")
    directory = f"environments/{dev}/extra"
    running.edit({**config_repo.extra(running.names), f"{directory}/note.yaml": None})
    running.console.until_gone("ConfigMap", dev, "note")
    running.until_no_member(dev, ("ConfigMap", dev, "note"))
    running.until_status(dev, lambda found: reason(found) == "Synced")


def _generated(world: World, namespace: str) -> str:
    deployment = world.console.read("Deployment", namespace, "shop")
    assert deployment is not None
    return _settings_of(deployment)


def _settings_of(deployment: Body) -> str:
    name: str = deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    return name


def _recolour(world: World, colour: str) -> str:
    """Changes the generated ConfigMap; returns the old one's name when the Deployment uses the new one."""
    dev = world.names.dev
    old = _generated(world, dev)
    world.edit({f"environments/{dev}/kustomization.yaml": config_repo.recoloured(colour)})
    world.console.until_one("Deployment", dev, "shop", lambda found: _settings_of(found) != old)
    return old


def test_generated_config_map_is_pruned_without_a_reference(running: World) -> None:
    old = _recolour(running, "green")
    running.console.until_gone("ConfigMap", running.names.dev, old)
    running.until_ready()
    assert running.console.read("ConfigMap", running.names.dev, _generated(running, running.names.dev))


def test_generated_config_map_stays_while_a_pod_refers_to_it(running: World) -> None:
    dev = running.names.dev
    old = _generated(running, dev)
    holder = {"name": "c", "image": "x", "envFrom": [{"configMapRef": {"name": old}}]}
    running.console.create(
        "Pod",
        dev,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "holder"}, "spec": {"containers": [holder]}},
    )
    assert _recolour(running, "amber") == old
    kept = running.until_status(
        dev, lambda now: any(each.key.name == old and "refers to it" in each.message for each in now.objects)
    )
    running.until_ready(dev)
    assert kept.sync is Sync.SYNCED, "what is only kept for a while is no reason to be out of sync"
    assert running.console.read("ConfigMap", dev, old)
    assert ("ConfigMap", dev, old) in running.members(dev)
    running.console.delete("Pod", dev, "holder")
    running.console.until_gone("Pod", dev, "holder")
    running.edit(config_repo.extra(running.names, note=config_repo.config_map("note", text="again")))
    running.console.until_one("ConfigMap", dev, "note", lambda _: True)
    running.console.until_gone("ConfigMap", dev, old)


def _everything(world: World, namespace: str) -> dict[str, str]:
    """Name -> uid of the environment's objects."""
    return {
        f"{kind}/{item['metadata']['name']}": item["metadata"]["uid"]
        for kind in ("Deployment", "Service", "ConfigMap")
        for item in world.console.list(kind, namespace)
    }


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("namespace: {namespace}\nresources: []\n", ""),
        ("namespace: {namespace}\nresources: [missing.yaml]\n", "missing.yaml"),
        ("", ""),
    ],
    ids=["empty render", "failing render", "empty file"],
)
def test_render_that_is_empty_or_fails_never_prunes(running: World, broken: str, why: str) -> None:
    dev = running.names.dev
    running.until_ready(dev)
    good, before = running.kustomization(dev), _everything(running, dev)
    running.edit({f"environments/{dev}/kustomization.yaml": broken.format(namespace=dev)})
    found = running.until_status(dev, lambda now: now.sync is Sync.OUT_OF_SYNC)
    stalled = found.condition("Stalled")
    assert stalled
    assert stalled.status, message(found)
    assert why in message(found)
    assert _everything(running, dev) == before
    running.edit({f"environments/{dev}/kustomization.yaml": good})
    running.until_status(dev, lambda now: reason(now) == "Synced")
    assert _everything(running, dev) == before


def test_prune_budget_stops_pruning_until_a_person_allows_it(running: World) -> None:
    dev, names = running.names.dev, running.names
    many = {f"many-{number}": config_repo.config_map(f"many-{number}", n=str(number)) for number in range(3)}
    running.edit(
        {**config_repo.extra(names, **many), "environments/pipeline.yaml": config_repo.pipeline(names, budget=2)}
    )
    for name in many:
        running.console.until_one("ConfigMap", dev, name, lambda _: True)
    running.until_ready(dev)
    files = {f"environments/{dev}/extra/{name}.yaml": None for name in many}
    running.edit({**config_repo.extra(names), **files})
    found = running.until_status(dev, lambda now: now.sync is Sync.OUT_OF_SYNC)
    assert "the budget is 2" in message(found)
    assert all(running.console.read("ConfigMap", dev, name) for name in many)
    running.edit({"environments/pipeline.yaml": config_repo.pipeline(names, budget=3)})
    for name in many:
        running.console.until_gone("ConfigMap", dev, name)
    running.until_status(dev, lambda now: reason(now) == "Synced")


def test_contract_violation_stops_its_overlay_only(running: World) -> None:
    """The violation is an image without a digest."""
    dev = running.names.dev
    running.until_ready(dev)
    good, before = running.kustomization(dev), _everything(running, dev)
    loose = "\n".join(line for line in good.splitlines() if "digest:" not in line) + "\n"
    running.edit({f"environments/{dev}/kustomization.yaml": loose})
    found = running.until_status(dev, lambda now: reason(now) == "ContractViolated")
    assert "/spec/template/spec/containers/app/image" in message(found)
    assert f"environments/{dev}/kustomization.yaml" in message(found)
    assert _everything(running, dev) == before
    running.console.delete("Service", dev, "shop")
    running.console.until_one("Service", dev, "shop", lambda _: True)
    running.push_image("desk", "1.9.0")
    running.until_image(running.names.split, "desk", "1.9.0")
    running.edit({f"environments/{dev}/kustomization.yaml": good})
    running.until_status(dev, lambda now: reason(now) == "Synced")
