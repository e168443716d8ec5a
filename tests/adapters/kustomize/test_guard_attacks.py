"""The guard against kustomizations that make kustomize fetch or run something, with the real kustomize.

Each attack is built twice. First kustomize alone builds the files as encode: the attack must work, or its test would
prove nothing. Then the same program, with no more limits, builds the output of the guard: it fetches and runs nothing.
"""

import base64
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.adapters.kustomize.builder import Kustomize
from gitops.core.errors import Rejected
from gitops.core.kustomize import file_references, guard
from gitops.core.parsing import yaml_reader
from gitops.core.parsing.yaml_reader import YamlLimits
from gitops.local.cluster import binaries
from tests import ROOT
from tests.worlds.kustomize_source import KustomizeSource
from tests.worlds.trees import Trees

OVERLAY = "environments/dev"
FILE = f"{OVERLAY}/kustomization.yaml"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: value}\n"
Files = Mapping[str, str]


@dataclass
class Outside:
    """The things that a build must not touch: a server on this machine, and a `git` that leaves a file when it runs."""

    directory: Path
    port: int
    asked: list[str]

    @property
    def url(self) -> str:
        """URL of the server. Its length needs no padding in base64."""
        url = f"http://127.0.0.1:{self.port}/x"
        return url + "x" * (-len(url) % 3)

    @property
    def ran(self) -> bool:
        return (self.directory / "git-ran").exists()

    @property
    def is_untouched(self) -> bool:
        return not self.asked and not self.ran


@pytest.fixture(scope="module")
def requests() -> Iterator[tuple[int, list[str]]]:
    """Start a server. Yields its port and the list of paths that were requested."""
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONFIG.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


@pytest.fixture
def outside(requests: tuple[int, list[str]], tmp_path: Path) -> Outside:
    port, asked = requests
    asked.clear()
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f"#!/bin/sh\n: > {tmp_path / 'git-ran'}\nexit 1\n")
    git.chmod(0o755)
    return Outside(tmp_path, port, asked)


@pytest.fixture(scope="session")
def binary() -> Path:
    return binaries.ensure("kustomize")


def build(
    binary: Path, files: Mapping[str, bytes], directory: Path, built: str = OVERLAY
) -> subprocess.CompletedProcess[bytes]:
    """Run kustomize as people do: with network, with a `git`, without limits."""
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    environment = {"PATH": str(directory.parent / "bin"), "HOME": str(directory)}
    return subprocess.run(
        [binary, "build", directory / built], env=environment, capture_output=True, check=False, timeout=60
    )


def encode(files: Files) -> dict[str, bytes]:
    return {path: text.encode() for path, text in files.items()}


def pass_guard(files: Files) -> Mapping[str, bytes]:
    """Return the files as the guard passes them on. Raises: Rejected."""
    trees = Trees()
    return guard.source(guard.closure(trees.tree(files), trees.read, OVERLAY), trees.read).files


def plugin(kind: str, fields: str) -> str:
    return f"apiVersion: builtin\nkind: {kind}\nmetadata: {{name: x}}\n{fields}\n"


