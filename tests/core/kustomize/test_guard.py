"""The files that a build reads, and what is refused before kustomize starts (each with file and line)."""

from collections.abc import Mapping

import pytest

from gitops.core.errors import Rejected
from gitops.core.kustomize import guard
from gitops.core.kustomize.guard import Closure, Guard
from tests import ROOT
from tests.worlds.rejections import rejection
from tests.worlds.trees import Link, Trees

DEV = "environments/dev"
FILE = f"{DEV}/kustomization.yaml"
Files = Mapping[str, str | Link]


def closed(files: Files, path: str = DEV) -> Closure:
    trees = Trees()
    return guard.closure(trees.tree(files), trees.read, path)


def refusal(text: str, files: Files | None = None) -> tuple[str, str]:
    return rejection(lambda: closed({FILE: text, **(files or {})}))


def plugin(kind: str, fields: str) -> str:
    return f"apiVersion: builtin\nkind: {kind}\nmetadata: {{name: x}}\n{fields}\n"


READS: dict[str, str] = {
    "resources: [f]": "f",
    "crds: [f]": "f",
    "configurations: [f]": "f",
    "openapi: {path: f}": "f",
    "patches: [{path: f}]": "f",
    "patchesJson6902: [{path: f, target: {kind: A, name: b}}]": "f",
    "patchesStrategicMerge: [f]": "f",
    "replacements: [{path: f}]": "f",
    "configMapGenerator: [{name: a, files: [f]}]": "f",
    "configMapGenerator: [{name: a, files: [key=f]}]": "f",
    "configMapGenerator: [{name: a, envs: [f]}]": "f",
    "configMapGenerator: [{name: a, env: f}]": "f",
    "secretGenerator: [{name: a, files: [f], type: Opaque}]": "f",
    "secretGenerator: [{name: a, envs: [f]}]": "f",
}
for section in ("generators", "transformers", "validators"):
    READS |= {
        f"{section}:\n- |\n  " + plugin(kind, fields).replace("\n", "\n  "): "f"
        for kind, fields in (
            ("ConfigMapGenerator", "files: [f]"),
            ("ConfigMapGenerator", "envs: [f]"),
            ("SecretGenerator", "env: f"),
            ("PatchTransformer", "path: f"),
            ("PatchJson6902Transformer", "path: f"),
            ("PatchStrategicMergeTransformer", "paths: [f]"),
            ("ReplacementTransformer", "replacements: [{path: f}]"),
        )
    }


@pytest.mark.parametrize("text", READS)
def test_guard_a26_follows_every_field_that_names_a_file(text: str) -> None:
    assert sorted(closed({FILE: text, f"{DEV}/f": "a: 1", f"{DEV}/other": ""}).files) == [f"{DEV}/f", FILE]


@pytest.mark.parametrize("text", READS)
@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/x.yaml",
        "HTTP://127.0.0.1:8080/x",
        "file:///srv/repo//app?ref=--upload-pack=touch+X",
        "ssh://git@example.com/x",
        "git@example.com:x/y",
        "git::https://example.com/x",
        "github.com/kubernetes-sigs/kustomize",
        "GitHub.com/a/b",
        "C:x",
    ],
)
def test_guard_a20_a22_refuses_an_address_in_every_field(text: str, url: str) -> None:
    reason, place = refusal(text.replace("f]", f'"{url}"]').replace("key=", "").replace(": f", f': "{url}"'))
    assert reason == "RemoteRefused"
    assert place.startswith(f"{FILE}:")


@pytest.mark.parametrize("field", ["resources", "bases", "components"])
def test_guard_follows_directories(field: str) -> None:
    files = {
        FILE: f"{field}: [../../base/]",
        "base/kustomization.yml": "resources: [./a.yaml, sub]\npatches: [{path: p}]",
        "base/a.yaml": "a: 1",
        "base/p": "- {op: remove, path: /a}",
        "base/sub/Kustomization": "resources: []",
        "base/unused.yaml": "",
    }
    found = closed(files)
    assert set(found.files) == set(files) - {"base/unused.yaml"}


