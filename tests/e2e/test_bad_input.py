"""Wrong input is reported with its place and stops only the overlays that it concerns. Running objects stay and are
healed, and a correction in git is enough. In the refusals, the marker of a known attack must not appear.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from gitops.core.sync.status import SyncStatus
from tests.e2e import config_repo
from tests.e2e.harness import World, message, reason


def _stalled(found: SyncStatus) -> bool:
    condition = found.condition("Stalled")
    return condition is not None and condition.status


@dataclass(frozen=True, slots=True)
class Mistake:
    """`file` and `text` with {dev}, {split}, {prod} for the names; `says` must stand in the status of `overlay`."""

    file: str
    text: str
    says: tuple[str, ...]
    overlay: str = "{dev}"
    heals: bool = False


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 12)
)
EXPLOIT = "file://{repo}?ref=--upload-pack=touch+{marker}%20%26%26git-upload-pack"

MISTAKES = {
    "overlay is no YAML": Mistake(
        "environments/{dev}/kustomization.yaml",
        "namespace: {dev}\nresources: [../../base/shop\nimages: []\n",
        ("environments/{dev}/kustomization.yaml:3",),
        heals=True,
    ),
    "unknown field of an overlay": Mistake(
        "environments/{dev}/kustomization.yaml",
        "namespace: {dev}\nresources: [../../base/shop, extra]\nresourcez: []\n",
        ("resourcez",),
    ),
    "manifest is no YAML": Mistake(
        "environments/{dev}/extra/anchor.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: anchor\n data: {{}}\n",
        ("environments/{dev}/extra/anchor.yaml:5",),
    ),
    "manifest without a name": Mistake(
        "environments/{dev}/extra/anchor.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {{}}\n", ("name",)
    ),
    "release.yaml": Mistake(
        "environments/{prod}/release.yaml",
        "base: 0123\noverlay: main\n",
        ("environments/{prod}/release.yaml:1", "base"),
        overlay="{prod}",
        heals=True,
    ),
    "release.yaml names what is not there": Mistake(
        "environments/{prod}/release.yaml",
        "base: " + "a" * 40 + "\noverlay: " + "a" * 40 + "\n",
        ("a" * 12,),
        overlay="{prod}",
    ),
    "hold.yaml": Mistake(
        "environments/{dev}/hold.yaml", "who: me\nwhy: because\nsince: yesterday\n", ("environments/{dev}/hold.yaml:3",)
    ),
    "an alias bomb in a manifest": Mistake(
        "environments/{dev}/extra/anchor.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: anchor}}\n" + BOMB,
        ("environments/{dev}/extra/anchor.yaml:", "values once its aliases are expanded"),
    ),
    "an alias bomb in an overlay": Mistake(
        "environments/{dev}/kustomization.yaml",
        "resources: [../../base/shop, extra]\n" + BOMB,
        ("environments/{dev}/kustomization.yaml:",),
    ),
    "a release.yaml without an end": Mistake(
        "environments/{prod}/release.yaml",
        "base: " + "[" * 20_000,
        ("environments/{prod}/release.yaml:1", "nested deeper"),
        overlay="{prod}",
    ),
    "a hold.yaml that explodes": Mistake(
        "environments/{dev}/hold.yaml", "who: me\nwhy: because\n" + BOMB, ("environments/{dev}/hold.yaml:",)
    ),
    "a manifest in another language": Mistake(
        "environments/{dev}/extra/anchor.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: !!python/object:os.system {{name: anchor}}\n",
        ("environments/{dev}/extra/anchor.yaml:3", "python/object"),
    ),
    "a tag without a value": Mistake(
        "environments/{dev}/kustomization.yaml",
        "namespace: {dev}\nresources: [../../base/shop]\nimages:\n- name: registry.example/demo/shop\n  newTag:\n",
        ("environments/{dev}/kustomization.yaml:5", "newTag"),
    ),
    "an overlay that renders nothing": Mistake(
        "environments/{dev}/kustomization.yaml",
        "namespace: {dev}\ncommonAnnotations: {{a: b}}\n",
        ("renders to no object at all",),
    ),
    "another namespace": Mistake(
        "environments/{dev}/kustomization.yaml",
        "namespace: {prod}\nresources: [../../base/shop, extra]\n",
        ("Service {prod}/shop is not in {dev}", "environments/{dev}/kustomization.yaml"),
    ),
    "remote resource": Mistake(
        "environments/{dev}/kustomization.yaml",
        "namespace: {dev}\nresources: ['https://example.org/x.yaml']\n",
        ("environments/{dev}/kustomization.yaml:2", "https://example.org/x.yaml"),
    ),
    "a repository that runs a command": Mistake(
        "environments/{dev}/kustomization.yaml",
        "namespace: {dev}\nresources:\n- ../../base/shop\n- '" + EXPLOIT + "'\n",
        ("environments/{dev}/kustomization.yaml:4",),
    ),
    "a generator that fetches": Mistake(
        "environments/{dev}/extra/kustomization.yaml",
        "resources: [anchor.yaml]\nconfigMapGenerator:\n- name: fetched\n  files: ['f=http://127.0.0.1:1/x']\n",
        ("environments/{dev}/extra/kustomization.yaml:4",),
    ),
    "cluster-scoped": Mistake(
        "environments/{dev}/extra/anchor.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: other}}\n",
        ("Namespace", "cluster-scoped"),
    ),
    "the controller's own namespace": Mistake(
        "environments/{dev}/kustomization.yaml",
        "namespace: lockstep-system\nresources: [../../base/shop, extra]\n",
        ("is in the controller's own namespace",),
    ),
}


def _uids(world: World, namespace: str) -> dict[str, str]:
    return {
        f"{kind}/{item['metadata']['name']}": item["metadata"]["uid"]
        for kind in ("Deployment", "Service", "ConfigMap")
        for item in world.console.list(kind, namespace)
    }


def _drawer(world: World, value: str) -> None:
    """Changes the overlay `till`, which shares nothing with the others, and waits for the result."""
    world.console.until_one("ConfigMap", world.names.split, "till", lambda found: found["data"] == {"drawer": value})


def _require_healed(world: World, namespace: str) -> None:
    world.console.patch("Service", namespace, "shop", {"spec": {"selector": {"app": "nobody"}}})
    world.console.until_one("Service", namespace, "shop", lambda found: found["spec"]["selector"] == {"app": "shop"})


@pytest.mark.parametrize("name", MISTAKES)
def test_a20_a22_a30_a33_a36_a37_mistake_stalls_its_own_overlay_only(running: World, tmp_path: Path, name: str) -> None:
    mistake, marker = MISTAKES[name], tmp_path / "marker"
    names = {each: getattr(running.names, each) for each in ("dev", "split", "prod")}
    file, overlay = mistake.file.format(**names), mistake.overlay.format(**names)
    before = _uids(running, overlay)
    good = _read(running, file)
    text = mistake.text.format(**names, repo=running.remote, marker=marker)
    till = f"environments/{running.names.split}/till/till.yaml"
    running.edit({file: text, till: config_repo.config_map("till", drawer=name)}, name)

    found = running.until_status(overlay, _stalled)
    for said in mistake.says:
        assert said.format(**names) in message(found)
    _drawer(running, name)
    assert not _stalled(running.until_status(f"{running.names.split}/till", lambda _: True))
    if mistake.heals:  # not each time: a manager that edits the same object again and again counts as fighting
        _require_healed(running, overlay)
    assert _uids(running, overlay) == before
    assert not marker.exists()

    running.edit({file: good}, "repaired")
    running.until_status(overlay, lambda now: reason(now) == "Synced")
    assert _uids(running, overlay) == before


def _read(world: World, file: str) -> str | None:
    try:
        return world.person.read(file)
    except AssertionError:
        return None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("environments: {dev: {namespace: dev, imagez: newest}}\n", "environments/pipeline.yaml:1"),
        ("environments:\n  dev: [\n", "environments/pipeline.yaml:"),
        (BOMB, "values once its aliases are expanded"),
        ("environments: " + "{a: " * 500, "environments/pipeline.yaml:1"),
    ],
)
def test_a30_broken_pipeline_stalls_all_overlays_while_drift_is_healed(running: World, text: str, says: str) -> None:
    file = "environments/pipeline.yaml"
    good = running.person.read(file)
    running.edit({file: text}, "a broken pipeline")
    for overlay in running.overlays:
        assert says in message(running.until_status(overlay, _stalled))
    _require_healed(running, running.names.dev)
    assert says in running.page("/").text
    running.edit({file: good}, "repaired")
    for overlay in running.overlays:
        running.until_status(overlay, lambda now: reason(now) == "Synced")


def test_drift_is_healed_after_a_restart_with_broken_input(running: World) -> None:
    """The controller reads the last good revision from the inventory, not from memory."""
    dev, file = running.names.dev, f"environments/{running.names.dev}/kustomization.yaml"
    good, before = running.person.read(file), _uids(running, dev)
    running.edit({file: "resources: [nowhere]\n"}, "broken")
    running.until_status(dev, _stalled)
    running.restart()
    _require_healed(running, dev)
    assert _uids(running, dev) == before
    running.edit({file: good}, "repaired")
    running.until_status(dev, lambda now: reason(now) == "Synced")


def test_environment_without_a_release_is_not_applied(running: World) -> None:
    prod, file = running.names.prod, f"environments/{running.names.prod}/release.yaml"
    good = running.person.read(file)
    running.edit({file: None}, "no release any more")
    found = running.until_status(prod, _stalled)
    assert reason(found) == "NotReleased"
    assert file in message(found)
    _require_healed(running, prod)
    running.edit({file: good}, "released again")
    running.until_status(prod, lambda now: reason(now) == "Synced")


def test_a34_object_belongs_to_one_overlay(running: World) -> None:
    split, directory = running.names.split, f"environments/{running.names.split}/till"
    mine = running.console.read("Service", split, "desk")
    running.edit(
        {
            f"{directory}/kustomization.yaml": f"namespace: {split}\nresources: [till.yaml, desk.yaml]\n",
            f"{directory}/desk.yaml": config_repo.service("desk").replace("port: 80", "port: 81"),
        },
        "till wants the desk's Service",
    )
    found = running.until_status(f"{split}/till", lambda now: reason(now) != "Synced")
    assert f"{split}/desk" in message(found)
    assert running.console.read("Service", split, "desk") == mine
    running.edit(
        {
            f"{directory}/kustomization.yaml": f"namespace: {split}\nresources: [till.yaml]\n",
            f"{directory}/desk.yaml": None,
        },
        "and gives it back",
    )
    running.until_status(f"{split}/till", lambda now: reason(now) == "Synced")
    assert running.console.read("Service", split, "desk") == mine


def test_object_of_another_tool_is_refused_by_its_name(running: World) -> None:
    dev, names = running.names.dev, running.names
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "taken", "annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:x/taken"}},
        "data": {"owner": "somebody"},
    }
    created = running.console.create("ConfigMap", dev, theirs)
    files = config_repo.extra(
        names, taken=config_repo.config_map("taken", owner="us"), free=config_repo.config_map("free")
    )
    running.edit(files, "one that is taken, one that is free")
    found = running.until_status(dev, lambda now: "Argo CD" in message(now))
    assert "taken" in message(found)
    running.console.until_one("ConfigMap", dev, "free", lambda _: True)
    now = running.console.read("ConfigMap", dev, "taken")
    assert now
    assert (now["metadata"]["uid"], now["data"]) == (created["metadata"]["uid"], {"owner": "somebody"})
    gone = {f"environments/{dev}/extra/{name}.yaml": None for name in ("taken", "free")}
    running.edit({**config_repo.extra(names), **gone}, "neither")
    running.console.until_gone("ConfigMap", dev, "free")
    running.until_status(dev, lambda found: reason(found) == "Synced")
    assert running.console.read("ConfigMap", dev, "taken") == now
