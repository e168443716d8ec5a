"""The directories that are deployed, found by names and references alone."""

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


def test_graph_of_kustomizations() -> None:
    known = graph(
        {**BASE, "c": "kind: Component", "o": "resources: [../base, x.yaml]\ncomponents: [../c]\nnamePrefix: a-"}
    )
    assert known["o"].refers == ("base", "c")
    assert (known["o"].prefix, known["c"].is_component) == ("a-", True)


def test_graph_of_a_file_that_cannot_be_parsed_has_no_references() -> None:
    assert graph({"o": "resources: {a: b}"})["o"].refers == ()
    assert graph({"o": ": ["})["o"].refers == ()


def test_graph_has_images_by_their_rendered_names() -> None:
    known = graph({"o": "images: [{name: a}, {name: b, newName: r/b}]"})
    assert known["o"].images == {"a", "r/b"}


def test_environments_with_one_overlay_each() -> None:
    files = {**BASE, "overlays/dev": "resources: [../../base]", "overlays/prod": "resources: [../../base]"}
    assert found(files) == [("dev", "", "overlays/dev"), ("prod", "", "overlays/prod")]


def test_environments_with_services() -> None:
    files = {f"{name}/overlays/{env}": "{}" for name in ("api", "web") for env in ("dev", "prod")}
    assert found(files) == [
        ("dev", "api", "api/overlays/dev"),
        ("dev", "web", "web/overlays/dev"),
        ("prod", "api", "api/overlays/prod"),
        ("prod", "web", "web/overlays/prod"),
    ]
    assert found(files, "api") == [("dev", "", "api/overlays/dev"), ("prod", "", "api/overlays/prod")]


def test_environments_leave_out_directories_that_another_root_refers_to() -> None:
    files = {
        "environments/overlays/dev": "{}",
        "clusters/eu/overlays/dev": "resources: [../../../../environments/overlays/dev]",
        "overlays/prod": "resources: [api]",
        "overlays/prod/api": "{}",
    }
    assert found(files) == [("dev", "", "clusters/eu/overlays/dev"), ("prod", "", "overlays/prod")]


def test_environments_of_unknown_names_beside_known_ones_are_left_out() -> None:
    files = {"overlays/dev": "{}", "overlays/cicd": "{}", "overlays/prod": "{}"}
    result = discovery.find_environments(graph(files))
    assert sorted(root.environment for root in result.roots) == ["dev", "prod"]
    assert result.left_out == ("overlays/cicd",)


def test_environments_of_unknown_names_alone() -> None:
    assert found({"overlays/eu": "{}", "overlays/us": "{}"}) == [("eu", "", "overlays/eu"), ("us", "", "overlays/us")]


def test_environments_are_no_components() -> None:
    assert found({"overlays/dev": "kind: Component", "overlays/prod": "{}"}) == [("prod", "", "overlays/prod")]


def test_environments_that_a_person_named() -> None:
    known = graph({"a": "{}", "b/api": "{}", "b/web": "resources: [../lib]", "b/lib": "{}"})
    assert discovery.take_environments(known, {"dev": "a"}).roots == (OverlayRoot("dev", "a"),)
    roots = discovery.take_environments(known, {"dev": "b"}).roots
    assert [(root.service, root.path) for root in roots] == [("api", "b/api"), ("web", "b/web")]
    assert rejection(lambda: discovery.take_environments(known, {"dev": "nowhere"}))[0] == "NotFound"


def test_suspected_twins_share_a_directory_that_is_no_component() -> None:
    known = graph({"base": "{}", "c": "kind: Component", "a": "resources: [../base]", "b": "resources: [../base]"})
    roots = (OverlayRoot("dev", "a", "a"), OverlayRoot("dev", "b", "b"), OverlayRoot("prod", "a", "a"))
    assert list(discovery.find_suspected_twins(roots, known)) == [(roots[0], roots[1])]


def test_target_of_a_root() -> None:
    assert (OverlayRoot("dev", "x").target, OverlayRoot("dev", "x", "api").overlay) == ("environments/dev", "dev/api")