def test_guard_follows_bases_that_name_files() -> None:
    """Kustomize takes them for resources."""
    assert set(closed({FILE: "bases: [a.yaml]", f"{DEV}/a.yaml": "a: 1"}).files) == {FILE, f"{DEV}/a.yaml"}


def test_guard_isolates_no_directory_in_a_tree_that_is_no_config_repo_yet() -> None:
    trees = Trees()
    tree = trees.tree({FILE: "resources: [../prod]", "environments/prod/kustomization.yaml": "resources: []"})
    assert "environments/prod/kustomization.yaml" in guard.closure(tree, trees.read, DEV, isolated="").files
    assert rejection(lambda: guard.closure(tree, trees.read, DEV)) == ("OtherEnvironment", f"{FILE}:1")


def test_guard_follows_plugins_in_a_file_from_the_directory_of_the_kustomization() -> None:
    files = {
        FILE: "generators: [plugins/g.yaml]",
        f"{DEV}/plugins/g.yaml": plugin("ConfigMapGenerator", "files: [data/f]")
        + "---\n"
        + plugin("HashTransformer", ""),
        f"{DEV}/data/f": "anything: [not, yaml",
    }
    assert set(closed(files).files) == set(files)


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        ("helmCharts: [{name: x}]", {}, ("HelmRefused", f"{FILE}:1")),
        ("resources: []\nhelmGlobals: {}", {}, ("HelmRefused", f"{FILE}:2")),
        ("helmChartInflationGenerator: []", {}, ("HelmRefused", f"{FILE}:1")),
        ("generators: [g]", {"g": "apiVersion: x/v1\nkind: Thing"}, ("PluginRefused", f"{DEV}/g:2")),
        ("generators: [g]", {"g": plugin("HelmChartInflationGenerator", "")}, ("PluginRefused", f"{DEV}/g:2")),
        ("generators: [g]", {"g": plugin("ConfigMapGenerator", "FILES: [x]")}, ("InvalidKustomization", f"{DEV}/g:4")),
        ("generators: [g]", {"g": "kind: List\napiVersion: v1\nitems: []"}, ("PluginRefused", f"{DEV}/g:1")),
        ("transformers:\n- |\n  apiVersion: x/v1\n  kind: Thing", {}, ("PluginRefused", f"{FILE}:2")),
        ("validators: ['{apiVersion: x/v1, kind: Thing}']", {}, ("PluginRefused", f"{FILE}:1")),
        ("transformers: [dir]", {"dir/kustomization.yaml": ""}, ("MissingFile", f"{FILE}:1")),
        ("a: 1\nresources: []", {}, ("InvalidKustomization", f"{FILE}:1")),
        ("RESOURCES: [x]", {}, ("InvalidKustomization", f"{FILE}:1")),
        ("patches: [{Path: x}]", {}, ("InvalidKustomization", f"{FILE}:1")),
        ("kind: Deployment", {}, ("InvalidKustomization", f"{FILE}:1")),
        ("- a", {}, ("InvalidKustomization", f"{FILE}:1")),
        ("resources: x", {}, ("InvalidKustomization", f"{FILE}:1")),
        ("resources: [1]", {}, ("InvalidKustomization", f"{FILE}:1")),
        ("resources:\n- a b", {}, ("InvalidKustomization", f"{FILE}:2")),
        ("resources:\n- a//b", {}, ("InvalidKustomization", f"{FILE}:2")),
        ("resources:\n- 'a\\b'", {}, ("InvalidKustomization", f"{FILE}:2")),
        ("resources:\n- /etc", {}, ("OutsideTree", f"{FILE}:2")),
        ("resources:\n- ../../..", {}, ("OutsideTree", f"{FILE}:2")),
        ("resources:\n- missing", {}, ("MissingFile", f"{FILE}:2")),
        ("resources:\n- ../prod", {"../prod/kustomization.yaml": ""}, ("OtherEnvironment", f"{FILE}:2")),
        ("patches:\n- path: ../f", {"../f": ""}, ("OtherEnvironment", f"{FILE}:2")),
        ("patches:\n- path: ../../f", {"../../f": ""}, ("OutsideRoot", f"{FILE}:2")),
        ("resources:\n- l", {"l": Link()}, ("LinkRefused", f"{FILE}:2")),
        ("resources:\n- l/sub", {"l": Link()}, ("LinkRefused", f"{FILE}:2")),
        ("resources:\n- ../../module/x", {"../../module": Link("160000")}, ("LinkRefused", f"{FILE}:2")),
        ("", {}, ("InvalidYaml", FILE)),
        ("resources: [\n", {}, ("InvalidYaml", f"{FILE}:2")),
        ("resources: []\nresources: []", {}, ("InvalidYaml", f"{FILE}:2")),
        ("resources: []\n---\nresources: []", {}, ("LimitExceeded", f"{FILE}:3")),
        ("resources:\n- f", {"f": "a: !!python/name:os.system x"}, ("InvalidYaml", f"{DEV}/f:1")),
        ("resources:\n- f", {"f": "[" * 10_000}, ("LimitExceeded", f"{DEV}/f:1")),
        ("patches:\n- patch: 'a: [&x [1], *x, *y]'", {}, ("InvalidYaml", f"{FILE}:2")),
        ("resources: [.]", {}, ("Cycle", f"{FILE}:1")),
        ("resources: [a]", {"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a]"},
         ("Cycle", f"{DEV}/b/kustomization.yaml:1")),
    ],
)  # fmt: skip
def test_guard_a21_a24_a28_a30_a32_refusals(text: str, files: dict[str, str | Link], expected: tuple[str, str]) -> None:
    beside = {_joined(DEV, path): content for path, content in files.items()}
    assert refusal(text, beside) == expected


