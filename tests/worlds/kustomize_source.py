"""The source of the pinned kustomize, from the Go toolchain's module cache, read as far as the tests need it."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from gitops.local.cluster import binaries, toolchain

_API = "sigs.k8s.io/kustomize/api"
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(
    r'^\t(?:\w+\s+)?(?P<type>[*\[\]\w.{}]+)\s*(?:`json:"(?P<name>\w*)(?P<inline>,inline)?[^`]*`)?\s*(?://.*)?$'
)
_LOADS = re.compile(r"\b(?:ldr|loader|Loader\(\))\.(?:Load|New)\(")


@dataclass(frozen=True, slots=True)
class KustomizeSource:
    """The module `api` of the release that go.mod names."""

    directory: Path

    @classmethod
    def of_the_pinned_release(cls) -> "KustomizeSource":
        """Find the module. kustomize is built from it, so it is in the cache, or this machine can fetch it."""
        places = binaries.Places(os.environ)  # noqa: TID251 - where Go and its modules are
        release = binaries.version(binaries.Program("api", _API, _API), places.module)
        console = Console(stderr=True)
        go = toolchain.go(places.module, environment=places.environment, cache=places.cache, console=console)
        answer = subprocess.run(
            [go, "mod", "download", "-json", f"{_API}@{release}"],
            cwd=places.module,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert answer.returncode == 0, answer.stderr + answer.stdout
        return cls(Path(json.loads(answer.stdout)["Dir"]))

    def files(self) -> Iterator[Path]:
        """List the files that a build may run: no tests, and not the command `localize`."""
        for file in sorted(self.directory.rglob("*.go")):
            inside = file.relative_to(self.directory).parts
            if not file.name.endswith("_test.go") and not {"testutils", "localizer"} & set(inside):
                yield file

    def structs(self, folder: str) -> Mapping[str, str]:
        """Map the name of each struct type -> the lines between its braces."""
        files = sorted((self.directory / folder).glob("*.go"))
        return {match[1]: match[2] for file in files for match in _STRUCT.finditer(file.read_text())}

    def fields(self, structs: Mapping[str, str], struct: str) -> set[str]:
        """List the JSON names of a struct's fields, with those of embedded structs."""
        found: set[str] = set()
        for line in structs[struct].splitlines():
            match = _FIELD.match(line)
            if match is None or not (match["name"] or match["inline"] or match["type"].startswith("types.")):
                continue
            embedded = match["type"].removeprefix("types.")
            if match["name"]:
                found.add(match["name"])
            elif embedded in structs:
                found |= self.fields(structs, embedded)
        return found

    def loads(self) -> Mapping[str, int]:
        """Map each file -> how many times it calls a loader for a file or a directory."""
        counted = {
            str(file.relative_to(self.directory)): len(_LOADS.findall(file.read_text())) for file in self.files()
        }
        return {file: count for file, count in counted.items() if count}

    def plugin_kinds(self) -> set[str]:
        """List the kinds that `apiVersion: builtin` may name."""
        text = (self.directory / "internal/plugins/builtinhelpers/builtins.go").read_text()
        enumerated = re.search(r"^const \(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL)
        assert enumerated
        return set(re.findall(r"^\t(\w+)", enumerated[1], re.MULTILINE)) - {"Unknown"}
