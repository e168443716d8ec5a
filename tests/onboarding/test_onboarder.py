"""Onboarding of any overlays that kustomize can render: the contract holds, and needs every proposed variation."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gitops.adapters.git.work_tree import WorkTree
from gitops.adapters.kustomize.builder import Kustomize
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.checker import Checker
from gitops.contract.surveyor import Surveyor
from gitops.core.config_repo import pipeline
from gitops.core.errors import Rejected
from gitops.core.onboarding import pipeline_text
from gitops.core.onboarding.environments import EnvironmentOptions
from gitops.local.cluster import binaries
from gitops.onboarding.onboarder import Onboarder, Onboarding
from gitops.onboarding.planned_tree import PlannedTree
from gitops.render.builds import Builds
from tests.worlds.git import git
from tests.worlds.onboarded_repo import at, deployment

ENVIRONMENTS = ("dev", "staging", "production")
COMPONENT = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- target: {kind: Deployment}
  patch: '- {op: add, path: /spec/paused, value: true}'
"""
BASE = {
    "kustomization.yaml": (
        "resources: [api.yaml, web.yaml, service.yaml]\n"
        "configMapGenerator: [{name: settings, literals: [LEVEL=info, SIZE=1]}]\n"
    ),
    "api.yaml": deployment("api"),
    "web.yaml": deployment("web"),
    "service.yaml": "{apiVersion: v1, kind: Service, metadata: {name: api}, spec: {ports: [{port: 80}]}}\n",
}


def features(chance: random.Random) -> Iterator[tuple[str, object]]:
    """Yield (field, entry) pairs of a kustomization, each with a chance of one half."""
    name = chance.choice(["api", "web"])
    container = {"name": "app", "env": [{"name": chance.choice("ABCDE"), "value": chance.choice("xyz")}]}
    sidecar = {"name": "sidecar", "image": "envoy:1.30", "args": ["-v"]}
    template = {"spec": {"containers": [chance.choice([container, sidecar])]}}
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"template": template}}
    found = [
        ("replicas", {"name": name, "count": chance.randint(0, 4)}),
        ("images", {"name": f"r.example/shop/{name}", "newTag": f"1.{chance.randint(0, 3)}.0"}),
        ("labels", {"pairs": {"tier": chance.choice(["a", "b"])}}),
        (
            "configMapGenerator",
            {"name": "settings", "behavior": "merge", "literals": [f"LEVEL={chance.choice('abc')}"]},
        ),
        ("configMapGenerator", {"name": "more", "literals": [f"K={chance.choice('ab')}"]}),
        ("components", "../../features/debug"),
        ("patches", {"patch": yaml.safe_dump(patch)}),
        ("patches", {"patch": yaml.safe_dump({"$patch": "delete", "apiVersion": "v1", "kind": "Service"} | NAMED)}),
        ("secretGenerator", {"name": "key", "literals": [f"K={chance.choice('ab')}"]}),
    ]
    yield from (each for each in found if chance.random() < 0.5)


NAMED = {"metadata": {"name": "api"}}


def generated(seed: int) -> dict[str, str]:
    chance = random.Random(seed)
    files = {**at("base", BASE), "features/debug/kustomization.yaml": COMPONENT}
    for name in ENVIRONMENTS:
        overlay: dict[str, object] = {"namespace": f"shop-{name}", "resources": ["../../base"]}
        for field, entry in features(chance):
            known = overlay.setdefault(field, [])
            assert isinstance(known, list)
            known.append(entry)
        files[f"overlays/{name}/kustomization.yaml"] = yaml.safe_dump(overlay)
    return files


