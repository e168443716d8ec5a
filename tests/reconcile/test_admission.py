"""Admission in a controller: which overlay a violation is charged to, and whether a pass admits the overlay's head.
Real git, real kustomize.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.contract.head_surveys import HeadSurveys
from gitops.contract.surveyor import ContractHead
from gitops.core.errors import Conflict
from gitops.core.manifests import cluster_scoped
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.sync.sync_target import SyncTarget
from gitops.desired.applied_overlays import AppliedOverlays
from gitops.desired.desired_state import DesiredState
from gitops.desired.overlay_render import ScopeRules
from gitops.local.cluster import binaries
from gitops.reconcile.admission import OverlayAdmission
from gitops.render.builds import Builds
from tests.worlds.git import git
from tests.worlds.judged_repo import DIGEST, JudgedRepo, made, overlay
from tests.worlds.ports import HashKey
from tests.worlds.targets import Targets

DEV, PROD = (f"environments/{name}/kustomization.yaml" for name in ("dev", "prod"))
PIPELINE = "environments/pipeline.yaml"
PATCH = "patches:\n- target: {kind: Deployment}\n  patch: |-\n    - {op: add, path: /spec/paused, value: true}\n"


def service(name: str) -> str:
    return f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{ports: [{{port: 80}}]}}}}\n"


class Kinds:
    def is_namespaced(self, kind: tuple[str, str]) -> bool:
        return cluster_scoped.is_namespaced(kind)


class Overtaken(DesiredState):
    """Takes in a new head between the question about one overlay and the question about all of them."""

    meanwhile: Callable[[], object] | None = None

    def contract_head(self) -> ContractHead:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().contract_head()


class Controller:
    """Chooses sync targets as passes do. `applied` maps each overlay -> the revision that it runs."""

    def __init__(self, origin: JudgedRepo, directory: Path) -> None:
        self.origin = origin
        self.repo = GitConfigRepo(f"file://{origin.root}", "main", directory / "clone")
        self.applied: dict[str, Any] = {}
        self.start()

    def start(self) -> None:
        """Start anew, as after a restart: only the files on disk and the applied revisions are kept."""
        cluster: Any = Kinds()
        rules = ScopeRules(ScopeCeilings(), HashKey())
        builds = Builds(self.repo, self.origin.kustomize)
        self.desired = Overtaken(self.repo, builds, cluster, rules)
        surveys, applied = HeadSurveys(builds, self.origin.memo), AppliedOverlays(self.repo, builds)
        self.targets = Targets(self.desired, OverlayAdmission(self.desired, applied, surveys), self.applied)

    def take_in(self) -> str:
        head = self.origin.commit()
        self.repo.fetch()
        self.desired.refresh()
        return head

    def release_prod(self) -> None:
        """Release prod as it stands on the trunk now, with waivers for its unproven base and image."""
        head = self.take_in()
        text = f'base: {head}\noverlay: {head}\nwaived: {{"{head}": try it, "{DIGEST["new"]}": try it}}\n'
        self.origin.write({"environments/prod/release.yaml": text})
        self.take_in()

    def target(self, name: str) -> SyncTarget:
        return self.targets.target(name)

    def apply(self, *names: str) -> None:
        """Make a pass over each overlay: an admitted revision is the one that runs."""
        for name in names:
            chosen = self.target(name)
            if chosen.stall is None and chosen.desired is not None:
                self.applied[name] = chosen.desired.revision

    def reasons(self, *names: str) -> dict[str, str]:
        found = {name: self.target(name).stall for name in names}
        return {name: stall.reason for name, stall in found.items() if stall is not None}


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    """Dev and prod run their desired revisions. Test is left out to keep the files short."""
    origin = made(tmp_path, binaries.ensure("kustomize"))
    git(origin.root, "config", "uploadpack.allowFilter", "true")
    origin.write({PIPELINE: (origin.root / PIPELINE).read_text().replace("after: test}", "after: dev}")})
    origin.release("prod", origin.commit())
    found = Controller(origin, tmp_path)
    found.take_in()
    found.apply("dev", "prod")
    yield found
    found.repo.close()


def test_admission_admits_an_overlay_within_the_variations(controller: Controller) -> None:
    assert controller.reasons("dev", "prod") == {}
    assert controller.target("dev").warnings == ()
    assert controller.applied.keys() == {"dev", "prod"}


def test_admission_refuses_an_undeclared_difference_and_keeps_what_runs(controller: Controller) -> None:
    ran = controller.applied["dev"]
    controller.origin.append(DEV, PATCH)
    controller.take_in()
    target = controller.target("dev")
    assert target.stall is not None
    assert target.stall.reason == "ContractViolated"
    assert "Deployment.apps shop-dev/order /spec/paused: no variation allows" in target.stall.message
    assert f"({DEV}:10)" in target.stall.message
    assert target.desired is not None
    assert target.desired.revision == ran
    assert controller.reasons("prod") == {}


def test_admission_warns_of_a_release_off_the_trunk_while_a_ref_keeps_it(
    controller: Controller, tmp_path: Path
) -> None:
    lost = controller.applied["prod"].base
    controller.repo.keep([lost])
    git(controller.origin.root, "checkout", "--quiet", "--orphan", "rewritten")
    git(controller.origin.root, "commit", "--quiet", "--message=a history of its own")
    git(controller.origin.root, "branch", "--force", "main")
    git(controller.origin.root, "reflog", "expire", "--expire=now", "--all")
    git(controller.origin.root, "gc", "--quiet", "--prune=now")
    controller.repo.close()
    controller.repo = GitConfigRepo(f"file://{controller.origin.root}", "main", tmp_path / "another")
    controller.start()
    controller.repo.fetch()
    controller.desired.refresh()
    target = controller.target("prod")
    assert (target.stall, target.desired is not None) == (None, True)
    (warning,) = target.warnings
    assert "this commit of release.yaml is no longer on the trunk, which was rewritten" in warning
    git(controller.origin.root, "update-ref", "-d", f"refs/lockstep/base/{lost}")
    controller.repo.fetch()
    controller.start()
    controller.desired.refresh()
    assert controller.reasons("dev", "prod") == {"prod": "NotOnTrunk"}


def test_admission_follows_a_variation_that_is_added_on_the_trunk(controller: Controller) -> None:
    controller.origin.append(DEV, PATCH)
    controller.take_in()
    assert controller.reasons("dev") == {"dev": "ContractViolated"}
    controller.origin.append(PIPELINE, "- {kinds: [Deployment], field: /spec/paused}\n")
    controller.take_in()
    assert controller.reasons("dev") == {}


def test_admission_never_stops_what_runs_for_a_newer_rule(controller: Controller) -> None:
    text = (controller.origin.root / PIPELINE).read_text()
    controller.origin.write({PIPELINE: text.replace("required: [DB]", "schema: {type: string, pattern: '^jdbc:'}")})
    controller.take_in()
    target = controller.target("dev")
    assert target.stall is None
    assert any("/data/DB" in said for said in target.warnings), target.warnings
    controller.origin.append(DEV, "replicas: [{name: order, count: 2}]\n")
    controller.take_in()
    assert controller.reasons("dev") == {"dev": "ContractViolated"}


def test_admission_charges_a_shared_value_to_the_overlay_that_changed(controller: Controller) -> None:
    controller.origin.write({DEV: overlay("dev").replace("db-of-dev", "db-of-prod")})
    controller.take_in()
    assert controller.reasons("dev", "prod") == {"dev": "ContractViolated"}


def test_admission_finds_a_shared_value_before_a_pass_over_the_other_overlay(controller: Controller) -> None:
    """After a restart, a controller that judges dev first must know prod's values all the same."""
    controller.origin.write({DEV: overlay("dev").replace("db-of-dev", "db-of-prod")})
    controller.take_in()
    controller.start()
    controller.desired.refresh()
    assert controller.reasons("dev") == {"dev": "ContractViolated"}


