"""References of kustomizations and plugin configs: literal YAML -> paths and uses; canonical form."""

import pytest

from gitops.core.kustomize import file_references
from gitops.core.kustomize.file_references import ReferenceUse
from gitops.core.parsing import yaml_reader
from gitops.core.parsing.yaml_reader import Document, YamlLimits
from tests.worlds.rejections import rejection

FILE = "base/kustomization.yaml"
PLUGINS = YamlLimits(documents=10)
GENERATOR = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: x}\nfiles: [a.txt]\n"


def document(text: str) -> Document:
    return yaml_reader.document(text.encode(), FILE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", []),
        ("resources: [a, b.yaml]", [("a", ReferenceUse.RESOURCE), ("b.yaml", ReferenceUse.RESOURCE)]),
        ("components: [../c]", [("../c", ReferenceUse.DIRECTORY)]),
        ("patches: [{path: p.yaml, target: {kind: Pod}}]", [("p.yaml", ReferenceUse.YAML)]),
        (
            "configMapGenerator: [{name: c, files: [a=b.txt, d.txt]}]",
            [("b.txt", ReferenceUse.DATA), ("d.txt", ReferenceUse.DATA)],
        ),
        ("generators: [g.yaml]", [("g.yaml", ReferenceUse.PLUGIN)]),
        ("resources: ['']", []),
        ("images: [{name: a, newTag: '1'}]", []),
    ],
)
def test_references(text: str, expected: list[tuple[str, ReferenceUse]]) -> None:
    found = file_references.references(document(text))
    assert [(each.text, each.use) for each in found] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]", ("InvalidKustomization", f"{FILE}:1")),
        ("kind: Deployment", ("InvalidKustomization", f"{FILE}:1")),
        ("kind: [Kustomization]", ("InvalidKustomization", f"{FILE}:1")),
        ("namespace: a\nResources: [b]", ("InvalidKustomization", f"{FILE}:2")),
        ("resources: a", ("InvalidKustomization", f"{FILE}:1")),
        ("resources:\n- {a: b}", ("InvalidKustomization", f"{FILE}:2")),
        ("images: [{name: a, newTag: 1.10}]", ("InvalidKustomization", f"{FILE}:1")),
        ("helmCharts: []", ("HelmRefused", f"{FILE}:1")),
    ],
)
def test_reference_errors(text: str, expected: tuple[str, str]) -> None:
    assert rejection(lambda: file_references.references(document(text))) == expected


def test_references_of_plugin_configs() -> None:
    found = file_references.plugin_documents(GENERATOR.encode(), "g.yaml", PLUGINS)
    assert [(each.text, each.use) for each in file_references.plugin_references(found)] == [
        ("a.txt", ReferenceUse.DATA)
    ]


@pytest.mark.parametrize(
    "text",
    ["apiVersion: x/v1\nkind: ConfigMapGenerator", "apiVersion: builtin\nkind: HelmChartInflationGenerator", "- a"],
)
def test_references_of_other_plugins_are_refused(text: str) -> None:
    found = file_references.plugin_documents(text.encode(), "g.yaml", PLUGINS)
    assert rejection(lambda: file_references.plugin_references(found))[0] == "PluginRefused"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resources: [a]  # why\n", b'{"resources": ["a"]}\n'),
        ("x: &a [1]\ny: *a\n", b'{"x": [1], "y": [1]}\n'),
        ("commonLabels: {a: 'on'}\n", b'{"commonLabels": {"a": "on"}}\n'),
        ('commonLabels: {a: "\\u2028"}\n', b'{"commonLabels": {"a": "\\u2028"}}\n'),
    ],
)
def test_canonical_form(text: str, expected: bytes) -> None:
    assert file_references.canonical(document(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/x", True),
        ("git::https://host/x", True),
        ("git@host:x", True),
        ("GitHub.com/x/y", True),
        ("base/x", False),
        ("a.yaml", False),
    ],
)
def test_remote_addresses(text: str, *, expected: bool) -> None:
    assert file_references.is_remote(text) is expected