class World:
    def __init__(self, root: Path, binary: Path, files: dict[str, str]) -> None:
        self.root = root / "repo"
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        git(self.root, "init", "--quiet", "--initial-branch=main")
        self.repo = WorkTree(self.root, {})
        self.renderer = Kustomize(binary, root / "cache")
        self.memo = RenderCache(root / "surveys")

    def onboard(self, options: EnvironmentOptions | None = None) -> Onboarding:
        return Onboarder(self.repo, self.renderer, self.memo, self.repo.head()).onboard(options or EnvironmentOptions())

    def passes(self, files: dict[str, bytes]) -> bool:
        planned = PlannedTree(self.repo, files)
        report = Checker(planned, Surveyor(Builds(planned, self.renderer), self.memo)).check(self.repo.head())
        return report.passes(ahead=True)


@pytest.fixture(scope="session")
def binary() -> Path:
    return binaries.ensure("kustomize")


@pytest.mark.parametrize("seed", range(10))
def test_onboarding_of_generated_overlays(seed: int, tmp_path: Path, binary: Path) -> None:
    world = World(tmp_path, binary, generated(seed))
    found = world.onboard()
    assert found.is_settled
    assert world.passes(dict(found.files))
    variations = found.declared.variations
    assert len(variations) > 2
    for number in range(len(variations)):
        fewer = tuple(each for at_, each in enumerate(variations) if at_ != number)
        narrowed = found.declared.model_copy(update={"variations": fewer})
        files = {**found.files, pipeline.FILE: pipeline_text.format_pipeline(narrowed, {}, ())}
        assert not world.passes(files), variations[number]


def test_generated_overlays_differ() -> None:
    """The ten seeds of `test_onboarding_of_generated_overlays` give ten different repos."""
    assert len({yaml.safe_dump(generated(seed)) for seed in range(10)}) == 10


def test_onboarding_leaves_out_a_service_of_another_namespace(tmp_path: Path, binary: Path) -> None:
    files = {}
    for name in ("api", "web", "job"):
        files |= {f"{name}/base/{file}": text for file, text in {"kustomization.yaml": "resources: [d.yaml]\n"}.items()}
        files[f"{name}/base/d.yaml"] = deployment(name)
        for env in ("dev", "prod"):
            home = "batch" if name == "job" else "shop"
            files[f"{name}/overlays/{env}/kustomization.yaml"] = f"namespace: {home}-{env}\nresources: [../../base]\n"
    found = World(tmp_path, binary, files).onboard()
    assert not found.is_settled
    assert sorted(root.overlay for root in found.roots) == ["dev/api", "dev/web", "prod/api", "prod/web"]
    assert {(each.root.overlay, each.error.reason) for each in found.refusals} == {
        ("dev/job", "OutOfScope"),
        ("prod/job", "OutOfScope"),
    }
    assert found.report.passes(ahead=True)


def test_base_may_be_chosen_by_option(tmp_path: Path, binary: Path) -> None:
    files = {**generated(1), "other/kustomization.yaml": "resources: [../base]\n"}
    found = World(tmp_path, binary, files).onboard(EnvironmentOptions(base="other"))
    assert found.declared.reference == "other"
    assert found.is_settled


def test_namespace_may_be_one_without_objects(tmp_path: Path, binary: Path) -> None:
    """The option wins, and check reports the objects outside of that namespace."""
    found = World(tmp_path, binary, generated(1)).onboard(EnvironmentOptions(namespaces={"dev": "elsewhere"}))
    refused = {each.overlay.name: each.now.refusal and each.now.refusal.reason for each in found.report.checked}
    assert refused == {"dev": "OutOfScope", "staging": None, "production": None}
    assert not found.is_settled


def test_order_must_name_all_environments(tmp_path: Path, binary: Path) -> None:
    world = World(tmp_path, binary, generated(1))
    with pytest.raises(Rejected) as caught:
        world.onboard(EnvironmentOptions(order=("dev", "production")))
    assert caught.value.reason == "NotFound"


def test_overlay_without_objects_is_no_environment(tmp_path: Path, binary: Path) -> None:
    files = {**generated(1), "overlays/test/kustomization.yaml": "resources: []\n"}
    found = World(tmp_path, binary, files).onboard()
    assert [root.environment for root in found.roots] == list(ENVIRONMENTS)
    assert any("overlays/test renders no objects" in note for note in found.notes)
    assert found.is_settled
