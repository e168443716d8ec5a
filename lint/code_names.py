"""Names of the code that pages, docstrings and comments use: each is in the tree.

In pages the rule reads what is set as code: paths (`gitops/ports.py`, with `*` and `{a,b}`), file names (`ports.py`),
dotted names (`gitops.core.health.assess`, `health.assess(...)`, `Reconciler.reconcile`) and CamelCase words, which must
stand somewhere in the code or the manifests. In Python files it reads file names and dotted names, also in comments.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import product
from pathlib import PurePosixPath

from lint.report import Finding, Report
from lint.tree import Module, Tree

_TOPS = "gitops|webhooks|lint|tests|benchmarks|deploy|docs|base|environments|localcluster"
_EXAMPLES = ("environments/prod/print-api",)
"""Paths that a page tells a reader to make."""

_FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"(?:{_TOPS})/[\w.,/*{{}}-]*")
_FILE = re.compile(r"[\w/]+\.py")
_DOTTED = re.compile(r"(gitops(?:\.\w+)+)(?:\(.*)?")
_CALL = re.compile(r"([a-z]\w*)\.(\w+)\(.*")
_MEMBER = re.compile(r"([A-Z]\w*)\.(\w+)(?:\(.*)?")
_CAMEL = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+")
_IN_PYTHON = re.compile(r"(?<![\w./<*{-])(?:[\w/]+\.(?:py|md)\b|gitops(?:\.[a-z_]\w*)+(?:\.[A-Z]\w*)?)")
"""File names, with or without directories, and dotted names; not a part of a URL, a pattern or a longer name."""


class Names:
    """The names that a tree has."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @cached_property
    def modules(self) -> Mapping[str, Module]:
        return {module.dotted: module for module in self._tree.modules}

    @cached_property
    def by_last_part(self) -> Mapping[str, list[Module]]:
        found = defaultdict(list)
        for dotted, module in self.modules.items():
            found[dotted.rpartition(".")[2]].append(module)
        return found

    @cached_property
    def members(self) -> Mapping[str, frozenset[str]]:
        """Names that stand in a class, by the class's name; in all of them where it stands more than once."""
        found: dict[str, frozenset[str]] = {}
        for module in self._tree.modules:
            for node in module.classes:
                found[node.name] = found.get(node.name, frozenset()) | _identifiers(node)
        return found

    @cached_property
    def camel(self) -> frozenset[str]:
        """CamelCase words of everything but pages."""
        texts = (text for path, text in self._tree.files.items() if not path.endswith(".md"))
        return frozenset(word for text in texts for word in _CAMEL.findall(text))

    def has_path(self, path: str) -> bool:
        """True if a file or a directory has this path, which may have `*` and `{a,b}`."""
        return all(
            any(PurePosixPath(known).match(one) for known in self._tree.paths)
            if "*" in one
            else one in self._tree.paths
            for one in _expand(path.rstrip("/."))
            if one not in _EXAMPLES
        )

    def has_file(self, name: str) -> bool:
        return any(f"/{path}".endswith(f"/{name}") for path in self._tree.files)

    def has_dotted(self, name: str) -> bool:
        """True for a module, or a name that a module defines."""
        above, _, last = name.rpartition(".")
        if name in self.modules:
            return True
        if above in self.modules:
            return last in _identifiers(self.modules[above].syntax)
        module, _, owner = above.rpartition(".")
        return module in self.modules and last in self.members.get(owner, ())


def in_pages(tree: Tree) -> Report:
    names = Names(tree)
    found = [(page, line, code) for page, text in tree.pages.items() for line, code in _spans(text)]
    findings = (
        Finding(page, line, f"`{code}`: {message}")
        for page, line, code in found
        for message in _complaints(names, code)
    )
    return Report(f"{len(found)} spans of code in {len(tree.pages)} pages", tuple(findings))


def in_modules(tree: Tree) -> Report:
    names = Names(tree)
    found = [
        (module.path, number, name.rstrip("."))
        for module in tree.product
        for number, line in enumerate(module.text.splitlines(), 1)
        for name in _IN_PYTHON.findall(line)
    ]
    findings = (
        Finding(path, line, f"{name}: the tree has no such file or name. Name the one that is meant.")
        for path, line, name in found
        if not (names.has_file(name) if name.endswith((".py", ".md")) else names.has_dotted(name))
    )
    return Report(f"{len(found)} names in {len(tree.product)} modules", tuple(findings))


def _spans(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of everything between backticks; blocks that are fenced are examples, and left out."""
    plain = _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
    for match in _CODE.finditer(plain):
        yield plain.count("\n", 0, match.start()) + 1, match[1]


def _complaints(names: Names, code: str) -> Iterator[str]:
    for form, is_known, complaint in _FORMS:
        if match := form.fullmatch(code):
            if not is_known(names, match):
                yield complaint
            return


def _has_call(names: Names, call: re.Match[str]) -> bool:
    """`health.assess(...)`, where a module has that name; else it is no name of the code."""
    modules = names.by_last_part.get(call[1], ())
    return not modules or any(call[2] in _identifiers(module.syntax) for module in modules)


def _has_member(names: Names, member: re.Match[str]) -> bool:
    """`Reconciler.reconcile`, where a class has that name; else it is no name of the code."""
    return member[1] not in names.members or member[2] in names.members[member[1]]


_FORMS: tuple[tuple[re.Pattern[str], Callable[[Names, re.Match[str]], bool], str], ...] = (
    (_PATH, lambda names, found: names.has_path(found[0]), "no such file or directory in the tree."),
    (_FILE, lambda names, found: names.has_file(found[0]), "no file of the tree has that name."),
    (_DOTTED, lambda names, found: names.has_dotted(found[1]), "no module has that name, nor holds it."),
    (_CALL, _has_call, "no module of that name holds this function."),
    (_MEMBER, _has_member, "that class has no such member."),
    (_CAMEL, lambda names, found: found[0] in names.camel, "neither the code nor a manifest has that word."),
)
"""The form of a name, whether a tree has it, and what to say if not; the first form that fits counts."""


def _identifiers(node: ast.AST) -> frozenset[str]:
    """Names that are defined or used below a node."""
    return frozenset(name for inner in ast.walk(node) if (name := _name(inner)))


def _name(node: ast.AST) -> str:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name) | ast.alias(name=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _expand(path: str) -> Iterator[str]:
    """`a/{b,c}.py` is a/b.py and a/c.py."""
    parts = [part.split(",") for part in re.split(r"[{}]", path)]
    choices = [part if number % 2 else [",".join(part)] for number, part in enumerate(parts)]
    return ("".join(chosen) for chosen in product(*choices))
