"""The checker behind `lockstep check` and the parity of two overlays, with real git and real kustomize."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gitops.adapters.kustomize.builder import Kustomize
from gitops.core.errors import Rejected
from gitops.local.cluster import binaries
from tests import ROOT
from tests.worlds.git import git
from tests.worlds.judged_repo import DEPLOYMENT, PIPELINE, SERVICE, JudgedRepo, files, made, overlay

PROD = "environments/prod/kustomization.yaml"
CONTAINER = "/spec/template/spec/containers/app"


@pytest.fixture(scope="session")
def binary() -> Path:
    return binaries.ensure("kustomize")


@pytest.fixture
def repo(tmp_path: Path, binary: Path) -> JudgedRepo:
    return made(tmp_path, binary)


def test_check_passes_equal_environments(repo: JudgedRepo) -> None:
    report = repo.check()
    assert report.passes(ahead=True)
    assert [each.overlay.name for each in report.checked] == ["dev", "test", "prod"]
    assert all(not each.now.violations for each in report.checked)


def test_check_passes_the_example_without_a_warning(repo: JudgedRepo, tmp_path: Path) -> None:
    for name in ("base", "environments"):
        shutil.copytree(ROOT / name, tmp_path / "example" / name)
    report = replace(repo, root=tmp_path / "example").check()
    assert [(each.now.refusal, each.now.violations) for each in report.checked] == [(None, ())] * 4


PATCH = """\
patches:
- target: {kind: Deployment}
  patch: |-
    - {op: add, path: /spec/paused, value: true}