def test_admission_charges_the_earlier_environment_if_both_changed(controller: Controller) -> None:
    controller.origin.write({
        DEV: overlay("dev").replace("db-of-dev", "one-for-all"),
        PROD: overlay("prod").replace("db-of-prod", "one-for-all"),
    })  # fmt: skip
    controller.release_prod()
    assert controller.reasons("dev", "prod") == {"dev": "ContractViolated"}


def test_admission_judges_again_after_another_overlay_changed(controller: Controller) -> None:
    controller.origin.write({PROD: overlay("prod").replace("db-of-prod", "main")})
    controller.release_prod()
    controller.apply("prod")
    controller.origin.write({DEV: overlay("dev").replace("db-of-dev", "main")})
    controller.take_in()
    assert controller.reasons("dev", "prod") == {"dev": "ContractViolated"}
    assert controller.targets.breached == {"dev"}
    controller.origin.write({PROD: overlay("prod")})
    controller.release_prod()
    assert controller.reasons("dev", "prod") == {"dev": "ContractViolated"}, "prod still runs the shared value"
    controller.apply("prod")
    assert controller.reasons("dev", "prod") == {}
    assert controller.targets.breached == frozenset()


def test_admission_keeps_refusing_an_overlay_though_another_one_changed(controller: Controller) -> None:
    controller.origin.write({PROD: overlay("prod").replace("db-of-prod", "db-of-dev")})
    controller.release_prod()
    assert controller.reasons("dev", "prod") == {"prod": "ContractViolated"}
    controller.origin.append(DEV, "replicas: [{name: order, count: 2}]\n")
    controller.take_in()
    assert controller.reasons("dev", "prod") == {"prod": "ContractViolated"}