@pytest.mark.parametrize("value", ["null", "~", "", "1.10", "0123456", "12e4567", "true", '""'])
@pytest.mark.parametrize("field", ["newTag", "digest"])
@pytest.mark.parametrize(
    "text",
    [
        "images:\n- name: x\n  FIELD: VALUE\n",
        "imageTags:\n- name: x\n  FIELD: VALUE\n",
        "transformers: [g]\n",
    ],
)
def test_guard_a37_refuses_a_tag_that_kustomize_would_drop_or_misread(text: str, field: str, value: str) -> None:
    config = plugin("ImageTagTransformer", f"imageTag: {{name: x, {field}: {value}}}")
    reason, place = refusal(text.replace("FIELD", field).replace("VALUE", value), {f"{DEV}/g": config})
    assert reason in {"InvalidKustomization", "InvalidYaml"}  # the latter: 12e4567 is infinite
    assert place.rpartition(":")[2] in {"3", "4"}


def test_guard_a37_accepts_quoted_tags() -> None:
    assert closed({FILE: "images: [{name: x, newTag: '1.10'}, {name: y, newTag: v2, newName: z}]"})


def _joined(directory: str, path: str) -> str:
    while path.startswith("../"):
        directory, path = directory.rpartition("/")[0], path.removeprefix("../")
    return f"{directory}/{path}" if directory else path


@pytest.mark.parametrize("section", ["transformers", "generators", "validators", "patchesStrategicMerge"])
@pytest.mark.parametrize(
    "entry",
    [
        '"http://127.0.0.1/x: {a: 1}"',
        '"https://127.0.0.1/x: y"',
        '"http:\\nkind: x\\napiVersion: builtin"',
        '"file:///x?ref=--upload-pack=touch\\napiVersion: builtin\\nkind: HashTransformer"',
    ],
)
def test_guard_a27_takes_an_ambiguous_text_for_an_address(section: str, entry: str) -> None:
    assert refusal(f"{section}:\n- {entry}") == ("RemoteRefused", f"{FILE}:2")


