from lint import __main__ as lint
from lint.tree import Tree


def test_a_broken_rule_is_named_behind_its_findings() -> None:
    lines, is_broken = lint.check(Tree({"README.md": "[a](none.md)\n"}))
    assert is_broken
    at = lines.index("BROKEN links of pages: 1 links in 1 pages")
    assert lines[at - 1] == "README.md:1: none.md: no such file. Correct the link."


def test_a_tree_that_breaks_nothing_has_one_line_for_each_rule() -> None:
    lines, is_broken = lint.check(Tree({"README.md": "# Lockstep\n"}))
    assert not is_broken
    assert len(lines) == len(lint.RULES)


def test_a_file_that_does_not_parse_is_a_finding() -> None:
    lines, is_broken = lint.check(Tree({"gitops/a.py": "\ndef (:\n"}))
    assert is_broken
    assert lines[0].startswith("gitops/a.py:2: ")
