"""The reference that environments are compared with."""

from gitops.core.onboarding import reference
from gitops.core.onboarding.discovery import Graph, KustomizationDirectory

KNOWN: Graph = {
    "all": KustomizationDirectory("", ("api", "web")),
    "api": KustomizationDirectory(""),
    "web": KustomizationDirectory(""),
    "flag": KustomizationDirectory("", is_component=True),
}


def test_shared_directories_are_the_top_ones() -> None:
    assert reference.find_shared([("all", "api", "web"), ("all", "api", "web")], KNOWN) == ("all",)
    assert reference.find_shared([("all", "api", "web"), ("api",)], KNOWN) == ("api",)
    assert reference.find_shared([("api", "web"), ("api",), ("api", "web")], KNOWN) == ("api", "web")
    assert reference.find_shared([("api",)], KNOWN) == ("api",)


def test_shared_components_are_used_by_all() -> None:
    assert reference.find_shared([("api", "flag"), ("api", "flag")], KNOWN) == ("api", "flag")
    assert reference.find_shared([("api", "flag"), ("api", "flag"), ("api",)], KNOWN) == ("api",)


def test_reference_is_the_one_shared_directory() -> None:
    assert reference.build_reference({"": ("api",)}, KNOWN) == reference.ReferenceDirectory("api")


def test_reference_refers_to_several_shared_directories() -> None:
    found = reference.build_reference({"": ("api", "flag", "web")}, KNOWN)
    assert found.path == "base"
    [(file, text)] = found.files.items()
    assert file == "base/kustomization.yaml"
    assert text.decode().endswith("resources:\n- ../api\n- ../web\ncomponents:\n- ../flag\n")


def test_reference_is_free_and_not_below_its_parts() -> None:
    known = {**KNOWN, "base": KustomizationDirectory("")}
    assert reference.build_reference({"": ("base", "api")}, known).path == "reference"


def test_reference_of_services_is_where_the_contract_finds_it() -> None:
    known = {**KNOWN, "base/api": KustomizationDirectory("")}
    found = reference.build_reference({"api": ("base/api",), "web": ("web",)}, known)
    assert found.path == "base"
    assert list(found.files) == ["base/web/kustomization.yaml"]


def test_reference_of_nothing_is_empty() -> None:
    [text] = reference.build_reference({"": ()}, KNOWN).files.values()
    assert text.decode().endswith("resources: []\n")
