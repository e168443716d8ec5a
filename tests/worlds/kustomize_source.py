"""The source of the pinned kustomize, as the Go toolchain keeps or fetches it, read as far as these tests need it."""

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
        """The program is built from this very module, so it is there, or the machine that builds can fetch it."""
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
        """What a build may run: no tests, and not the command `localize`."""
        for file in sorted(self.directory.rglob("*.go")):
            inside = file.relative_to(self.directory).parts
            if not file.name.endswith("_test.go") and not {"testutils", "localizer"} & set(inside):
                yield file

    def structs(self, folder: str) -> Mapping[str, str]:
        """Name of a struct type -> the lines between its braces."""
        files = sorted((self.directory / folder).glob("*.go"))
        return {match[1]: match[2] for file in files for match in _STRUCT.finditer(file.read_text())}

    def fields(self, structs: Mapping[str, str], struct: str) -> set[str]:
        """The names under which JSON sets the fields of a struct, those of embedded ones included."""
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
        """File -> how many times it asks a loader for a file or a directory."""
        counted = {
            str(file.relative_to(self.directory)): len(_LOADS.findall(file.read_text())) for file in self.files()
        }
        return {file: count for file, count in counted.items() if count}

    def plugin_kinds(self) -> set[str]:
        """The kinds that `apiVersion: builtin` may name."""
        text = (self.directory / "internal/plugins/builtinhelpers/builtins.go").read_text()
        enumerated = re.search(r"^const \(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL)
        assert enumerated
        return set(re.findall(r"^\t(\w+)", enumerated[1], re.MULTILINE)) - {"Unknown"}
