"""Docstrings: every package has one that leads into it, and none begins with a word that makes it a riddle."""

import ast
import re
from collections.abc import Iterator

from lint.report import Finding, Report
from lint.tree import Module, Tree

RIDDLES = ("What", "Whatever", "Who", "Whoever", "Whose", "Nobody", "Somebody", "Everybody", "Such", "Those", "That")
_NAMES = ("kstatus", "kustomize", "structlog")
"""Names that begin with a small letter; so may file names, addresses and calls."""

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def first_words(tree: Tree) -> Report:
    found = [(module.path, line, text) for module in tree.sources for line, text in _docstrings(module)]
    findings = (
        Finding(path, line, f'a docstring begins with "{word}". Begin with a verb or with the noun that it is about.')
        for path, line, text in found
        if _is_riddle(word := text.split(maxsplit=1)[0].rstrip(",:;."))
    )
    return Report(f"{len(found)} docstrings", tuple(findings))


def packages(tree: Tree) -> Report:
    """Each package says what it is, what it is not, and with which of its modules to begin."""
    found = [module for module in tree.modules if module.is_package]
    findings = (
        Finding(package.path, 1, message) for package in found for message in _package_complaints(tree, package)
    )
    return Report(f"{len(found)} packages", tuple(findings))


def _package_complaints(tree: Tree, package: Module) -> Iterator[str]:
    text = ast.get_docstring(package.syntax) or ""
    directory = package.path.removesuffix("__init__.py")
    names = {path.removesuffix(".py").rpartition("/")[2] for path in tree.paths if path.startswith(directory)}
    begin = re.search(r"\bBegin (?:at|with)\b(.*)", text, re.DOTALL)
    if not text:
        yield "a package without a docstring. Say what it is, what it is not, and where to begin."
    elif begin is None or names.isdisjoint(re.findall(r"\w+", begin[1])):
        yield 'the docstring names no module of the package to begin at. Add "Begin at ...".'


def _is_riddle(word: str) -> bool:
    name = word.removesuffix("'s")
    is_lower = re.fullmatch(r"[a-z]+", name) is not None and name not in _NAMES
    return is_lower or word in RIDDLES


def _docstrings(module: Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string that stands as a statement: those below an attribute describe it."""
    for node in module.nodes:
        if isinstance(node, _Documented):
            for statement in node.body:
                match statement:
                    case ast.Expr(value=ast.Constant(value=str(text))) if text.strip():
                        yield statement.lineno, text