def indent(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


# -- A20-A22, A24, A26: every field that takes a path, in every kind and place

FIELDS = {
    "resources": "resources: ['{url}']",
    "bases": "bases: ['{url}']",
    "crds": "resources: [a]\ncrds: ['{url}']",
    "configurations": "resources: [a]\nconfigurations: ['{url}']",
    "openapi": "resources: [a]\nopenapi: {path: '{url}'}",
    "patches": "resources: [a]\npatches: [{path: '{url}'}]",
    "patchesJson6902": "resources: [a]\npatchesJson6902: [{path: '{url}', target: {kind: ConfigMap, name: a}}]",
    "patchesStrategicMerge": "resources: [a]\npatchesStrategicMerge: ['{url}']",
    "replacements": "resources: [a]\nreplacements: [{path: '{url}'}]",
    "configMapGenerator.files": "configMapGenerator: [{name: g, files: ['{url}']}]",
    "configMapGenerator.files, with a key": "configMapGenerator: [{name: g, files: ['key={url}']}]",
    "configMapGenerator.envs": "configMapGenerator: [{name: g, envs: ['{url}']}]",
    "configMapGenerator.env": "configMapGenerator: [{name: g, env: '{url}'}]",
    "secretGenerator.files": "secretGenerator: [{name: g, files: ['{url}']}]",
    "secretGenerator.envs": "secretGenerator: [{name: g, envs: ['{url}']}]",
    "secretGenerator.env": "secretGenerator: [{name: g, env: '{url}'}]",
    "generators": "generators: ['{url}']",
    "transformers": "resources: [a]\ntransformers: ['{url}']",
    "validators": "resources: [a]\nvalidators: ['{url}']",
}
DIRECTORIES = {
    **{name: FIELDS[name] for name in ("resources", "bases", "generators", "transformers", "validators")},
    "components": "components: ['{url}']",
}
PLUGINS = {
    ("generators", "ConfigMapGenerator", "files: ['{url}']"),
    ("generators", "ConfigMapGenerator", "envs: ['{url}']"),
    ("generators", "SecretGenerator", "files: ['{url}']"),
    ("transformers", "PatchTransformer", "path: '{url}'"),
    ("transformers", "PatchJson6902Transformer", "path: '{url}'\ntarget: {kind: ConfigMap, name: a, version: v1}"),
    ("transformers", "PatchStrategicMergeTransformer", "paths: ['{url}']"),
    ("transformers", "ReplacementTransformer", "replacements: [{path: '{url}'}]"),
    ("transformers", "ValueAddTransformer", "targetFilePath: '{url}'"),
    ("validators", "PatchTransformer", "path: '{url}'"),
}


def list_attacks() -> Iterator[tuple[str, dict[str, str]]]:
    for name, text in FIELDS.items():
        yield name, {FILE: text}
    for section, kind, fields in sorted(PLUGINS):
        start = "" if section == "generators" else "resources: [a]\n"
        config = plugin(kind, fields)
        yield f"{kind} in a file of {section}, {fields}", {FILE: f"{start}{section}: [g]", f"{OVERLAY}/g": config}
        yield f"{kind} in {section} itself, {fields}", {FILE: f"{start}{section}:\n- |\n{indent(config)}"}
        behind = plugin("AnnotationsTransformer", "annotations: {a: b}") if section != "generators" else GENERATES
        yield (
            f"{kind} behind another one of {section}, {fields}",
            {FILE: f"{start}{section}: [g]", f"{OVERLAY}/g": f"{behind}---\n{config}"},
        )
    yield from NESTED.items()


GENERATES = plugin("ConfigMapGenerator", "literals: [a=b]").replace("name: x", "name: before")
FETCHES = "configMapGenerator: [{name: g, files: ['{url}']}]"
NESTED = {
    "a base": {FILE: "resources: [../../base]", "base/kustomization.yaml": FETCHES},
    "a base of a base": {
        FILE: "resources: [../../base]",
        "base/kustomization.yml": "resources: [deep]",
        "base/deep/Kustomization": FETCHES,
    },
    "a component": {
        FILE: "resources: [a]\ncomponents: [../../c]",
        "c/Kustomization": f"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n{FETCHES}",
    },
    "JSON": {FILE: '{"configMapGenerator": [{"name": "g", "files": ["{url}"]}]}'},
    "a kustomization.yml": {f"{OVERLAY}/kustomization.yml": FETCHES},
    "a Kustomization": {f"{OVERLAY}/Kustomization": FETCHES},
}
ATTACKS = dict(list_attacks())


def aim(files: Files, url: str) -> dict[str, str]:
    return {f"{OVERLAY}/a": CONFIG, **{path: text.replace("{url}", url) for path, text in files.items()}}


@pytest.mark.parametrize("name", ATTACKS)
def test_a22_a24_a26_guard_refuses_every_field_that_kustomize_fetches(
    name: str, outside: Outside, binary: Path
) -> None:
    files = aim(ATTACKS[name], outside.url)
    build(binary, encode(files), outside.directory / "alone")
    assert outside.asked, "the attack does not work"

    with pytest.raises(Rejected) as caught:
        pass_guard(files)
    assert caught.value.reason in {"RemoteRefused", "PluginRefused"}
    place = caught.value.place
    assert place is not None
    assert "{url}" in ATTACKS[name][place.file] or caught.value.reason == "PluginRefused"
    assert place.line is not None


ADDRESSES = [
    "https://127.0.0.1:1/a/b",
    "HTTP://127.0.0.1:1/a/b",
    "file:///srv/repo//app?ref=--upload-pack=touch+X",
    "FILE:///srv/repo",
    "git::https://127.0.0.1:1/a/b",
    "git::file:///srv/repo",
    "ssh://git@127.0.0.1:1/a/b",
    "ssh://127.0.0.1:1/a/b",
    "git@127.0.0.1:a/b",
    "me@127.0.0.1:a/b.git//c?ref=x&timeout=1",
    "github.com/a/b",
    "GitHub.com/a/b",
    "github.com:a/b",
    "g\u0130thub.com/a/b",  # a dotted capital I, which Go folds to i
    "org-1@github.com:a/b",
    "git::github.com/a/b",
    "https://127.0.0.1:1/a/_git/b/c",
]


CLONED = [
    *(("resources", address) for address in ADDRESSES),
    *((field, "git@127.0.0.1:a/b") for field in DIRECTORIES if field != "resources"),
]


@pytest.mark.parametrize(("field", "address"), CLONED)
def test_a20_guard_refuses_every_address_that_kustomize_clones(
    field: str, address: str, outside: Outside, binary: Path
) -> None:
    files = aim({FILE: DIRECTORIES[field]}, address)
    build(binary, encode(files), outside.directory / "alone")
    assert outside.ran, "kustomize does not take this for an address"

    with pytest.raises(Rejected) as caught:
        pass_guard(files)
    assert caught.value.reason == "RemoteRefused"


# -- A27: the same, in spellings that another YAML parser may read differently

FETCH = "configMapGenerator: [{name: g, files: ['{url}']}]\n"
SPELLED = {
    "tagged as binary": {FILE: "resources: [!!binary {base64}]"},
    "tagged as binary by a handle": {FILE: "%TAG !b! tag:yaml.org,2002:\n---\nresources: [!b!binary {base64}]"},
    "tagged as binary in a generator": {FILE: "configMapGenerator: [{name: g, files: [!!binary {base64}]}]"},
    "tagged as binary in a plugin": {
        FILE: "generators: [g]",
        f"{OVERLAY}/g": plugin("ConfigMapGenerator", "name: g\nfiles: [!!binary {base64}]"),
    },
    "a plugin behind a false separator": {
        FILE: "resources: [a]\ntransformers: [g]",
        f"{OVERLAY}/g": plugin("HashTransformer", "---#: '") + plugin("PatchTransformer", 'path: "{url}"') + "# '\n",
    },
    "a plugin behind a false separator, in the kustomization": {
        FILE: "resources: [a]\ntransformers:\n- |\n"
        + indent(plugin("HashTransformer", "---#: '") + plugin("PatchTransformer", 'path: "{url}"') + "# '\n"),
    },
    "a List of plugins": {
        FILE: "generators: [g]",
        f"{OVERLAY}/g": "apiVersion: v1\nkind: ConfigMapList\nitems:\n"
        "- {apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: x}, files: ['{url}']}\n",
    },
    "a directory of plugins": {
        FILE: "generators: [d]",
        f"{OVERLAY}/d/kustomization.yaml": "resources: [g]",
        f"{OVERLAY}/d/g": plugin("ConfigMapGenerator", "files: ['{url}']"),
    },
    "twice": {FILE: "resources: [a]\nresources: ['{url}']"},
    "in other letters": {FILE: "resources: [a]\nCONFIGMAPGENERATOR: [{name: g, files: ['{url}']}]"},
    "in an anchor": {FILE: "commonAnnotations: {a: &url '{url}'}\nresources: [*url]"},
    "merged": {
        FILE: "commonAnnotations: &more {a: '{url}'}\nconfigMapGenerator: [{name: g, <<: &x {files: ['{url}']}}]"
    },
    "merged by a tag": {FILE: "resources: [a]\n!!merge <<: {crds: ['{url}']}"},
    "behind a comment that ends at U+2028": {FILE: "resources: [a] #\u2028crds: ['{url}']"},
    "behind a comment that ends at U+0085": {FILE: "resources: [a] #\u0085crds: ['{url}']"},
    "behind a comment that ends at a carriage return": {FILE: "resources: [a] #\rcrds: ['{url}']"},
    "escaped": {FILE: 'resources: ["{escaped}"]'},
    "folded": {FILE: "resources:\n- >-\n  {url}\n"},
    "with a byte order mark": {FILE: "\ufeffresources: ['{url}']"},
    "tagged as text": {FILE: "resources: [!!str '{url}']"},
    "with a key that is an alias": {FILE: "namespace: &r resources\n*r : ['{url}']"},
    "with a key that is asked for": {FILE: "? resources\n: ['{url}']"},
}


@pytest.mark.parametrize("name", SPELLED)
def test_a27_guard_refuses_an_address_in_every_spelling(name: str, outside: Outside, binary: Path) -> None:
    encoded = base64.b64encode(outside.url.encode()).decode()
    escaped = "".join(f"\\u{ord(character):04x}" for character in outside.url)
    files = {
        path: text.replace("{base64}", encoded).replace("{escaped}", escaped)
        for path, text in aim(SPELLED[name], outside.url).items()
    }
    files[f"{OVERLAY}/{encoded}"] = CONFIG  # so that the path exists as it is written
    build(binary, encode(files), outside.directory / "alone")
    assert outside.asked, "the attack does not work"
    outside.asked.clear()

    with suppress(Rejected):
        build(binary, pass_guard(files), outside.directory / "ours")
    assert outside.is_untouched


def test_a27_guard_reads_the_same_texts_as_kustomize(outside: Outside, binary: Path) -> None:
    """Kustomize renders texts with every kind of character as the guard read them."""
    texts = [
        "yes",
        "1.10",
        "~",
        "a: b # c",
        "<<",
        "x\ty",
        "two\nlines\n",
        "\u2028",
        "🖨️",
        '"',
        "'",
        "\\",
        "---",
    ]
    quoted = [quote_yaml(text) for text in texts]
    entries = ", ".join(f"{number}-key: {text}" for number, text in enumerate(quoted))
    files = {FILE: f"resources: [a]\ncommonAnnotations: {{{entries}}}", f"{OVERLAY}/a": CONFIG}
    done = build(binary, pass_guard(files), outside.directory / "ours")
    assert done.returncode == 0, done.stderr
    (rendered,) = yaml_reader.documents(done.stdout, "rendered", YamlLimits())
    assert list(rendered.value["metadata"]["annotations"].values()) == texts


def quote_yaml(text: str) -> str:
    return '"' + "".join(c if c.isalnum() else f"\\U{ord(c):08x}" for c in text) + '"'


# -- A21, A28: paths out of the tree, and symlinks

OUTWARD = {
    "a directory beside the repo": ({FILE: "resources: [../../../other]"}, "OutsideTree"),
    "a directory that begins like it": ({FILE: "resources: [../../../ours-too]"}, "OutsideTree"),
    "an absolute path": ({FILE: "resources: ['{other}/a']"}, "OutsideTree"),
    "up and back in": (
        {FILE: "resources: [../../../ours/base]", "base/kustomization.yaml": "resources: []"},
        "OutsideTree",
    ),
    "a component": ({FILE: "components: [../../../other]"}, "OutsideTree"),
    "a file above its kustomization": ({FILE: "patches: [{path: ../../p}]", "p": "x"}, "OutsideRoot"),
    "an environment file above it": (
        {FILE: "configMapGenerator: [{name: a, envs: [../../p]}]", "p": "x"},
        "OutsideRoot",
    ),
    "another environment": (
        {FILE: "resources: [../prod]", "environments/prod/kustomization.yaml": "resources: []"},
        "OtherEnvironment",
    ),
    "another environment, the long way": (
        {
            FILE: "resources: [../../base]",
            "base/kustomization.yaml": "resources: [../environments/prod]",
            "environments/prod/kustomization.yaml": "resources: []",
        },
        "OtherEnvironment",
    ),
}


@pytest.mark.parametrize("name", OUTWARD)
def test_a21_guard_refuses_paths_out_of_the_tree_and_into_other_environments(name: str, tmp_path: Path) -> None:
    files, reason = OUTWARD[name]
    with pytest.raises(Rejected) as caught:
        pass_guard({path: text.replace("{other}", str(tmp_path)) for path, text in files.items()})
    assert caught.value.reason == reason
    assert caught.value.place is not None
    assert caught.value.place.line == 1


def test_a21_kustomize_without_the_guard_reads_a_directory_beside_the_repo(binary: Path, tmp_path: Path) -> None:
    """Proves that the attack of the test above works without the guard."""
    files = {"../other/kustomization.yaml": b"resources: [a]", "../other/a": CONFIG.encode()}
    files[FILE] = b"resources: [../../../other]"
    assert b"name: a" in build(binary, files, tmp_path / "ours").stdout


# -- A24: Helm, executables, functions

FUNCTION = "annotations: {config.kubernetes.io/function: 'exec: {path: ./run.sh}'}"
RUN = {
    "helmCharts": ("helmCharts: [{name: x, repo: 'http://127.0.0.1:1'}]", "", "HelmRefused"),
    "helmGlobals": ("helmGlobals: {chartHome: ..}", "", "HelmRefused"),
    "helmChartInflationGenerator": ("helmChartInflationGenerator: [{chartName: x}]", "", "HelmRefused"),
    "Helm as a plugin": ("generators: [g]", plugin("HelmChartInflationGenerator", "name: x"), "PluginRefused"),
    "an executable": ("generators: [g]", "apiVersion: evil/v1\nkind: Run\nmetadata: {name: x}", "PluginRefused"),
    "a function": (
        "transformers: [g]",
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, {FUNCTION}}}",
        "PluginRefused",
    ),
    "no apiVersion": ("generators: [g]", "kind: ConfigMapGenerator\nmetadata: {name: x}", "PluginRefused"),
}


