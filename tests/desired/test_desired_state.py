"""The desired state from real git and real kustomize: the revision rule, the overlays that a new head touches, broken
heads.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kustomize.builder import Kustomize
from gitops.core.errors import Rejected
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.ownership.applyset import PART_OF_LABEL, applyset_of
from gitops.core.revision import Revision
from gitops.desired.desired_state import DesiredState
from gitops.desired.overlay_render import ScopeRules
from gitops.local.cluster import binaries
from gitops.render.builds import Builds
from tests.worlds.git import Remote, git
from tests.worlds.ports import HashKey

PIPELINE = b"""services: {app: {image: registry.example/app, tags: {semver: ">=1"}}}
environments:
  dev: {namespace: shop-dev, images: newest}
  prod: {namespace: shop-prod, after: dev}
"""
BASE = {
    "base/app/kustomization.yaml": b"resources: [app.yaml]\n",
    "base/app/app.yaml": b"""apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec: {template: {spec: {containers: [{name: app, image: registry.example/app}]}}}
""",
}


def overlay(environment: str, tag: str) -> bytes:
    return f"""namespace: shop-{environment}
resources: [../../base/app]
images: [{{name: registry.example/app, newTag: "{tag}"}}]
""".encode()


TREE = {
    "environments/pipeline.yaml": PIPELINE,
    **BASE,
    "environments/dev/kustomization.yaml": overlay("dev", "1.0.0"),
    "environments/prod/kustomization.yaml": overlay("prod", "1.0.0"),
}


class Kinds:
    """The part of a cluster that these tests need: which kinds it serves. It does not serve those in `missing`."""

    def __init__(self) -> None:
        self.missing: set[str] = set()

    def is_namespaced(self, kind: tuple[str, str]) -> bool:
        if kind[1] in self.missing:
            raise Rejected("NoMatches", f"{kind[1]} is not served")
        return kind[1] not in {"Namespace", "ClusterRole"}


class Place:
    """A git remote, and a controller's view of it."""

    def __init__(self, directory: Path) -> None:
        self.remote = Remote(directory / "remote.git", TREE)
        self.kinds = Kinds()
        self.directory = directory
        self.repo = GitConfigRepo(self.remote.url, "main", directory / "clone")
        self.desired = self.fresh()

    def fresh(self, context: str | None = None) -> DesiredState:
        """Make a desired state as after a restart: only the renders on disk are kept."""
        cluster: Any = self.kinds
        renderer = Kustomize(binaries.ensure("kustomize"), self.directory / "renders")
        return DesiredState(
            self.repo,
            Builds(self.repo, renderer),
            cluster,
            ScopeRules(ScopeCeilings(), HashKey(), context),
        )

    def push(self, files: dict[str, bytes], message: str = "an edit") -> frozenset[str]:
        self.remote.write(files, message)
        return self.refresh()

    def refresh(self) -> frozenset[str]:
        self.repo.fetch()
        return self.desired.refresh()

    def release(self, base: str, overlay: str) -> dict[str, bytes]:
        return {"environments/prod/release.yaml": f"base: {base}\noverlay: {overlay}\n".encode()}

    def tag(self, name: str) -> str | None:
        return self.desired.at_head(name).images["app"].tag


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.repo.close()


def test_revision_of_the_first_environment_is_the_trunks_head(place: Place) -> None:
    assert place.refresh() == {"dev", "prod"}
    wanted = place.desired.at_head("dev")
    assert wanted.revision == Revision(place.remote.head(), place.remote.head())
    (manifest,) = wanted.manifests
    assert manifest.key.namespace == "shop-dev"
    assert manifest.body["metadata"]["labels"][PART_OF_LABEL] == applyset_of("dev")


def test_revision_of_a_later_environment_needs_a_release(place: Place) -> None:
    place.refresh()
    with pytest.raises(Rejected, match=r"environments/prod/release\.yaml") as refused:
        place.desired.at_head("prod")
    assert refused.value.reason == "NotReleased"


def test_revision_of_a_released_environment_keeps_base_and_settings(place: Place) -> None:
    first = place.remote.head()
    place.push(place.release(first, first))
    before = place.desired.at_head("prod").manifests
    assert place.push(
        {"base/app/app.yaml": BASE["base/app/app.yaml"].replace(b"spec: {template", b"spec: {paused: true, template")}
    ) == {"dev"}
    place.push({"environments/prod/kustomization.yaml": overlay("prod", "2.0.0")})
    wanted = place.desired.at_head("prod")
    assert wanted.manifests == before
    assert wanted.revision == Revision(first, first)
    assert wanted.waiting == ("settings on the trunk wait for a promotion",)
    assert "paused" in place.desired.at_head("dev").manifests[0].body["spec"]


