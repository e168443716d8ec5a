"""The documentation is correct: examples parse with our models; links, commands and make targets exist."""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from gitops.cli.main import app
from gitops.config import model as config
from gitops.core.config_repo import environments, pipeline, release
from gitops.core.kustomize import image_edit
from lint import code_names, links
from lint.report import Report
from lint.tree import Tree, read
from tests import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "localcluster/README.md"])
TREE = read(ROOT)
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PART = "environments/pipeline.yaml (part)"
ENVIRONMENTS = """
environments: {dev: {namespace: dev}, test: {namespace: test, after: dev}, prod: {namespace: prod, after: test}}
"""

READERS: Mapping[str, Callable[[str, str], object]] = {
    "lockstep.yaml": lambda text, _: config.Config.model_validate(yaml.safe_load(text)),
    "environments/pipeline.yaml": lambda text, file: pipeline.parse(text.encode(), file),
    PART: lambda text, file: pipeline.parse((text + ENVIRONMENTS).encode(), file),
    "release.yaml": lambda text, file: release.parse_release(text.encode(), file),
    "hold.yaml": lambda text, file: release.parse_hold(text.encode(), file),
    "kustomization.yaml": lambda text, file: image_edit.images(text.encode(), file),
}
"""Parsers by the file that the first line of an example names. Others are part of pipeline.yaml, or manifests."""


def _relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found in BLOCK.finditer(page.read_text()):
            if found[1] == language:
                yield _relative(page), found[2]


def _code() -> str:
    """Return all text of the pages that is set as code."""
    return "\n".join(
        found for page in PAGES for found in re.findall(r"```\w*\n.*?```|`[^`\n]+`", page.read_text(), re.DOTALL)
    )


@pytest.mark.parametrize(("page", "text"), list(_blocks("yaml")))
def test_docs_examples_are_all_valid(page: str, text: str) -> None:
    named = re.match(r"# (\S+\.yaml(?: \(part\))?)\n", text)
    if named is not None:
        reader = READERS.get(named[1]) or READERS[named[1].rpartition("/")[2]]
        reader(text, page)
    elif next(yaml.safe_load_all(text)).keys() <= pipeline.Pipeline.model_fields.keys():
        READERS[PART](text, page)
    else:
        for body in yaml.safe_load_all(text):
            assert {"apiVersion", "kind", "metadata"} <= body.keys(), f"{page}: name the file in the first line"


def test_docs_have_an_example_of_every_file() -> None:
    shown = "\n".join(text for _, text in _blocks("yaml"))
    assert all(f"{name}\n" in shown for name in READERS)


@pytest.mark.parametrize("rule", [links.resolve, code_names.in_pages, code_names.in_modules])
def test_docs_links_and_code_names_all_resolve(rule: Callable[[Tree], Report]) -> None:
    """The same rules as in `make lint`: links with anchors, paths, file names, dotted names and class names."""
    assert rule(TREE).findings == ()


def test_docs_pages_are_all_linked() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())
        if not re.match(r"[a-z]+:", target)
    }
    assert not [_relative(page) for page in PAGES if page.parent.is_relative_to(ROOT / "docs") and page not in linked]


def test_docs_commands_all_exist() -> None:
    known = _commands(get_command(app))
    named = re.findall(r"\blockstep((?: [a-z]+)+)", _code())
    assert named
    for words in named:
        first, second = (*words.split(), "")[:2]
        assert first in known, f"lockstep {first}"
        if first == "local" and second:
            assert f"local {second}" in known, f"lockstep local {second}"


def test_docs_make_targets_all_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", _code()))
    assert {"run", "test"} <= named <= targets


def test_docs_explain_every_field_of_the_config_repo() -> None:
    page = (ROOT / "docs/config-repo.md").read_text()
    for name in (
        *pipeline.Pipeline.model_fields,
        *environments.Environment.model_fields,
        *release.Release.model_fields,
    ):
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", page), f"docs/config-repo.md does not explain {name}"
    for name in (*environments.SyncOptions.model_fields, *release.Hold.model_fields):
        assert name in page, f"docs/config-repo.md does not explain {name}"


def test_docs_explain_every_reason() -> None:
    """An operator finds each reason in docs/operations.md, Reasons. Add a row there for a new reason."""
    page = (ROOT / "docs/operations.md").read_text()
    rows = re.findall(r"^\| ([A-Z][A-Za-z]+(?:, [A-Z][A-Za-z0-9]+)*) \|", page, re.MULTILINE)
    explained = {reason for row in rows for reason in row.split(", ")}
    assert _reasons() - explained == set()


def test_adrs_are_short_and_listed() -> None:
    index = (ROOT / "docs/adr/README.md").read_text()
    for page in (ROOT / "docs/adr").glob("0*.md"):
        text = page.read_text()
        assert f"]({page.name})" in index
        assert len(text.splitlines()) <= 40, f"{page.name}: about 20 lines"
        assert "**Cost.**" in text


def test_dependencies_all_have_their_line_in_the_adr() -> None:
    """ADR 0011 has a line for each library in the dependencies of pyproject.toml."""
    page = (ROOT / "docs/adr/0011-dependencies.md").read_text().lower()
    wanted = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    assert wanted is not None
    names = re.findall(r'"([a-z.-]+)', wanted[1])
    assert [name for name in names if name not in page] == []


def _commands(command: Any, prefix: str = "") -> set[str]:
    found = set()
    for name, inner in getattr(command, "commands", {}).items():
        found.add(f"{prefix}{name}")
        found |= _commands(inner, f"{prefix}{name} ")
    return found


def _reasons() -> set[str]:
    """Return every reason that the controller raises, without those of the local installation (`make run`)."""
    tracked = subprocess.run(
        ["git", "ls-files", "gitops", "webhooks"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [name for name in tracked.stdout.splitlines() if name.endswith(".py") and "/local/" not in name]
    text = "\n".join((ROOT / name).read_text() for name in files if (ROOT / name).exists())
    raised = r"(?:Rejected|Unavailable|Stall)\(\s*\"([A-Z]\w+)\""
    return set(re.findall(raised, text))