@pytest.mark.parametrize("name", RUN)
def test_a24_guard_refuses_helm_executables_and_functions(name: str) -> None:
    text, config, reason = RUN[name]
    with pytest.raises(Rejected) as caught:
        pass_guard({FILE: text, f"{OVERLAY}/g": config})
    assert (caught.value.reason, caught.value.place and caught.value.place.line is not None) == (reason, True)


def test_a24_function_in_a_builtin_plugin_is_not_run(outside: Outside, binary: Path) -> None:
    run = outside.directory / "ours" / OVERLAY / "run.sh"
    config = plugin("HashTransformer", "").replace("{name: x}", f"{{name: x, {FUNCTION}}}")
    files = {FILE: "resources: [a]\ntransformers: [g]", f"{OVERLAY}/g": config, f"{OVERLAY}/a": CONFIG}
    passed = dict(pass_guard(files))
    run.parent.mkdir(parents=True)
    run.write_text(f"#!/bin/sh\n: > {outside.directory / 'git-ran'}\n")
    run.chmod(0o755)
    assert build(binary, passed, outside.directory / "ours").returncode == 0
    assert outside.is_untouched


# -- the guard knows all fields of the pinned release


@pytest.fixture(scope="session")
def source() -> KustomizeSource:
    return KustomizeSource.of_the_pinned_release()


