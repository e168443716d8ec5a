"""`lockstep init` on repos in common layouts, with real git and real kustomize."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from gitops.core.config_repo import layout, pipeline, release
from gitops.local.cluster import binaries
from tests.worlds.git import git
from tests.worlds.onboarded_repo import REPLICAS, People, at, base, made, overlay

DIGEST = "sha256:" + "a" * 64
SINGLE = {
    **at("base", base()),
    **at("overlays/dev", overlay("dev")),
    **at("overlays/qa", overlay("qa")),
    **at("overlays/prod", overlay("prod", more=REPLICAS)),
}
SERVICES = {
    **{key: text for name in ("api", "web") for key, text in at(f"apps/{name}/base", base(name)).items()},
    **{
        key: text
        for name in ("api", "web")
        for env in ("staging", "production")
        for key, text in at(f"apps/{name}/overlays/{env}", overlay(env)).items()
    },
}
BELOW = {
    **{key: text for name in ("api", "web") for key, text in at(f"base/{name}", base(name)).items()},
    **{
        key: text
        for name in ("api", "web")
        for env in ("dev", "prod")
        for key, text in at(f"env/{env}/{name}", overlay(env, f"../../../base/{name}")).items()
    },
}
SHARED = {
    **at("components/api/base", base()),
    **at("components/web/base", base("web")),
    **{
        key: text
        for env in ("dev", "prod")
        for key, text in {
            **at(
                f"environments/overlays/{env}",
                overlay(env, "../../../components/api/base\n- ../../../components/web/base\n- extra.yaml"),
            ),
            f"environments/overlays/{env}/extra.yaml": "{apiVersion: v1, kind: Service, metadata: {name: extra}}\n",
            f"clusters/eu/overlays/{env}/kustomization.yaml": f"resources: [../../../../environments/overlays/{env}]\n",
        }.items()
    },
}
IN_PLACE = {
    **at("base", base()),
    **at("environments/dev", overlay("dev")),
    **at("environments/prod", overlay("prod", more=REPLICAS)),
}
SIBLINGS = {
    **at("deploy/base", base()),
    **at("deploy/development", overlay("development", "../base")),
    **at("deploy/production", overlay("production", "../base", REPLICAS)),
}
CHAINED = {
    **at("base", base()),
    **at("overlays/staging", overlay("staging", more=REPLICAS)),
    **at("overlays/production", overlay("production", "../staging", "labels: [{pairs: {tier: gold}}]\n")),
}
WITH_COMPONENT = {
    **SINGLE,
    "features/debug/kustomization.yaml": (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "patches:\n- target: {kind: Deployment}\n  patch: '- {op: add, path: /spec/paused, value: true}'\n"
    ),
    **at("overlays/dev", overlay("dev", more="components: [../../features/debug]\n")),
}
LAYOUTS: Mapping[str, tuple[Mapping[str, str], list[str], str]] = {
    "one overlay for each environment": (SINGLE, ["dev", "qa", "prod"], "base"),
    "overlays beside each service": (
        SERVICES,
        ["staging/api", "staging/web", "production/api", "production/web"],
        "base",
    ),
    "services below each environment": (BELOW, ["dev/api", "dev/web", "prod/api", "prod/web"], "base"),
    "several bases, and environments/ in use": (SHARED, ["dev", "prod"], "base"),
    "as Lockstep has it": (IN_PLACE, ["dev", "prod"], "base"),
    "base and environments side by side": (SIBLINGS, ["development", "production"], "deploy/base"),
    "one environment made of another": (CHAINED, ["staging", "production"], "base"),
    "a component in some environments": (WITH_COMPONENT, ["dev", "qa", "prod"], "base"),
}


@pytest.fixture(scope="session")
def kustomize() -> Path:
    return binaries.ensure("kustomize")


def declared(people: People) -> pipeline.Pipeline:
    return pipeline.parse(people.files()[pipeline.FILE].encode())


@pytest.mark.parametrize("repo_layout", LAYOUTS)
def test_init_is_followed_by_a_check_that_passes_until_a_difference_is_undeclared(
    repo_layout: str, tmp_path: Path, kustomize: Path
) -> None:
    files, overlays, reference = LAYOUTS[repo_layout]
    people = made(tmp_path, kustomize, files)
    ran = people.lockstep("init")
    assert ran.code == 0, ran.said
    found = declared(people)
    assert [each.name for each in layout.overlays(found, people.files().keys())] == overlays
    assert found.reference == reference
    assert all(str(each.sync.mode) == "observe" for each in found.environments.values())
    checked = people.lockstep("check")
    assert checked.code == 0, checked.said
    assert {path: text for path, text in people.files().items() if path in files} == files, (
        "existing files are not changed"
    )
    file = f"environments/{overlays[-1]}/kustomization.yaml"
    people.write({file: f"{people.files()[file]}\ncommonAnnotations: {{undeclared: 'yes'}}\n"})
    checked = people.lockstep("check")
    assert checked.code == 1, checked.said
    assert "/metadata/annotations/undeclared" in checked.said


def test_init_proposes_only_variations_that_are_needed(tmp_path: Path, kustomize: Path) -> None:
    people = made(tmp_path, kustomize, {**WITH_COMPONENT, **at("overlays/qa", overlay("qa", more=NEW_OBJECT))})
    people.write({"overlays/qa/extra.yaml": "{apiVersion: v1, kind: Service, metadata: {name: extra}}\n"})
    assert people.lockstep("init").code == 0
    text = people.files()[pipeline.FILE]
    whole = yaml.safe_load(text)
    assert len(whole["variations"]) == 3
    for number in range(len(whole["variations"])):
        fewer = [each for at_, each in enumerate(whole["variations"]) if at_ != number]
        people.write({pipeline.FILE: yaml.safe_dump({**whole, "variations": fewer}, sort_keys=False)})
        assert people.lockstep("check").code == 1, whole["variations"][number]
    people.write({pipeline.FILE: text})
    assert people.lockstep("check").code == 0


NEW_OBJECT = "- extra.yaml\n"


def test_init_run_again_locks_later_environments_to_the_commit(tmp_path: Path, kustomize: Path) -> None:
    people = made(tmp_path, kustomize, SINGLE)
    assert people.lockstep("init").code == 0
    early = people.lockstep("init")
    assert early.code == 1
    assert "first commit the files that `lockstep init` wrote" in early.said
    commit = people.commit("adopted")
    assert people.lockstep("init").code == 0
    for name in ("qa", "prod"):
        found = release.parse_release(people.files()[f"environments/{name}/release.yaml"].encode(), "release.yaml")
        assert (found.base, found.overlay, found.waived) == (commit, commit, "adoption")
    assert "environments/dev/release.yaml" not in people.files()
    people.commit("locked")
    assert people.lockstep("check", "--next").code == 0
    third = people.lockstep("init")
    assert third.code == 0
    assert git(people.root, "status", "--porcelain") == ""


def test_init_writes_equal_files_for_equal_repos(tmp_path: Path, kustomize: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = made(tmp_path / "a", kustomize, SERVICES), made(tmp_path / "b", kustomize, SERVICES)
    assert one.lockstep("init").code == two.lockstep("init").code == 0
    assert one.files() == two.files()


def test_init_print_writes_nothing(tmp_path: Path, kustomize: Path) -> None:
    people = made(tmp_path, kustomize, SINGLE)
    ran = people.lockstep("init", "--print")
    assert ran.code == 0
    assert "--- environments/pipeline.yaml" in ran.said
    assert people.files() == SINGLE


def test_init_overwrites_nothing(tmp_path: Path, kustomize: Path) -> None:
    """A base in environments/base has to move, so the overlays beside it would have to change."""
    files = {**at("environments/base", base())}
    files |= at("environments/dev", overlay("dev", "../base")) | at("environments/prod", overlay("prod", "../base"))
    people = made(tmp_path, kustomize, files)
    ran = people.lockstep("init")
    assert ran.code == 1
    assert "environments/dev/kustomization.yaml" in ran.said
    assert "--output" in ran.said
    assert people.files() == files
    ran = people.lockstep("init", "--output", str(tmp_path / "new"))
    assert ran.code == 0, ran.said
    assert people.files() == files
    new = People(tmp_path / "new", people.environment)
    assert "../../base" in new.files()["environments/dev/kustomization.yaml"]
    assert new.lockstep("check").code == 0
    assert people.lockstep("init", "--output", str(tmp_path / "new")).code == 1


def test_init_output_holds_only_the_files_that_are_read(tmp_path: Path, kustomize: Path) -> None:
    people = made(tmp_path, kustomize, {**SHARED, "README.md": "hello\n"})
    assert people.lockstep("init", "--output", str(tmp_path / "new")).code == 0
    new = People(tmp_path / "new", people.environment)
    assert new.lockstep("check").code == 0
    kept = [path for path in new.files() if path in people.files()]
    assert sorted(kept) == sorted(path for path in SHARED if path.startswith("components/"))


def test_init_reports_a_remote_resource_and_onboards_the_other_environments(tmp_path: Path, kustomize: Path) -> None:
    remote = overlay("prod", more="- https://user:secret@github.com/org/repo?ref=v1\n")
    people = made(tmp_path, kustomize, {**SINGLE, **at("overlays/prod", remote)})
    ran = people.lockstep("init")
    assert ran.code == 1
    assert "overlays/prod/kustomization.yaml:5" in ran.said
    assert "vendor" in ran.said
    assert "secret" not in ran.said
    assert list(declared(people).environments) == ["dev", "qa"]
    assert people.lockstep("check").code == 0


class TestForeignNames:
    """`lockstep init` never accepts an environment that names another one."""

    FILES: Mapping[str, str] = {
        **SINGLE,
        **at("overlays/prod", overlay("prod", more="patches: [{path: env.yaml}]\n")),
        "overlays/prod/env.yaml": (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\n"
            "spec: {template: {spec: {containers: [{name: app, env: [{name: DB, value: db.shop-qa.svc}]}]}}}\n"
        ),
    }

    def test_foreign_name_is_reported_with_its_object(self, tmp_path: Path, kustomize: Path) -> None:
        people = made(tmp_path, kustomize, self.FILES)
        ran = people.lockstep("init")
        assert ran.code == 1
        assert "prod: names qa: Deployment api" in ran.said
        assert people.lockstep("check").code == 1

    def test_foreign_name_prevents_the_lock(self, tmp_path: Path, kustomize: Path) -> None:
        people = made(tmp_path, kustomize, self.FILES)
        people.lockstep("init")
        people.commit()
        ran = people.lockstep("init")
        assert ran.code == 1
        assert "nothing was locked" in ran.said
        assert not [path for path in people.files() if path.endswith("release.yaml")]

    def test_foreign_name_is_allowed_by_the_proposed_line(self, tmp_path: Path, kustomize: Path) -> None:
        people = made(tmp_path, kustomize, self.FILES)
        people.lockstep("init")
        text = people.files()[pipeline.FILE]
        [line] = [each for each in text.splitlines() if each.startswith("# - ")]
        assert "names: [qa]" in line
        people.write({pipeline.FILE: text.replace(line, line.removeprefix("# "))})
        ran = people.lockstep("check")
        assert ran.code == 0, ran.said


class TestServices:
    IMAGES = "images: [{{name: r.example/shop/api, newTag: {tag}{digest}}}]\n"

    def files(self, digest: str = "") -> Mapping[str, str]:
        return {
            **at("base", base()),
            **at("overlays/dev", overlay("dev", more=self.IMAGES.format(tag="1.5.0", digest=digest))),
            **at("overlays/prod", overlay("prod", more=self.IMAGES.format(tag="1.4.2", digest=digest))),
        }

    def test_services_are_found_from_pinned_images(self, tmp_path: Path, kustomize: Path) -> None:
        people = made(tmp_path, kustomize, self.files(f", digest: '{DIGEST}'"))
        assert people.lockstep("init").code == 0
        found = declared(people)
        assert {name: (each.image, each.tags.semver) for name, each in found.services.items()} == {
            "api": ("r.example/shop/api", ">=1.4 <2")
        }
        assert [each.host for each in found.registries] == ["r.example"]
        assert found.variations == ()

    def test_services_are_only_proposed_for_images_without_a_digest(self, tmp_path: Path, kustomize: Path) -> None:
        people = made(tmp_path, kustomize, self.files())
        assert people.lockstep("init").code == 0
        assert declared(people).services == {}
        assert "#   api: {image: r.example/shop/api" in people.files()[pipeline.FILE]
        file = "environments/prod/kustomization.yaml"
        text = people.files()[file]
        people.write({file: text.replace("1.4.2", "1.4.3")})
        assert people.lockstep("check").code == 0
        people.write({file: text.replace("newTag", "newName: other.example/api, newTag")})
        assert people.lockstep("check").code == 1


class TestInitOptions:
    def test_option_namespace_is_asked_for_where_none_is_set(self, tmp_path: Path, kustomize: Path) -> None:
        bare = {path: text.replace("namespace: shop-", "# ") for path, text in SINGLE.items()}
        people = made(tmp_path, kustomize, bare)
        ran = people.lockstep("init")
        assert ran.code == 1
        assert "--namespace dev=NAMESPACE" in ran.said
        assert people.files() == bare
        chosen = [option for name in ("dev", "qa", "prod") for option in ("--namespace", f"{name}=x-{name}")]
        assert people.lockstep("init", *chosen).code == 0
        assert [each.namespace for each in declared(people).environments.values()] == ["x-dev", "x-qa", "x-prod"]

    def test_option_order_is_asked_for_where_names_do_not_tell(self, tmp_path: Path, kustomize: Path) -> None:
        files = {**at("base", base()), **at("overlays/eu", overlay("eu")), **at("overlays/us", overlay("us"))}
        people = made(tmp_path, kustomize, files)
        ran = people.lockstep("init")
        assert ran.code == 1
        assert "--order eu,us" in ran.said
        assert people.lockstep("init", "--order", "us,eu").code == 0
        assert {name: each.after for name, each in declared(people).environments.items()} == {"us": None, "eu": "us"}

    def test_option_environment_names_directories(self, tmp_path: Path, kustomize: Path) -> None:
        files = {**at("base", base()), **at("one/here", overlay("a")), **at("two/there", overlay("b"))}
        people = made(tmp_path, kustomize, files)
        assert people.lockstep("init").code == 1
        ran = people.lockstep("init", "--environment", "first=one/here", "--environment", "last=two/there/")
        assert ran.code == 0, ran.said
        assert declared(people).order == ("first", "last")

    def test_option_path_is_asked_for_where_each_cluster_has_the_same_environments(
        self, tmp_path: Path, kustomize: Path
    ) -> None:
        files = {**at("base", base())}
        for cluster in ("asia", "eu"):
            for name in ("dev", "prod"):
                files |= at(f"clusters/{cluster}/overlays/{name}", overlay(name, "../../../../base"))
        people = made(tmp_path, kustomize, files)
        ran = people.lockstep("init")
        assert ran.code == 1
        assert "`lockstep init clusters/asia`" in ran.said
        assert people.lockstep("init", "clusters/asia").code == 0

    def test_option_context_is_set_where_environments_share_a_namespace(self, tmp_path: Path, kustomize: Path) -> None:
        files = {**at("base", base()), **at("overlays/dev", overlay("x")), **at("overlays/prod", overlay("x"))}
        people = made(tmp_path, kustomize, files)
        assert people.lockstep("init").code == 0
        assert {name: each.context for name, each in declared(people).environments.items()} == {
            "dev": "dev",
            "prod": "prod",
        }

    @pytest.mark.parametrize(
        ("option", "value"), [("environment", "dev"), ("environment", "Dev=x"), ("namespace", "dev=A_b")]
    )
    def test_option_with_a_wrong_value_is_refused(
        self, option: str, value: str, tmp_path: Path, kustomize: Path
    ) -> None:
        people = made(tmp_path, kustomize, SINGLE)
        ran = people.lockstep("init", f"--{option}", value)
        assert (ran.code, "InvalidOption" in ran.said) == (2, True)


class TestInitRefusals:
    def test_init_is_refused_without_kustomizations(self, tmp_path: Path, kustomize: Path) -> None:
        ran = made(tmp_path, kustomize, {"charts/api/Chart.yaml": "name: api\n"}).lockstep("init")
        assert (ran.code, "NoEnvironments" in ran.said) == (2, True)

    def test_init_is_refused_outside_git(self, tmp_path: Path, kustomize: Path) -> None:
        people = made(tmp_path, kustomize, SINGLE)
        (tmp_path / "elsewhere").mkdir()
        ran = people.lockstep("init", str(tmp_path / "elsewhere"))
        assert (ran.code, "git init" in ran.said) == (2, True)

    def test_init_is_refused_below_the_root_of_a_git_repository(self, tmp_path: Path, kustomize: Path) -> None:
        files = {f"deploy/{path}": text for path, text in IN_PLACE.items()}
        people = made(tmp_path, kustomize, files)
        ran = people.lockstep("init", "deploy")
        assert (ran.code, "is not the root of a git repository" in ran.said) == (2, True)
        assert people.files() == files

    def test_init_is_refused_in_a_bare_repository_without_output(self, tmp_path: Path, kustomize: Path) -> None:
        people = made(tmp_path, kustomize, SINGLE)
        git(tmp_path, "clone", "--quiet", "--bare", str(people.root), "bare.git")
        ran = people.lockstep("init", str(tmp_path / "bare.git"))
        assert (ran.code, "--output" in ran.said) == (2, True)
        assert people.lockstep("init", str(tmp_path / "bare.git"), "--output", str(tmp_path / "new")).code == 0
        assert (tmp_path / "new/environments/prod/kustomization.yaml").exists()

    def test_init_is_refused_with_an_unknown_base(self, tmp_path: Path, kustomize: Path) -> None:
        ran = made(tmp_path, kustomize, SINGLE).lockstep("init", "--base", "nowhere")
        assert (ran.code, "there is no kustomization in nowhere" in ran.said) == (2, True)


def test_init_declares_a_prefix_instead_of_a_variation(tmp_path: Path, kustomize: Path) -> None:
    files = {**at("base", base()), "base/service.yaml": "{apiVersion: v1, kind: Service, metadata: {name: api}}\n"}
    files["base/kustomization.yaml"] = "resources: [deployment.yaml, service.yaml]\n"
    for name in ("dev", "prod"):
        files |= at(f"overlays/{name}", overlay(name, more=f"namePrefix: {name}-\n"))
    people = made(tmp_path, kustomize, files)
    assert people.lockstep("init").code == 0
    assert [each.prefix for each in declared(people).environments.values()] == ["dev-", "prod-"]
    assert declared(people).variations == ()


def test_init_allows_cluster_scoped_kinds_by_name(tmp_path: Path, kustomize: Path) -> None:
    files = {**at("base", base()), "base/ns.yaml": "{apiVersion: v1, kind: Namespace, metadata: {name: any}}\n"}
    files["base/kustomization.yaml"] = "resources: [deployment.yaml, ns.yaml]\n"
    files |= at("overlays/dev", overlay("dev")) | at("overlays/prod", overlay("prod"))
    people = made(tmp_path, kustomize, files)
    ran = people.lockstep("init")
    assert ran.code == 0, ran.said
    assert declared(people).environments["prod"].sync.allow.cluster == ("Namespace",)


def test_init_compares_environments_without_a_base(tmp_path: Path, kustomize: Path) -> None:
    """Without a base the environments are compared with each other."""
    files: dict[str, str] = {}
    for name in ("dev", "prod"):
        more = REPLICAS if name == "prod" else ""
        files |= at(f"overlays/{name}", overlay(name, "mine", more))
        files |= at(f"overlays/{name}/mine", base())
    people = made(tmp_path, kustomize, files)
    ran = people.lockstep("init")
    assert ran.code == 0, ran.said
    found = declared(people)
    assert [each.name for each in found.variations] == ["replicas", "in every environment"]
    file = "environments/prod/mine/deployment.yaml"
    people.write({file: people.files()[file].replace("info", "debug")})
    assert people.lockstep("check").code == 1
