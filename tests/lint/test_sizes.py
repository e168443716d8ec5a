from lint import sizes
from lint.tree import Tree


def _lines(count: int) -> str:
    return "pass\n" * count


def test_a_package_of_fifteen_modules_is_let_through() -> None:
    tree = Tree({f"gitops/web/m{number}.py": "" for number in range(15)} | {"gitops/web/__init__.py": ""})
    assert sizes.modules_per_package(tree).findings == ()


def test_a_package_of_sixteen_modules_is_refused() -> None:
    tree = Tree({f"webhooks/m{number}.py": "" for number in range(16)})
    found = sizes.modules_per_package(tree).findings
    assert [str(finding) for finding in found] == [
        "webhooks/__init__.py:1: 16 modules in one package, at most 15. Divide it by noun."
    ]


def test_modules_of_packages_below_are_not_counted() -> None:
    above = {f"gitops/m{number}.py": "" for number in range(15)}
    assert sizes.modules_per_package(Tree(above | {"gitops/web/more.py": ""})).findings == ()


def test_a_module_of_350_lines_is_let_through() -> None:
    assert sizes.lines_per_module(Tree({"gitops/long.py": _lines(350)})).findings == ()


def test_a_module_of_351_lines_is_refused() -> None:
    found = sizes.lines_per_module(Tree({"gitops/long.py": _lines(351), "tests/longer.py": _lines(900)})).findings
    assert [(finding.path, finding.line) for finding in found] == [("gitops/long.py", 351)]


def test_the_summary_names_the_largest() -> None:
    tree = Tree({"gitops/a.py": _lines(3), "gitops/b.py": _lines(5)})
    assert sizes.lines_per_module(tree).counted == "2 modules, the largest has 5 lines (gitops/b.py)"


def test_lint_itself_has_no_package_of_sixteen_modules() -> None:
    tree = Tree({f"lint/m{number}.py": "" for number in range(16)})
    assert len(sizes.modules_per_package(tree).findings) == 1
