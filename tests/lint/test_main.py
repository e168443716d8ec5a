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
