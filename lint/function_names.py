"""Private functions are verbs: `_judge`, not `_judged`.

The rule looks at the first word alone and knows the irregular participles below, so it can miss a noun; it does not
refuse a verb. Properties are left out: they are read like attributes, so an adjective is right there.
"""

import ast
import re
from collections.abc import Iterator

from lint.report import Finding, Report
from lint.tree import Module, Tree

_VERBS = frozenset({"bleed", "breed", "embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed", "succeed"})

_IRREGULAR = re.compile(
    r"begun|bought|broken|brought|built|caught|chosen|done|drawn|driven|fallen|felt|forgotten|found|frozen|"
    r"given|gone|grown|heard|held|hidden|kept|known|laid|left|lent|lost|made|meant|met|paid|said|seen|sent|"
    r"shown|sold|spoken|spent|stolen|taken|taught|thought|thrown|told|understood|won|worn|written"
)
"""Participles that differ from the verb; `read`, `set`, `put` and their like are verbs as well."""


def private_verbs(tree: Tree) -> Report:
    found = [(module.path, node) for module in tree.modules for node in _private_functions(module)]
    findings = (
        Finding(path, node.lineno, f"function {node.name} is named by a participle. Name it by what it does.")
        for path, node in found
        if _is_participle(node.name.lstrip("_").partition("_")[0])
    )
    return Report(f"{len(found)} private functions", tuple(findings))


def _private_functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (
        node
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and re.match(r"_[a-z]", node.name)
        and not _is_property(node)
    )


def _is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(_name(decorator) in ("property", "cached_property") for decorator in function.decorator_list)


def _is_participle(word: str) -> bool:
    return _IRREGULAR.fullmatch(word) is not None or (word.endswith("ed") and word not in _VERBS)


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator).rpartition(".")[2]