def test_a26_guard_knows_every_field_of_the_pinned_kustomize(source: KustomizeSource) -> None:
    structs = {**source.structs("types"), **source.structs("internal/builtins")}
    assert source.fields(structs, "Kustomization") == set(file_references.KUSTOMIZATION)
    assert source.fields(structs, "SecretArgs") == set(file_references.GENERATOR)
    assert source.fields(structs, "ConfigMapArgs") == set(file_references.GENERATOR) - {"type"}
    assert source.fields(structs, "Patch") == set(file_references.PATCH)
    assert source.fields(structs, "Image") == set(file_references.IMAGE)
    assert source.fields(structs, "ReplacementField") == set(file_references.REPLACEMENT)
    assert source.plugin_kinds() - set(file_references.PLUGINS) == {
        "HelmChartInflationGenerator",
        "ValueAddTransformer",
    }
    for kind, shape in file_references.PLUGINS.items():
        if shape is not None:
            assert source.fields(structs, f"{kind}Plugin") - {"metadata"} <= set(shape), kind


def test_a26_guard_knows_every_place_where_the_pinned_kustomize_reads_files(source: KustomizeSource) -> None:
    """If a release reads files in one more place, check which field names them."""
    assert source.loads() == {
        "internal/accumulator/loadconfigfromcrds.go": 1,  # crds
        "internal/builtins/HelmChartInflationGenerator.go": 3,  # refused
        "internal/builtins/PatchJson6902Transformer.go": 1,
        "internal/builtins/PatchTransformer.go": 1,
        "internal/builtins/ReplacementTransformer.go": 1,
        "internal/builtins/ValueAddTransformer.go": 1,  # refused
        "internal/generators/utils.go": 1,  # reads what kv.go loads
        "internal/plugins/builtinconfig/loaddefaultconfig.go": 1,  # configurations
        "internal/plugins/execplugin/execplugin.go": 1,  # refused
        "internal/target/kusttarget.go": 4,  # kustomization files, resources, components, openapi of a base
        "krusty/kustomizer.go": 1,  # openapi
        "kv/kv.go": 2,  # files, envs
        "resmap/factory.go": 1,  # resources, generators, transformers, validators
        "resource/factory.go": 1,  # patchesStrategicMerge
    }