def test_admission_compares_with_what_runs_though_that_overlay_is_broken_now(controller: Controller) -> None:
    controller.origin.write({DEV: "resources: [nowhere.yaml]\n"})
    controller.origin.write({PROD: overlay("prod").replace("db-of-prod", "db-of-dev")})
    controller.release_prod()
    assert controller.reasons("dev", "prod") == {"dev": "MissingFile", "prod": "ContractViolated"}


def test_admission_ignores_a_comment(controller: Controller) -> None:
    text = (controller.origin.root / PIPELINE).read_text()
    controller.origin.write({PIPELINE: text.replace("required: [DB]", "schema: {type: string, pattern: '^jdbc:'}")})
    controller.origin.append(DEV, "# a word about it\n")
    controller.take_in()
    target = controller.target("dev")
    assert target.stall is None
    assert any("/data/DB" in said for said in target.warnings)


def test_admission_ignores_an_overlay_that_is_gone(controller: Controller) -> None:
    controller.reasons("dev", "prod")
    text = (controller.origin.root / PIPELINE).read_text()
    git(controller.origin.root, "rm", "-r", "--quiet", "environments/prod")
    controller.origin.write({PIPELINE: text.replace("  prod: {namespace: shop-prod, after: dev}\n", "")})
    controller.origin.write({DEV: overlay("dev").replace("db-of-dev", "db-of-prod")})
    controller.take_in()
    assert [said for said in controller.target("dev").warnings if "prod" not in said] == []
    assert controller.reasons("dev") == {}


def test_admission_ignores_an_overlay_that_does_not_render(controller: Controller) -> None:
    controller.origin.write({"environments/test/kustomization.yaml": "resources: [nowhere.yaml]\n"})
    controller.origin.release("test", controller.take_in())
    controller.take_in()
    assert controller.reasons("dev", "prod", "test") == {"test": "MissingFile"}


def test_admission_notices_a_change_that_only_the_reference_reads(controller: Controller) -> None:
    """Dev takes one directory of base and leaves the other one out."""
    base = "resources: [order, more]\nconfigMapGenerator:\n- {name: settings, literals: [A=b]}\n"
    own = (
        overlay("dev")
        .replace("[../../base]", "[../../base/order]")
        .replace("behavior: merge, literals: [", "literals: [A=b, ")
    )
    controller.origin.write({"base/kustomization.yaml": base, "base/more/one.yaml": service("one"), DEV: own})
    controller.origin.write({"base/more/kustomization.yaml": "resources: [one.yaml]\n"})
    controller.origin.append(PIPELINE, "- {objects: [{kind: Service, name: one}], environments: [dev]}\n")
    controller.take_in()
    controller.apply("dev")
    ran = controller.desired.at_head("dev").key
    assert controller.target("dev").warnings == ()
    controller.origin.write({"base/more/one.yaml": service("two")})
    controller.take_in()
    assert controller.desired.at_head("dev").key == ran, "dev reads no file of the changed directory"
    assert any("Service" in said and "two" in said for said in controller.target("dev").warnings)


def test_admission_admits_nothing_new_without_a_reference(controller: Controller) -> None:
    text = (controller.origin.root / PIPELINE).read_text()
    controller.origin.write({PIPELINE: f"reference: nowhere\n{text}"})
    controller.take_in()
    assert controller.reasons("dev", "prod") == {}, "running revisions are not stopped"
    assert any("nowhere" in said for said in controller.target("dev").warnings)
    controller.origin.append(DEV, "replicas: [{name: order, count: 2}]\n")
    controller.take_in()
    assert controller.reasons("dev", "prod") == {"dev": "NoReference"}


def test_admission_only_warns_in_observe_mode(controller: Controller) -> None:
    text = (controller.origin.root / PIPELINE).read_text()
    controller.origin.write({PIPELINE: text.replace("images: newest}", "images: newest, sync: {mode: observe}}")})
    controller.origin.append(DEV, PATCH)
    controller.take_in()
    target = controller.target("dev")
    assert target.stall is None
    assert any("/spec/paused" in said for said in target.warnings)


def test_admission_judges_the_new_head_if_it_arrives_in_between(controller: Controller) -> None:
    good = (controller.origin.root / DEV).read_text()
    controller.origin.append(DEV, PATCH)
    controller.take_in()
    controller.origin.write({DEV: good + "replicas: [{name: order, count: 2}]\n"})
    controller.desired.meanwhile = controller.take_in
    target = controller.target("dev")
    assert target.stall is None
    assert target.desired is not None
    assert target.desired.revision.base == controller.repo.head()


def test_admission_is_repeated_if_the_overlay_leaves_in_between(controller: Controller) -> None:
    git(controller.origin.root, "rm", "-r", "--quiet", "environments/dev")
    controller.desired.meanwhile = controller.take_in
    with pytest.raises(Conflict):
        controller.target("dev")