def test_new_head_touches_only_overlays_that_reach_the_edit(place: Place) -> None:
    place.refresh()
    place.desired.at_head("dev")
    assert place.push({"README.md": b"hello"}) == {"prod"}  # refused so far, so it is looked at every time
    assert place.push({"environments/dev/kustomization.yaml": overlay("dev", "1.0.1")}) == {"dev", "prod"}
    assert place.tag("dev") == "1.0.1"


def test_new_head_without_an_edit_of_the_overlay_keeps_its_objects(place: Place) -> None:
    place.refresh()
    before = place.desired.at_head("dev")
    place.push({"README.md": b"hello"})
    assert place.desired.at_head("dev") is before


def test_new_head_touches_an_overlay_by_a_second_kustomization_file(place: Place) -> None:
    place.refresh()
    place.desired.at_head("dev")
    assert "dev" in place.push({"base/app/Kustomization": b"resources: []\n"})
    with pytest.raises(Rejected):
        place.desired.at_head("dev")


def test_broken_pipeline_stalls_every_overlay_and_keeps_the_last_valid_one(place: Place) -> None:
    place.refresh()
    place.push({"environments/pipeline.yaml": b"environments: [broken\n"})
    with pytest.raises(Rejected, match=r"environments/pipeline\.yaml:"):
        place.desired.at_head("dev")
    assert set(place.desired.overlays()) == {"dev", "prod"}
    restarted = place.fresh()
    assert restarted.refresh() == {"dev", "prod"}
    assert restarted.trouble() is not None
    with pytest.raises(Rejected, match=r"environments/pipeline\.yaml:"):
        restarted.at_head("dev")
    place.push({"environments/pipeline.yaml": PIPELINE})
    assert place.desired.trouble() is None
    assert place.tag("dev") == "1.0.0"


def test_admitted_revision_renders_while_the_head_is_broken(place: Place) -> None:
    place.refresh()
    good = place.desired.at_head("dev")
    place.push({"environments/dev/kustomization.yaml": b"resources: [missing.yaml]\n"})
    with pytest.raises(Rejected, match=r"missing\.yaml"):
        place.desired.at_head("dev")
    last = place.desired.at(place.desired.overlays()["dev"], good.revision)
    assert last.manifests == good.manifests


def test_admitted_revision_does_not_hide_edits_of_files_that_only_the_head_reads(place: Place) -> None:
    """A pass renders both revisions while the head is refused. A commit to a file of the head alone is noticed."""
    place.refresh()
    good = place.desired.at_head("dev")
    more = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {level: debug}\n"
    place.push({"base/app/kustomization.yaml": b"resources: [app.yaml, more.yaml]\n", "base/app/more.yaml": more})
    place.desired.at_head("dev")
    place.desired.at(place.desired.overlays()["dev"], good.revision)
    assert "dev" in place.push({"base/app/more.yaml": more.replace(b"debug", b"info")})
    bodies = [manifest.body for manifest in place.desired.at_head("dev").manifests]
    assert {"level": "info"} in [body.get("data") for body in bodies]


def test_applied_overlays_are_the_only_ones_rendered_to_judge_another_one(place: Place) -> None:
    place.refresh()
    assert place.desired.resolve_applied(set()) == {"dev": None, "prod": None}
    assert place.desired.known("dev") is None
    found = place.desired.resolve_applied({"dev"})["dev"]
    assert found is not None
    assert (found.head, found.desired) == (place.desired.head(), place.desired.at_head("dev"))


def test_release_off_the_trunk_is_refused(place: Place) -> None:
    first = place.remote.head()
    stray = place.remote.write(TREE, "a history of its own", start=None)
    assert stray != first
    place.push(place.release(first, first))
    with pytest.raises(Rejected) as refused:
        place.desired.at_head("prod")
    assert refused.value.reason in {"NotOnTrunk", "UnknownRevision"}