@pytest.mark.parametrize("section", ["transformers", "generators", "validators", "patchesStrategicMerge"])
@pytest.mark.parametrize(
    "entry",
    [
        "|\n  apiVersion: v1\n  metadata: {name: db}\n  stringData: {password: hunter2}",
        "|\n  kind: [Secret]\n  stringData: {password: hunter2}",
        "'{stringData: {password: hunter2}}'",
        "'password: hunter2'",
        "'http: {password: hunter2}'",
        "|\n  https://host/x: hunter2",
        "'PASSWORD=hunter2 and more'",
    ],
)
def test_guard_a41_repeats_nothing_of_a_text_that_is_neither_object_nor_path(section: str, entry: str) -> None:
    with pytest.raises(Rejected) as caught:
        closed({FILE: f"{section}:\n- {entry}"})
    assert str(caught.value.place) == f"{FILE}:2"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("field", ["files", "envs"])
def test_guard_a41_does_not_repeat_a_literal_in_the_wrong_list(field: str) -> None:
    text = f"resources: []\nsecretGenerator:\n- name: a\n  {field}: ['PASSWORD=hunter2=!']"
    with pytest.raises(Rejected) as caught:
        closed({FILE: text})
    assert "PASSWORD" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ["2020-01-01", "2020-1-1", "2001-12-14t21:59:43.10-05:00", "!!timestamp 2020-01-01"])
def test_guard_refuses_a_date_without_quotes_in_a_plugin_config(value: str) -> None:
    """To kustomize it is text in one field and a time in another."""
    config = plugin("AnnotationsTransformer", f"annotations: {{until: {value}}}")
    assert refusal("transformers: [t]", {f"{DEV}/t": config}) == ("InvalidYaml", f"{DEV}/t:4")
    inline = "transformers:\n- |\n  " + config.replace("\n", "\n  ")
    assert refusal(inline) == ("InvalidYaml", f"{FILE}:2")
    assert closed({FILE: "transformers: [t]", f"{DEV}/t": config.replace(value, "'2020-01-01'")})


def test_guard_keys_depend_on_the_format_that_kustomize_gets() -> None:
    """A render from before an upgrade is not the render of the files after it. A change of the first line must change
    `_FORMAT`, and so the second line.
    """
    files = {FILE: "transformers: [t]", f"{DEV}/t": plugin("LabelTransformer", "labels: {a: on, b: 0o7, c: 1.0}")}
    trees = Trees()
    given = guard.source(guard.closure(trees.tree(files), trees.read, DEV), trees.read)
    assert b'"labels": {"a": "on", "b": 7, "c": 1}' in given.files[f"{DEV}/t"]
    assert given.key.startswith("722bc91e9cfb")


def test_guard_refuses_a_file_that_configures_the_build_and_is_data_too() -> None:
    """It is written anew for kustomize, and a ConfigMap would hold that."""
    text = "resources: [a]\nconfigMapGenerator:\n- name: x\n  files: [kustomization.yaml]"
    assert refusal(text, {f"{DEV}/a": "a: 1"}) == ("InvalidKustomization", f"{FILE}:4")
    text = "generators: [g]\nconfigMapGenerator: [{name: x, files: [g]}]"
    assert refusal(text, {f"{DEV}/g": plugin("ConfigMapGenerator", "")}) == ("InvalidKustomization", f"{FILE}:2")


def test_guard_a23_a30_refuses_an_alias_bomb_in_every_file_that_kustomize_parses() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))
    assert refusal("resources: [f]", {f"{DEV}/f": bomb})[0] == "LimitExceeded"
    assert refusal("patches: [{path: f}]", {f"{DEV}/f": bomb + "# " + "x" * 300_000})[0] == "LimitExceeded"
    inline = "patches:\n- patch: |\n    " + bomb.replace("\n", "\n    ")
    assert refusal(inline) == ("LimitExceeded", f"{FILE}:2")


