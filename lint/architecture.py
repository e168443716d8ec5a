"""docs/architecture.md has a row for each package of the first level, and for each package of rules."""

from lint.report import Finding, Report
from lint.tree import Tree

PAGE = "docs/architecture.md"
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