# -- a directory with the name of an address


@pytest.mark.parametrize("directory", ["github.com/a/b", "-h", "--help"])
def test_a20_guard_allows_a_directory_named_like_an_address_or_an_option(
    directory: str, outside: Outside, binary: Path
) -> None:
    trees = Trees()
    files = {f"{directory}/kustomization.yaml": "resources: [a]", f"{directory}/a": CONFIG}
    found = guard.closure(trees.tree(files), trees.read, directory)
    rendered = Kustomize(binary, outside.directory / "cache").render(guard.source(found, trees.read))
    assert b"name: a" in rendered
    assert outside.is_untouched


# -- the guard changes nothing else

EXAMPLE = {
    str(file.relative_to(ROOT)): file.read_text()
    for part in ("base", "environments", "deploy")
    for file in sorted((ROOT / part).rglob("*"))
    if file.is_file()
}


@pytest.mark.parametrize("path", ["base", "base/platform", "environments/dev", "environments/prod", "deploy"])
def test_guard_output_of_the_example_renders_byte_for_byte_the_same(path: str, binary: Path, tmp_path: Path) -> None:
    trees = Trees()
    passed = guard.source(guard.closure(trees.tree(EXAMPLE), trees.read, path), trees.read).files
    as_written = {name: EXAMPLE[name].encode() for name in passed}
    assert passed != as_written
    ours, theirs = (
        build(binary, files, tmp_path / name, path) for name, files in (("ours", passed), ("theirs", as_written))
    )
    assert ours.returncode == 0
    assert ours.stdout == theirs.stdout


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff\x85"), max_size=12
)
SCALARS = TEXTS | st.sampled_from(
    ["yes", "1.10", "0x1f", "~", "a: b", "<<", "2026-11-26", "|", "&a", "1e3", "\n", "a\n\nb"]
)
STYLES = st.fixed_dictionaries(
    {
        "default_flow_style": st.booleans(),
        "default_style": st.sampled_from([None, '"', "'"]),
        "allow_unicode": st.booleans(),
    }
)


