from pathlib import Path

from lint import tree


def test_read_leaves_out_hidden_directories_and_what_tools_built(tmp_path: Path) -> None:
    for path in (
        ".git/config.txt",
        "build/a.py",
        "x.egg-info/a.txt",
        "gitops/__pycache__/a.py",
        "gitops/a.py",
        "b.png",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"pass\n" if path.endswith(".py") else b"\xff")
    assert tree.read(tmp_path).files == {"gitops/a.py": "pass\n", "b.png": ""}


def test_modules_are_those_of_the_product_and_of_lint() -> None:
    found = tree.Tree(dict.fromkeys(("tests/a.py", "gitops/core/__init__.py", "webhooks/a.py", "lint/b.py"), ""))
    assert [module.dotted for module in found.modules] == ["gitops.core", "lint.b", "webhooks.a"]
    assert [module.dotted for module in found.product] == ["gitops.core", "webhooks.a"]


def test_paths_hold_directories_too() -> None:
    assert tree.Tree({"docs/adr/a.md": ""}).paths == {".", "docs", "docs/adr", "docs/adr/a.md"}
