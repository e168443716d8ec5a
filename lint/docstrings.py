"""Docstrings: every package has one, and none begins with a word that makes a riddle of the sentence."""

import ast
from collections.abc import Iterator

from lint.report import Finding, Report
from lint.tree import Module, Tree

RIDDLES = ("What", "Whatever", "Who", "Whoever", "Nobody", "Somebody", "Such")

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def first_words(tree: Tree) -> Report:
    found = [(module.path, line, text) for module in tree.modules for line, text in _docstrings(module)]
    findings = (
        Finding(path, line, f'a docstring begins with "{word}". Begin with a verb or with the noun that it is about.')
        for path, line, text in found
        if (word := text.split(maxsplit=1)[0].rstrip(",:;.")) in RIDDLES
    )
    return Report(f"{len(found)} docstrings", tuple(findings))


def packages(tree: Tree) -> Report:
    found = [module for module in tree.modules if module.path.endswith("/__init__.py")]
    findings = (
        Finding(module.path, 1, "a package without a docstring. Say what it is, what it is not, and where to begin.")
        for module in found
        if not ast.get_docstring(module.syntax)
    )
    return Report(f"{len(found)} packages", tuple(findings))


def _docstrings(module: Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string that stands as a statement: those below an attribute describe it."""
    for node in module.nodes:
        if isinstance(node, _Documented):
            for statement in node.body:
                match statement:
                    case ast.Expr(value=ast.Constant(value=str(text))) if text.strip():
                        yield statement.lineno, text