@pytest.mark.parametrize(
    "text",
    ["a: 1\n---\n" * 100_000, "- " * 10_000 + "a", "{a: " * 10_000, "# " + "x" * (9 << 20), "a: &a [*a]", "a: !!x y"],
    ids=["documents", "depth", "flow depth", "size", "itself", "tag"],
)
@pytest.mark.parametrize("use", ["resources: [f]", "patches: [{path: f}]", "crds: [f]", "transformers: [f]"])
def test_guard_a30_refuses_an_endless_file_by_its_name(use: str, text: str) -> None:
    reason, place = refusal(use, {f"{DEV}/f": text})
    assert reason in {"LimitExceeded", "InvalidYaml", "PluginRefused"}
    assert place.startswith(f"{DEV}/f")


def test_guard_a32_counts_bases_that_double_at_every_step() -> None:
    files = {
        f"b/{n}{side}/kustomization.yaml": f"resources: [../{n + 1}x, ../{n + 1}y]" for n in range(20) for side in "xy"
    }
    files |= {f"b/20{side}/kustomization.yaml": "resources: []" for side in "xy"}
    assert refusal("resources: [../../b/0x]", files)[0] == "LimitExceeded"


def test_guard_a32_bounds_a_long_chain_of_bases() -> None:
    files = {f"b/{n}/kustomization.yaml": f"resources: [../{n + 1}]" for n in range(40)}
    assert refusal("resources: [../../b/0]", files)[0] == "LimitExceeded"


def test_guard_refuses_two_kustomization_files_in_one_directory() -> None:
    assert refusal("resources: []", {f"{DEV}/Kustomization": ""}) == ("InvalidKustomization", f"{DEV}/Kustomization")


def test_guard_a40_messages_have_no_user_information() -> None:
    with pytest.raises(Exception, match="looks like a remote address") as caught:
        closed({FILE: "resources: ['https://user:hunter2@example.com/x']"})
    assert "hunter2" not in str(caught.value)


def test_guard_key_is_made_of_the_names_modes_and_contents_of_reached_files() -> None:
    files: dict[str, str | Link] = {FILE: "resources: [f]", f"{DEV}/f": "a: 1", "base/x": "1"}
    key = closed(files).key
    assert closed({**files, "base/x": "2"}).key == key
    assert closed({**files, f"{DEV}/f": "a: 2"}).key != key
    assert closed({"base/kustomization.yaml": "resources: [f]", "base/f": "a: 1"}, "base").key != key


def test_guard_closure_knows_which_changes_concern_it() -> None:
    found = closed({FILE: "resources: [../../base]", "base/kustomization.yaml": "resources: [a]", "base/a": "a: 1"})
    assert found.reads("base/a")
    assert found.reads("base/Kustomization")  # one more of them would be refused
    assert not found.reads("base/b")
    assert not found.reads("other/kustomization.yaml")


def test_guard_does_not_read_unchanged_files_again() -> None:
    trees = Trees()
    guarded = Guard(trees.read)
    guarded.closure(trees.tree({FILE: "resources: [f]", f"{DEV}/f": "a: 1"}), DEV)
    trees.reads.clear()
    tree = trees.tree({FILE: "resources: [f]", f"{DEV}/f": "a: 2"})
    guarded.closure(tree, DEV)
    assert trees.reads == [tree[f"{DEV}/f"].id]


def test_guard_source_has_exactly_the_files_of_the_closure() -> None:
    trees = Trees()
    tree = trees.tree({FILE: "configMapGenerator: [{name: a, files: [f]}]", f"{DEV}/f": "data", "base/secret": "s"})
    found = guard.closure(tree, trees.read, DEV)
    source = guard.source(found, trees.read)
    kustomization = b'{"configMapGenerator": [{"name": "a", "files": ["f"]}]}\n'
    assert dict(source.files) == {FILE: kustomization, f"{DEV}/f": b"data"}
    assert (source.path, source.key) == (DEV, found.key)


@pytest.mark.parametrize("path", ["base/platform", "environments/dev", "environments/test", "environments/prod"])
def test_guard_accepts_the_example(path: str) -> None:
    files = [file for part in ("base", "environments") for file in (ROOT / part).rglob("*") if file.is_file()]
    found = closed({str(file.relative_to(ROOT)): file.read_text() for file in files}, path)
    assert f"{path}/kustomization.yaml" in found.files
