"""Limits that keep a package and a module small enough to be read at once.

They are for gitops/, webhooks/ and lint/. benchmarks/ (18 modules) and tests/worlds/ (25) are larger and left out.
"""

from collections import Counter
from pathlib import PurePosixPath

from lint.report import Finding, Report
from lint.tree import Tree

MODULES = 15
"""In one package; `__init__.py` and packages below it are not counted."""

LINES = 350
"""In one module."""


def modules_per_package(tree: Tree) -> Report:
    packages = Counter(str(PurePosixPath(module.path).parent) for module in tree.modules if not module.is_package)
    findings = (
        Finding(f"{package}/__init__.py", 1, f"{count} modules in one package, at most {MODULES}. Divide it by noun.")
        for package, count in sorted(packages.items())
        if count > MODULES
    )
    return Report(f"{len(packages)} packages, {_largest(packages, 'modules')}", tuple(findings))


def lines_per_module(tree: Tree) -> Report:
    modules = Counter({module.path: module.lines for module in tree.product})
    findings = (
        Finding(path, lines, f"{lines} lines in one module, at most {LINES}. Divide it by noun.")
        for path, lines in sorted(modules.items())
        if lines > LINES
    )
    return Report(f"{len(modules)} modules, {_largest(modules, 'lines')}", tuple(findings))


def _largest(counts: Counter[str], unit: str) -> str:
    return "".join(f"the largest has {count} {unit} ({name})" for name, count in counts.most_common(1))
