from lint import architecture
from lint.tree import Tree

FILES = {
    "gitops/__init__.py": "",
    "gitops/web/__init__.py": "",
    "gitops/web/deep/__init__.py": "",
    "gitops/core/__init__.py": "",
    "gitops/core/health/__init__.py": "",
    "webhooks/__init__.py": "",
    "tests/__init__.py": "",
}
TABLE = "| package |\n|---|\n| `webhooks/` |\n| `gitops/web/` |\n| `gitops/core/` |\n"


def test_a_package_of_the_first_level_or_of_rules_without_a_row_is_refused() -> None:
    page = TABLE + "See `gitops/core/health/`."
    (finding,) = architecture.packages_have_a_row(Tree(FILES | {"docs/architecture.md": page})).findings
    assert finding.path == "gitops/core/health/__init__.py"
    assert finding.message.startswith("docs/architecture.md has no row for `gitops/core/health/`.")


def test_packages_with_a_row_are_let_through() -> None:
    page = TABLE + "| `gitops/core/health/` |\n"
    assert architecture.packages_have_a_row(Tree(FILES | {"docs/architecture.md": page})).findings == ()
