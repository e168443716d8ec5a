"""docs/architecture.md and pyproject.toml name each package of the first level; the page also each package of rules."""

import tomllib
from collections.abc import Iterator

from lint.report import Finding, Report
from lint.tree import Tree

PAGE = "docs/architecture.md"
SETTINGS = "pyproject.toml"
WEBHOOKS_KNOW = frozenset({"gitops.core", "gitops.ports"})
"""All that webhooks/ may import of gitops/; an import-linter contract has to forbid every other package by name."""
_ABOVE = ("gitops", "gitops/core")


def packages_have_a_row(tree: Tree) -> Report:
    page = tree.files.get(PAGE, "")
    packages = [module.path.removesuffix("/__init__.py") for module in tree.product if module.is_package]
    found = [package for package in packages if package == "webhooks" or package.rpartition("/")[0] in _ABOVE]
    findings = (
        Finding(
            f"{package}/__init__.py", 1, f"{PAGE} has no row for `{package}/`. Say there what it is and may import."
        )
        for package in found
        if not any(line.startswith("|") and f"`{package}/`" in line for line in page.splitlines())
    )
    return Report(f"{len(found)} packages", tuple(findings))


def webhooks_know_little(tree: Tree) -> Report:
    """The contract whose only source is webhooks/ forbids each package of gitops/ but those of `WEBHOOKS_KNOW`."""
    packages = {
        module.dotted for module in tree.product if module.is_package and module.dotted.rpartition(".")[0] == "gitops"
    }
    forbidden = {name for contract in _contracts(tree) for name in contract["forbidden_modules"]}
    findings = [
        Finding(SETTINGS, 1, f"no contract forbids webhooks to import {package}. Add it to forbidden_modules.")
        for package in sorted(packages - forbidden - WEBHOOKS_KNOW)
    ]
    return Report(f"{len(packages)} packages", tuple(findings))


def _contracts(tree: Tree) -> Iterator[dict[str, list[str]]]:
    settings = tomllib.loads(tree.files.get(SETTINGS, ""))
    for contract in settings.get("tool", {}).get("importlinter", {}).get("contracts", []):
        if contract.get("type") == "forbidden" and contract.get("source_modules") == ["webhooks"]:
            yield contract
