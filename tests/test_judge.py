"""The contract in a controller: one overlay at a time, beside the others as they were seen last."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.adapters.work_tree import WorkTree
from gitops.core import pipeline
from gitops.core.compose import ComposedTree
from gitops.core.contract import admission
from gitops.core.errors import Rejected
from gitops.judge import Judge
from gitops.local import binaries
from gitops.surveyor import Situation
from tests.judged_repo import JudgedRepo, made, overlay

PROD = "environments/prod/kustomization.yaml"
PATCH = "patches:\n- target: {kind: Deployment}\n  patch: |-\n    - {op: add, path: /spec/paused, value: true}\n"


class Controller:
    """Judges overlays of commits, as passes do."""

    def __init__(self, repo: JudgedRepo) -> None:
        self.repo = repo
        self.trees = WorkTree(repo.root, {})
        self.judge = Judge(self.trees, repo.kustomize, repo.memo)

    def said(self, name: str, *, commit: str = "a change") -> list[tuple[str, str]]:
        """(reason, field) of the overlay's violations at a new commit of everything."""
        head = self.repo.commit(commit) if commit else self.trees.head("HEAD")
        tree = self.trees.tree(head)
        blob = tree[pipeline.FILE].id
        declared = pipeline.parse(self.trees.read(blob))
        found = next(each for each in pipeline.overlays(declared, tree) if each.name == name)
        situation = Situation(found, ComposedTree(found.path, tree, tree), head)
        return [(str(each.breach), each.field) for each in self.judge.judge(situation, declared, blob)]


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    found = Controller(made(tmp_path, binaries.ensure("kustomize")))
    yield found
    found.trees.close()


def test_an_overlay_within_its_variations(controller: Controller) -> None:
    assert controller.said("prod", commit="") == []


def test_the_overlay_that_changed_is_charged(controller: Controller) -> None:
    for name in ("dev", "test", "prod"):
        assert controller.said(name, commit="") == []
    controller.repo.write({PROD: overlay("prod").replace("db-of-prod", "db-of-dev")})
    assert ("NotDistinct", "/data/DB") in controller.said("prod")
    assert controller.said("dev", commit="") == [("NotDistinct", "/data/DB")], "asked again, dev is new as well"


def test_an_overlay_that_is_gone_charges_nobody(controller: Controller) -> None:
    controller.said("dev", commit="")
    controller.judge.forget("dev")
    controller.repo.write({PROD: overlay("prod").replace("db-of-prod", "db-of-dev")})
    assert controller.said("prod") == [("ForeignName", "/data/DB")]


def test_new_variations_are_taken_in(controller: Controller) -> None:
    controller.repo.append(PROD, PATCH)
    assert controller.said("prod") == [("Undeclared", "/spec/paused")]
    controller.repo.append("environments/pipeline.yaml", "- {kinds: [Deployment], field: /spec/paused}\n")
    assert controller.said("prod") == []


def test_without_a_reference_nothing_can_be_judged(controller: Controller) -> None:
    controller.repo.write(
        {"environments/pipeline.yaml": "reference: nowhere\nenvironments: {prod: {namespace: shop-prod}}\n"}
    )
    with pytest.raises(Rejected) as caught:
        controller.said("prod")
    assert caught.value.reason == "NoReference"


def test_admission_is_about_transitions(controller: Controller) -> None:
    controller.repo.append(PROD, PATCH)
    head = controller.repo.commit()
    tree = controller.trees.tree(head)
    blob = tree[pipeline.FILE].id
    declared = pipeline.parse(controller.trees.read(blob))
    prod = next(each for each in pipeline.overlays(declared, tree) if each.name == "prod")
    found = controller.judge.judge(Situation(prod, ComposedTree(prod.path, tree, tree), head), declared, blob)
    stalled = admission.stall(found, is_admitted=False)
    assert stalled is not None
    assert stalled.reason == "ContractViolated"
    assert "Deployment.apps shop-prod/order /spec/paused: no variation lets" in stalled.message
    assert f"({PROD}:10)" in stalled.message
    assert admission.stall(found, is_admitted=True) is None
    assert len(admission.warnings(found, is_admitted=True)) == 1
    assert admission.warnings(found, is_admitted=False) == ()
