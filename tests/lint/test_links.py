import pytest

from lint import links
from lint.tree import Tree

FILES = {"README.md": "# Lockstep\n", "docs/adr/0001-a.md": "# A word, and `more`\n", "gitops/core/pods.py": ""}


def _messages(line: str) -> list[str]:
    return [str(finding) for finding in links.resolve(Tree(FILES | {"docs/page.md": f"# Page\n\n{line}\n"})).findings]


@pytest.mark.parametrize(
    "line",
    [
        "[a](adr/0001-a.md)",
        "[a](../README.md#lockstep)",
        "[a](adr/)",
        "[a](#page)",
        "[a](adr/0001-a.md#a-word-and-more)",
        "[pods.py](../gitops/core/pods.py)",
        "[`core/pods.py`](../gitops/core/pods.py)",
        "[a](https://example.com/none.md)",
    ],
)
def test_a_link_that_leads_somewhere_is_let_through(line: str) -> None:
    assert _messages(line) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[a](none.md)", "none.md: no such file. Correct the link."),
        ("[a](../../README.md)", "../../README.md: no such file. Correct the link."),
        ("[a](adr/0001-a.md#none)", "adr/0001-a.md#none: no such heading. Correct the link."),
        ("[a](#none)", "#none: no such heading. Correct the link."),
        (
            "[health.py](../gitops/core/pods.py)",
            "the link's text says health.py, but it leads to gitops/core/pods.py. Name the file that it leads to.",
        ),
    ],
)
def test_a_link_that_leads_nowhere_is_refused(line: str, message: str) -> None:
    assert _messages(line) == [f"docs/page.md:3: {message}"]


@pytest.mark.parametrize(
    "line", ['[a](none.md "title")', "[a](<none.md>)", "[a][b]\n\n[b]: none.md", '<a href="none.md">a</a>']
)
def test_other_forms_of_a_link_that_leads_nowhere_are_refused(line: str) -> None:
    assert [message.partition(": ")[2] for message in _messages(line)] == ["none.md: no such file. Correct the link."]