@settings(max_examples=40, derandomize=True, database=None)
@given(annotations=st.dictionaries(st.from_regex(r"k[a-z]{0,7}", fullmatch=True), SCALARS, max_size=5), style=STYLES)
def test_guard_output_of_texts_in_any_style_renders_the_same(
    annotations: dict[str, str], style: dict[str, Any], binary: Path
) -> None:
    """For keys that are booleans in YAML 1.1 (`y`) kustomize fails. The guard reads them as text."""
    literals = [f"{key}={value}".replace("\n", " ") for key, value in annotations.items()]
    value = {
        "resources": ["a"],
        "commonAnnotations": annotations,
        "secretGenerator": [{"name": "s", "literals": literals}],
        "transformers": [yaml.safe_dump({**HASHED, "labels": {"x": "y"}}, **style)],
    }
    files = {FILE: yaml.safe_dump(value, **style), f"{OVERLAY}/a": CONFIG}
    with TemporaryDirectory() as directory:
        theirs = build(binary, encode(files), Path(directory) / "theirs")
        ours = build(binary, pass_guard(files), Path(directory) / "ours")
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)


HASHED = {"apiVersion": "builtin", "kind": "LabelTransformer", "metadata": {"name": "l"}}


_PLAIN = """
yes no on off y n Y N Yes YES No NO On ON Off OFF true True TRUE false False FALSE ~ null Null NULL
0 00 -0 +1 -1 010 08 0o7 0o10 0x1F 0X1F -0x1F +0x1F 0x_1F 0b11 0b1_1 1_000 1_ 1_0.5
.5 -.5 +.5 1. 1.e3 0.1e1 0.10 1.10 3.0 100.0 1e3 1E3 1e21 1e-7 0.000001 16777217.0 123456.789
12345678901234567890 123456789012345678901 1:30 190:20:30 2020-01-01x 20-01-01 = << inf nan word
"""
PLAIN = tuple(_PLAIN.split())
"""Scalars that people write without quotes and that YAML 1.1, YAML 1.2 or Go's parsers may not read as text."""


