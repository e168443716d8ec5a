"""Fuzz each target with 120 inputs, the same in every run. `make fuzz` tries as many as the time allows."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.core.kustomize.file_references import IMAGE, KUSTOMIZATION, PATCH, PLUGINS
from tests.fuzz.targets import TARGETS

TOKENS = [
    *(
        "resources",
        "bases",
        "images",
        "newTag",
        "digest",
        "name",
        "namespace",
        "kind",
        "apiVersion",
        "metadata",
        "path",
    ),
    *(
        "environments",
        "services",
        "trunk",
        "after",
        "base",
        "overlay",
        "waived",
        "who",
        "why",
        "since",
        "until",
        "List",
    ),
    *(
        "generators",
        "transformers",
        "builtin",
        "ConfigMapGenerator",
        "files",
        "items",
        "data",
        "Secret",
        "promote/prod/x",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n- ",
        "&a ",
        "*a",
        "<<: ",
        "!!binary ",
        "!!str ",
        "? ",
        "| ",
        "> ",
    ),
    *(
        "---",
        "---\n",
        "---#",
        "...",
        "#",
        '"',
        "'",
        "\\",
        "\0",
        "\r",
        "\t",
        "\u2028",
        "\u0085",
        "\ufeff",
        "\ud800",
        "%TAG",
    ),
    *(
        "../",
        "./",
        "//",
        "a",
        "g",
        "../../base",
        "http://h/x",
        "file:///x?ref=",
        "git@h:x",
        "github.com/a/b",
        "@",
        "=",
        "~",
    ),
    *(
        "null",
        "1.10",
        "0x1f",
        ".inf",
        "1e999",
        "9" * 30,
        "2026-11-26T00:00:00Z",
        "true",
        "sha256:" + "a" * 64,
        ":",
        "%",
    ),
    *("--skip-gate soak", "--reason x", "Services: shop", "[skip ci]", "password: x", "lockstep-system", "shop-dev"),
]
SOUP = st.lists(st.sampled_from(TOKENS), max_size=40).map("".join).map(lambda text: text.encode(errors="replace"))

NAMES = st.sampled_from(
    [*KUSTOMIZATION, *IMAGE, *PATCH, "items", "data", "stringData", "labels", "annotations", "base"]
)
WORDS = st.sampled_from([*TOKENS, *PLUGINS, "", "v1", "Kustomization", "List", "Namespace", "ClusterRoleBinding"])
SCALARS = WORDS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
OBJECTS = st.dictionaries(NAMES, TREES, max_size=8)
STRUCTURED = st.lists(OBJECTS.map(json.dumps).map(str.encode), min_size=1, max_size=3).map(b"\0".join)
WORKLOADS = st.builds(
    lambda kind, spec: json.dumps({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}),
    st.sampled_from(["Deployment", "Pod", "CronJob", "HorizontalPodAutoscaler", "CustomResourceDefinition", "Secret"]),
    st.dictionaries(st.sampled_from(["template", "jobTemplate", "scaleTargetRef", "names", "spec"]), TREES, max_size=3),
).map(str.encode)
ANY = (
    WORKLOADS
    | st.binary(max_size=300)
    | SOUP
    | STRUCTURED
    | STRUCTURED.map(lambda data: data.replace(b"\0", b"\n---\n"))
)


@pytest.mark.parametrize("name", TARGETS)
def test_a30_fuzz_target_shows_no_defect(name: str) -> None:
    @settings(max_examples=120, derandomize=True, database=None)
    @given(ANY)
    def examples(data: bytes) -> None:
        TARGETS[name](data)

    examples()


def pod(spec: bytes) -> bytes:
    start = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    spec: "
    return start + b"{" + spec + b"}\n"


FOUND: list[tuple[str, bytes]] = [
    ("render", pod(b"volumes: [{name: x, configMap: text}]")),
    ("render", pod(b"volumes: text")),
    ("walk", b"kind: [Kustomization]\nresources: [a]\n"),
    ("walk", b"resources: [a]\ntransformers: [g]\0kind: {a: b}\napiVersion: [builtin]\n"),
    ("render", b"apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: text}\n"),
    ("render", pod(b"containers: [{envFrom: [x], env: {a: b}}]")),
    ("render", b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: text\n"),
    ("render", b"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {jobTemplate: 1}\n"),
]
"""Target and input of every defect that was found and fixed."""


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_fuzz_inputs_that_showed_a_defect_stay_fixed(name: str, data: bytes) -> None:
    TARGETS[name](data)