"""
PATCHED = ("Undeclared", "Deployment", "/spec/paused")
LABELLED = "/metadata/labels/tier"
WAYS: dict[str, tuple[dict[str, str], tuple[str, str, str]]] = {
    "a patch": ({PROD: overlay("prod", more=PATCH)}, PATCHED),
    "a strategic-merge patch": (
        {
            PROD: overlay("prod", more="patches: [{path: p.yaml}]\n"),
            "environments/prod/p.yaml": (
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: order}, spec: {paused: true}}"
            ),
        },
        PATCHED,
    ),
    "a component": (
        {
            PROD: overlay("prod", more="components: [../../base/components/slow]\n"),
            "base/components/slow/kustomization.yaml": (
                "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n" + PATCH
            ),
        },
        PATCHED,
    ),
    "a replacement": (
        {
            PROD: overlay(
                "prod",
                more=(
                    "replacements:\n- source: {kind: Service, name: order, fieldPath: metadata.name}\n  targets:\n"
                    "  - {select: {kind: Deployment}, fieldPaths: [spec.template.spec.hostname],"
                    " options: {create: true}}\n"
                ),
            )
        },
        ("Undeclared", "Deployment", "/spec/template/spec/hostname"),
    ),
    "a generator": (
        {PROD: overlay("prod", more="- {name: more, literals: [A=b]}\n")},
        ("Presence", "ConfigMap", ""),
    ),
    "a transformer": (
        {
            PROD: overlay("prod", more="transformers: [t.yaml]\n"),
            "environments/prod/t.yaml": (
                "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\ntarget: {kind: Deployment}\n"
                "patch: |-\n  - {op: add, path: /spec/paused, value: true}\n"
            ),
        },
        PATCHED,
    ),
    "a label": (
        {PROD: overlay("prod", more="labels: [{pairs: {tier: gold}}]\n")},
        ("Undeclared", "Service", LABELLED),
    ),
    "an annotation": (
        {PROD: overlay("prod", more="commonAnnotations: {tier: gold}\n")},
        ("Undeclared", "Service", "/metadata/annotations/tier"),
    ),
    "an image of no service": (
        {PROD: overlay("prod").replace("images:", 'images:\n- {name: envoy, newTag: "1.31"}')},
        ("Undeclared", "Deployment", "/spec/template/spec/containers/proxy/image"),
    ),
    "another repository for a service": (
        {PROD: overlay("prod").replace("newTag", "newName: r.example/fork/order, newTag")},
        ("Undeclared", "Deployment", f"{CONTAINER}/image"),
    ),
    "a prefix": ({PROD: overlay("prod", more="namePrefix: eu-\n")}, ("Presence", "Deployment", "")),
    "a patch in a nested base": (
        {
            PROD: overlay("prod").replace("../../base", "../../special"),
            "special/kustomization.yaml": "resources: [../base]\n" + PATCH,
        },
        PATCHED,
    ),
    "a file in one overlay only": (
        {
            PROD: overlay("prod").replace("[../../base]", "[../../base, extra.yaml]"),
            "environments/prod/extra.yaml": SERVICE.replace("name: order", "name: extra"),
        },
        ("Presence", "Service", ""),
    ),
    "something of base left out": (
        {
            PROD: overlay(
                "prod",
                more="patches: [{target: {kind: Service}, patch: '{$patch: delete, apiVersion: v1, "
                "kind: Service, metadata: {name: order}}'}]\n",
            )
        },
        ("Presence", "Service", ""),
    ),
    "replicas out of the schema": (
        {PROD: overlay("prod", more="replicas: [{name: order, count: 0}]\n")},
        ("OutOfSchema", "Deployment", "/spec/replicas"),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_check_finds_every_way_of_breaking_parity(repo: JudgedRepo, way: str) -> None:
    changed, expected = WAYS[way]
    repo.write(changed)
    report = repo.check()
    assert not report.passes(ahead=False)
    assert expected in repo.said("prod")
    assert repo.said("dev") == repo.said("test") == []
    pair = repo.parity("dev", "prod")
    assert not pair.is_equal or expected[0] == "OutOfSchema", "parity finds it too, unless a variation covers the field"


def test_violations_name_the_file_that_sets_them(repo: JudgedRepo) -> None:
    patch = "# paused while we look\n- op: add\n  path: /spec/paused\n  value: true\n"
    repo.write({"environments/prod/pause.yaml": patch})
    repo.append(PROD, "patches: [{target: {kind: Deployment}, path: pause.yaml}]\nlabels: [{pairs: {tier: gold}}]\n")
    found = {each.field: str(each.place) for each in repo.violations("prod")}
    assert found["/spec/paused"] == "environments/prod/pause.yaml:3"
    assert found[LABELLED] == f"{PROD}:8"


def test_violations_of_a_missing_setting_and_a_shared_one(repo: JudgedRepo) -> None:
    repo.write({PROD: overlay("prod").replace("DB=db-of-prod", "DB=db-of-test")})
    assert repo.said("test") == [("NotDistinct", "ConfigMap", "/data/DB")]
    [violation] = repo.violations("prod")
    assert (str(violation.kind), violation.forbids) == ("ForeignName", False)
    repo.write({PROD: overlay("prod").replace("DB=db-of-prod", "B=db-of-prod")})
    assert repo.said("prod") == [("MissingSetting", "ConfigMap", "/data/*/DB")]


class TestCheckedRevisions:
    def test_check_judges_a_locked_environment_as_it_runs_and_as_promoted(self, repo: JudgedRepo) -> None:
        first = git(repo.root, "rev-parse", "HEAD")
        for name in ("test", "prod"):
            repo.release(name, first)
        repo.append(PROD, PATCH)
        report = repo.check()
        prod = next(each for each in report.checked if each.overlay.name == "prod")
        assert prod.now.violations == ()
        assert prod.ahead is not None
        assert prod.ahead.forbids
        assert report.passes(ahead=False)
        assert not report.passes(ahead=True)

    def test_check_reads_a_commit_instead_of_the_files(self, repo: JudgedRepo) -> None:
        repo.append(PROD, PATCH)
        assert repo.check("HEAD").passes(ahead=True)
        repo.commit()
        assert not repo.check("HEAD").passes(ahead=True)
        assert repo.check("HEAD~1").passes(ahead=True)

    def test_check_does_not_read_files_that_git_ignores(self, repo: JudgedRepo) -> None:
        repo.write({".gitignore": "secret.yaml\n", "environments/prod/secret.yaml": SERVICE})
        repo.write({PROD: overlay("prod").replace("[../../base]", "[../../base, secret.yaml]")})
        [prod] = [each.now for each in repo.check().checked if each.overlay.name == "prod"]
        assert prod.refusal is not None
        assert prod.refusal.reason == "MissingFile"

    def test_check_refuses_a_shallow_clone_without_the_locked_commit(self, repo: JudgedRepo, tmp_path: Path) -> None:
        first = git(repo.root, "rev-parse", "HEAD")
        repo.release("prod", first)
        repo.commit()
        git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo.root}", "shallow")
        with pytest.raises(Rejected) as caught:
            replace(repo, root=tmp_path / "shallow").check()
        assert caught.value.reason == "MissingObject"
        assert "full history" in caught.value.message

    def test_check_judges_the_others_beside_a_broken_overlay(self, repo: JudgedRepo) -> None:
        repo.write({"environments/dev/kustomization.yaml": "resources: [nowhere]\n"})
        report = repo.check()
        assert [each.now.refusal.reason if each.now.refusal else "" for each in report.checked] == [
            "MissingFile",
            "",
            "",
        ]


class TestServiceOverlays:
    def test_service_overlay_is_compared_with_the_base_of_its_name(self, repo: JudgedRepo) -> None:
        shutil.rmtree(repo.root / "environments/prod")
        own = overlay("prod").replace("../../base", "../../../base/order").partition("configMapGenerator")[0]
        repo.write({"environments/prod/order/kustomization.yaml": own})
        assert repo.said("prod/order") == []
        repo.append("environments/prod/order/kustomization.yaml", PATCH)
        assert repo.said("prod/order") == [PATCHED]


class TestParity:
    def test_parity_calls_a_variation_declared(self, repo: JudgedRepo) -> None:
        repo.write({PROD: overlay("prod", more="replicas: [{name: order, count: 3}]\n")})
        pair = repo.parity("dev", "prod")
        assert [(str(each.status), each.field, each.rule) for each in pair.findings] == [
            ("declared", "/spec/replicas", "replicas")
        ]

    def test_parity_calls_an_image_that_waits_for_promotion_pending(self, repo: JudgedRepo) -> None:
        repo.write({PROD: overlay("prod", "old")})
        pair = repo.parity("dev", "prod")
        assert [(str(each.status), each.field) for each in pair.findings] == [("pending", f"{CONTAINER}/image")]
        assert pair.is_equal

    def test_parity_calls_a_base_that_waits_for_promotion_pending(self, repo: JudgedRepo) -> None:
        repo.release("prod", git(repo.root, "rev-parse", "HEAD"))
        repo.commit("lock prod")
        repo.write({"base/order/deployment.yaml": DEPLOYMENT + "      hostname: order\n"})
        repo.commit("orders get a host name")
        pair = repo.parity("dev", "prod")
        assert [(str(each.status), each.field) for each in pair.findings] == [
            ("pending", "/spec/template/spec/hostname")
        ]
        assert [line.partition(" ")[2] for line in pair.commits] == ["orders get a host name"]
        assert pair.is_equal

    def test_parity_calls_a_promotion_that_would_not_render_undeclared(self, repo: JudgedRepo) -> None:
        repo.write(
            {
                PROD: overlay(
                    "prod", more=PATCH.replace("add", "test").replace("paused, value: true", "replicas, value: 1")
                )
            }
        )
        repo.release("prod", repo.commit())
        repo.commit("lock prod")
        repo.write({"base/order/deployment.yaml": DEPLOYMENT.replace("  replicas: 1\n", "")})
        repo.commit("no replicas in base")
        pair = repo.parity("dev", "prod")
        assert "does not render" in pair.trouble
        assert not pair.is_equal

    def test_parity_refuses_an_unknown_environment(self, repo: JudgedRepo) -> None:
        with pytest.raises(Rejected) as caught:
            repo.parity("dev", "stage")
        assert caught.value.reason == "NotFound"


def test_survey_is_made_once(repo: JudgedRepo, tmp_path: Path) -> None:
    repo.check()
    stored = {file.name for file in (tmp_path / "surveys").iterdir()}
    repo.append("environments/pipeline.yaml", "# a comment\n")
    repo.check()
    assert len(list((tmp_path / "surveys").iterdir())) == 2 * len(stored) == 8  # three surveys, and the schemas
    repo.check()
    assert len(list((tmp_path / "surveys").iterdir())) == 8


def test_survey_is_made_again_for_another_kustomize(repo: JudgedRepo, tmp_path: Path) -> None:
    repo.check()
    stored = len(list((tmp_path / "surveys").iterdir()))
    binary = tmp_path / "another-kustomize"
    kustomize = binaries.ensure("kustomize")
    binary.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo v99 && exit\nexec {kustomize} "$@"\n')
    binary.chmod(0o755)
    replace(repo, kustomize=Kustomize(binary, tmp_path / "cache")).check()
    assert len(list((tmp_path / "surveys").iterdir())) == stored + 3


def test_check_refuses_a_directory_that_is_no_config_repo(tmp_path: Path, repo: JudgedRepo) -> None:
    with pytest.raises(Rejected) as caught:
        replace(repo, root=tmp_path / "surveys").check()
    assert caught.value.reason == "NoConfigRepo"
    assert files()["environments/pipeline.yaml"] == PIPELINE
