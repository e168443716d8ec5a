"""What environments are compared with."""

from gitops.core.onboarding import reference
from gitops.core.onboarding.discovery import Graph, KustomizationDirectory

KNOWN: Graph = {
    "all": KustomizationDirectory("", ("api", "web")),
    "api": KustomizationDirectory(""),
    "web": KustomizationDirectory(""),
    "flag": KustomizationDirectory("", is_component=True),
}


def test_the_top_of_what_several_use() -> None:
    assert reference.find_shared([("all", "api", "web"), ("all", "api", "web")], KNOWN) == ("all",)
    assert reference.find_shared([("all", "api", "web"), ("api",)], KNOWN) == ("api",)
    assert reference.find_shared([("api", "web"), ("api",), ("api", "web")], KNOWN) == ("api", "web")
    assert reference.find_shared([("api",)], KNOWN) == ("api",)


def test_components_that_all_use() -> None:
    assert reference.find_shared([("api", "flag"), ("api", "flag")], KNOWN) == ("api", "flag")
    assert reference.find_shared([("api", "flag"), ("api", "flag"), ("api",)], KNOWN) == ("api",)


def test_one_directory_is_the_reference_itself() -> None:
    assert reference.build_reference({"": ("api",)}, KNOWN) == reference.ReferenceDirectory("api")


def test_several_are_put_together() -> None:
    found = reference.build_reference({"": ("api", "flag", "web")}, KNOWN)
    assert found.path == "base"
    [(file, text)] = found.files.items()
    assert file == "base/kustomization.yaml"
    assert text.decode().endswith("resources:\n- ../api\n- ../web\ncomponents:\n- ../flag\n")


def test_a_place_that_is_free_and_not_below_its_parts() -> None:
    known = {**KNOWN, "base": KustomizationDirectory("")}
    assert reference.build_reference({"": ("base", "api")}, known).path == "reference"


def test_services_where_the_contract_finds_them() -> None:
    known = {**KNOWN, "base/api": KustomizationDirectory("")}
    found = reference.build_reference({"api": ("base/api",), "web": ("web",)}, known)
    assert found.path == "base"
    assert list(found.files) == ["base/web/kustomization.yaml"]


def test_nothing_shared() -> None:
    [text] = reference.build_reference({"": ()}, KNOWN).files.values()
    assert text.decode().endswith("resources: []\n")