class TestRewrittenTrunk:
    """Prod is locked to a commit that a force-push removed from the trunk."""

    def rewrite(self, place: Place, *, keep: bool) -> tuple[str, frozenset[str]]:
        first = place.remote.head()
        place.push(place.release(first, first))
        place.desired.at_head("prod")
        if keep:
            place.repo.keep([first])
        files = {**TREE, **place.release(first, first), "environments/dev/kustomization.yaml": overlay("dev", "2.0.0")}
        place.remote.write(files, "a history of its own", start=None)
        return first, place.refresh()

    def test_rewritten_trunk_leaves_a_release_that_a_ref_keeps(self, place: Place) -> None:
        first, touched = self.rewrite(place, keep=True)
        assert touched == {"dev", "prod"}
        assert place.desired.at_head("prod").off_trunk == {first}
        assert place.tag("prod") == "1.0.0"
        assert place.desired.at_head("dev").off_trunk == frozenset()

    def test_rewritten_trunk_leaves_a_kept_release_in_a_new_clone_too(self, place: Place) -> None:
        first, _ = self.rewrite(place, keep=True)
        git(place.remote.directory, "gc", "--quiet", "--prune=now")
        place.repo.close()
        place.repo = GitConfigRepo(place.remote.url, "main", place.directory / "another")
        place.desired = place.fresh()
        place.refresh()
        assert place.desired.at_head("prod").off_trunk == {first}
        assert place.tag("prod") == "1.0.0"

    def test_rewritten_trunk_refuses_a_release_until_a_ref_keeps_it(self, place: Place) -> None:
        first, _ = self.rewrite(place, keep=False)
        with pytest.raises(Rejected, match=rf"commit {first[:12]} of release\.yaml is not on the trunk") as refused:
            place.desired.at_head("prod")
        assert refused.value.reason == "NotOnTrunk"
        git(place.remote.directory, "update-ref", f"refs/lockstep/base/{first}", first)
        place.refresh()
        assert place.tag("prod") == "1.0.0"


def test_overlay_that_left_git_is_touched_once(place: Place) -> None:
    place.refresh()
    place.desired.at_head("dev")
    pipeline = PIPELINE.replace(b"  prod: {namespace: shop-prod, after: dev}\n", b"")
    assert "prod" in place.push({"environments/pipeline.yaml": pipeline})
    assert set(place.desired.overlays()) == {"dev"}


def test_scope_of_a_kind_that_is_not_served_yet_is_asked_for_again(place: Place) -> None:
    place.kinds.missing = {"Widget"}
    widget = b"apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: w}\n"
    place.push({"base/app/widget.yaml": widget, "base/app/kustomization.yaml": b"resources: [app.yaml, widget.yaml]\n"})
    assert place.desired.at_head("dev").provisional
    place.kinds.missing = set()
    assert not place.desired.at_head("dev").provisional


def test_build_prints_what_is_deployed(place: Place) -> None:
    first = place.remote.head()
    place.push(place.release(first, first))
    place.push({"environments/prod/kustomization.yaml": overlay("prod", "2.0.0")})
    assert b"registry.example/app:1.0.0" in place.desired.build("prod")
    with pytest.raises(Rejected, match=r"it has dev, prod"):
        place.desired.build("nowhere")


APP = "registry.example/app"


def test_images_in_use_are_those_of_the_render(place: Place) -> None:
    place.refresh()
    assert place.desired.images_in_use("dev", APP) == {APP}
    assert place.desired.images_in_use("dev", "registry.example/other") == {APP}


def test_images_in_use_before_are_known_without_a_render(place: Place) -> None:
    """The head does not render, so the answer comes from the render before it."""
    place.refresh()
    place.desired.at_head("dev")
    place.push({"base/app/app.yaml": b"kind: [", "environments/dev/kustomization.yaml": overlay("dev", "2.0.0")})
    place.push({"environments/dev/kustomization.yaml": overlay("dev", "3.0.0")})
    assert place.desired.images_in_use("dev", APP) == {APP}
    assert place.desired.images_in_use("dev", "registry.example/other") is None


def test_images_in_use_since_the_new_head_are_known_at_once(place: Place) -> None:
    place.refresh()
    assert place.desired.images_in_use("dev", "registry.example/other") == {APP}
    place.push({"base/app/app.yaml": BASE["base/app/app.yaml"].replace(APP.encode(), b"registry.example/other")})
    assert place.desired.images_in_use("dev", "registry.example/other") == {"registry.example/other"}


def test_overlay_of_another_cluster_is_refused(place: Place) -> None:
    elsewhere = PIPELINE.replace(b"images: newest}", b"images: newest, context: shanghai}")
    place.push({"environments/pipeline.yaml": elsewhere})
    with pytest.raises(Rejected, match=r"dev belongs into the cluster `shanghai`") as refused:
        place.desired.at_head("dev")
    assert refused.value.reason == "OtherCluster"
    place.desired = place.fresh(context="shanghai")
    place.refresh()
    assert place.tag("dev") == "1.0.0"
