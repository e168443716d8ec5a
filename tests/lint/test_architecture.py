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


CONTRACT = (
    '[[tool.importlinter.contracts]]\ntype = "forbidden"\nsource_modules = ["webhooks"]\nforbidden_modules = [{}]\n'
)


def test_a_package_that_webhooks_are_not_forbidden_to_import_is_refused() -> None:
    other = CONTRACT.format('"gitops.web"').replace('["webhooks"]', '["gitops.core"]')
    tree = Tree(FILES | {"pyproject.toml": CONTRACT.format('"gitops.cli"') + other})
    assert [str(finding) for finding in architecture.webhooks_know_little(tree).findings] == [
        "pyproject.toml:1: no contract forbids webhooks to import gitops.web. Add it to forbidden_modules."
    ]


def test_rules_and_ports_are_what_webhooks_may_import() -> None:
    tree = Tree(FILES | {"gitops/ports/__init__.py": "", "pyproject.toml": CONTRACT.format('"gitops.web"')})
    assert architecture.webhooks_know_little(tree).findings == ()