@pytest.mark.parametrize("where", ["in a file", "inline"])
def test_guard_output_of_plain_scalars_in_plugins_renders_the_same(where: str, binary: Path, tmp_path: Path) -> None:
    """Kustomize reads plugin configs with another parser, which reads `on` as text."""
    annotations = "".join(f"  k{number}: {value}\n" for number, value in enumerate(PLAIN))
    labels = "  on: yes\n  y: 'off'\n  off: 1_000\n"
    configs = [
        plugin("AnnotationsTransformer", f"annotations:\n{annotations}fieldSpecs: [{METADATA.format('annotations')}]"),
        plugin("LabelTransformer", f"labels:\n{labels}fieldSpecs: [{METADATA.format('labels')}]"),
    ]
    files = {FILE: "resources: [a]\ntransformers: [t]", f"{OVERLAY}/a": CONFIG, f"{OVERLAY}/t": "---\n".join(configs)}
    if where == "inline":
        entries = "".join("- |\n  " + config.replace("\n", "\n  ") + "\n" for config in configs)
        files = {FILE: f"resources: [a]\ntransformers:\n{entries}", f"{OVERLAY}/a": CONFIG}
    theirs = build(binary, encode(files), tmp_path / "theirs")
    ours = build(binary, pass_guard(files), tmp_path / "ours")
    assert b'"on": "yes"' in theirs.stdout
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)


@settings(max_examples=40, derandomize=True, database=None)
@given(plain=st.from_regex(r"[0-9a-fA-FxXoOyYnN+.:_~=-]{1,8}", fullmatch=True) | st.sampled_from(PLAIN))
def test_guard_output_of_a_plain_scalar_in_a_plugin_renders_the_same_or_is_refused(plain: str, binary: Path) -> None:
    config = plugin(
        "AnnotationsTransformer", f"annotations: {{k: {plain} }}\nfieldSpecs: [{METADATA.format('annotations')}]"
    )
    files = {FILE: "resources: [a]\ntransformers: [t]", f"{OVERLAY}/a": CONFIG, f"{OVERLAY}/t": config}
    passed: Mapping[str, bytes] = {}
    with suppress(Rejected):
        passed = pass_guard(files)
    if not passed:
        return
    with TemporaryDirectory() as directory:
        theirs = build(binary, encode(files), Path(directory) / "theirs")
        ours = build(binary, passed, Path(directory) / "ours")
    assert theirs.returncode != 0 or ours.stdout == theirs.stdout


METADATA = "{{path: metadata/{0}, create: true}}"
