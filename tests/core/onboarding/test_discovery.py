"""Which directories are deployed, told from names and references alone."""

from collections.abc import Mapping

from gitops.core.onboarding import discovery
from gitops.core.onboarding.discovery import Graph, OverlayRoot
from tests.worlds.rejections import rejection
from tests.worlds.trees import Trees


def graph(files: Mapping[str, str]) -> Graph:
    trees = Trees()
    return discovery.build_graph(
        trees.tree({f"{path}/kustomization.yaml": text for path, text in files.items()}), trees.read
    )


def found(files: Mapping[str, str], within: str = "") -> list[tuple[str, str, str]]:
    roots = discovery.find_environments(graph(files), within).roots
    return sorted((root.environment, root.service, root.path) for root in roots)


BASE = {"base": "resources: [d.yaml]"}


def test_graph() -> None:
    known = graph(
        {**BASE, "c": "kind: Component", "o": "resources: [../base, x.yaml]\ncomponents: [../c]\nnamePrefix: a-"}
    )
    assert known["o"].refers == ("base", "c")
    assert (known["o"].prefix, known["c"].is_component) == ("a-", True)


def test_what_cannot_be_read_refers_to_nothing() -> None:
    assert graph({"o": "resources: {a: b}"})["o"].refers == ()
    assert graph({"o": ": ["})["o"].refers == ()


def test_images_go_by_what_they_become() -> None:
    known = graph({"o": "images: [{name: a}, {name: b, newName: r/b}]"})
    assert known["o"].images == {"a", "r/b"}


def test_one_overlay_each() -> None:
    files = {**BASE, "overlays/dev": "resources: [../../base]", "overlays/prod": "resources: [../../base]"}
    assert found(files) == [("dev", "", "overlays/dev"), ("prod", "", "overlays/prod")]


def test_services() -> None:
    files = {f"{name}/overlays/{env}": "{}" for name in ("api", "web") for env in ("dev", "prod")}
    assert found(files) == [
        ("dev", "api", "api/overlays/dev"),
        ("dev", "web", "web/overlays/dev"),
        ("prod", "api", "api/overlays/prod"),
        ("prod", "web", "web/overlays/prod"),
    ]
    assert found(files, "api") == [("dev", "", "api/overlays/dev"), ("prod", "", "api/overlays/prod")]


def test_what_another_one_of_the_environment_brings_is_no_root() -> None:
    files = {
        "environments/overlays/dev": "{}",
        "clusters/eu/overlays/dev": "resources: [../../../../environments/overlays/dev]",
        "overlays/prod": "resources: [api]",
        "overlays/prod/api": "{}",
    }
    assert found(files) == [("dev", "", "clusters/eu/overlays/dev"), ("prod", "", "overlays/prod")]


def test_unknown_names_beside_known_ones_are_left_out() -> None:
    files = {"overlays/dev": "{}", "overlays/cicd": "{}", "overlays/prod": "{}"}
    result = discovery.find_environments(graph(files))
    assert sorted(root.environment for root in result.roots) == ["dev", "prod"]
    assert result.left_out == ("overlays/cicd",)


def test_unknown_names_alone() -> None:
    assert found({"overlays/eu": "{}", "overlays/us": "{}"}) == [("eu", "", "overlays/eu"), ("us", "", "overlays/us")]


def test_components_are_no_environments() -> None:
    assert found({"overlays/dev": "kind: Component", "overlays/prod": "{}"}) == [("prod", "", "overlays/prod")]


def test_chosen() -> None:
    known = graph({"a": "{}", "b/api": "{}", "b/web": "resources: [../lib]", "b/lib": "{}"})
    assert discovery.take_environments(known, {"dev": "a"}).roots == (OverlayRoot("dev", "a"),)
    roots = discovery.take_environments(known, {"dev": "b"}).roots
    assert [(root.service, root.path) for root in roots] == [("api", "b/api"), ("web", "b/web")]
    assert rejection(lambda: discovery.take_environments(known, {"dev": "nowhere"}))[0] == "NotFound"


def test_suspects_share_what_is_no_component() -> None:
    known = graph({"base": "{}", "c": "kind: Component", "a": "resources: [../base]", "b": "resources: [../base]"})
    roots = (OverlayRoot("dev", "a", "a"), OverlayRoot("dev", "b", "b"), OverlayRoot("prod", "a", "a"))
    assert list(discovery.find_suspected_twins(roots, known)) == [(roots[0], roots[1])]


def test_targets() -> None:
    assert (OverlayRoot("dev", "x").target, OverlayRoot("dev", "x", "api").overlay) == ("environments/dev", "dev/api")
