import pytest

from lint import code_names
from lint.tree import Tree

HEALTH = '''"""Health."""


def assess(body: object) -> str:
    return "Healthy"


class PodRules:
    def judge(self) -> None:
        self.count = 0
'''
FILES = {
    "gitops/core/health.py": HEALTH,
    "gitops/core/pods.py": "",
    "deploy/a.yaml": "kind: NetworkPolicy\n",
}


def _in_page(text: str) -> list[str]:
    return [str(finding) for finding in code_names.in_pages(Tree(FILES | {"docs/page.md": text})).findings]


def _in_module(text: str) -> list[str]:
    return [str(finding) for finding in code_names.in_modules(Tree(FILES | {"gitops/a.py": text})).findings]


@pytest.mark.parametrize(
    "code",
    [
        "gitops/core/",
        "gitops/core/health.py",
        "gitops/core/{health,pods}.py",
        "gitops/*/pods.py",
        "health.py",
        "core/health.py",
        "gitops.core.health",
        "gitops.core.health.assess(body)",
        "gitops.core.health.PodRules.judge",
        "health.assess(body)",
        "PodRules",
        "PodRules.judge(body)",
        "PodRules.count",
        "NetworkPolicy",
        "yaml.load(text)",
        "promote.scan",
        "kubectl apply -k deploy",
    ],
)
def test_a_name_of_the_tree_is_let_through(code: str) -> None:
    assert _in_page(f"See `{code}`.") == []


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("gitops/core/custom.py", "no such file or directory in the tree."),
        ("gitops/core/{health,custom}.py", "no such file or directory in the tree."),
        ("gitops/*.py", "no such file or directory in the tree."),
        ("custom.py", "no file of the tree has that name."),
        ("gitops.health", "no module has that name, nor holds it."),
        ("gitops.core.health.check_all", "no module has that name, nor holds it."),
        ("health.has_rule(kind)", "no module of that name holds this function."),
        ("PodRules.look", "that class has no such member."),
        ("ProofWitness", "neither the code nor a manifest has that word."),
    ],
)
def test_a_name_that_the_tree_does_not_have_is_refused(code: str, complaint: str) -> None:
    assert _in_page(f"# Page\n\nSee `{code}`.") == [f"docs/page.md:3: `{code}`: {complaint}"]


def test_fenced_blocks_are_left_out() -> None:
    assert _in_page("```console\n$ cat `gitops/none.py`\n```\n") == []


@pytest.mark.parametrize(
    "name", ["gitops.core.health", "gitops.core.health.PodRules", "gitops/core/health.py", "core/pods.py", "pods.py"]
)
def test_a_comment_may_name_what_is_in_the_tree(name: str) -> None:
    assert _in_module(f"# see {name}.\n") == []


@pytest.mark.parametrize(
    "name", ["gitops.core.custom", "gitops.core.health.Witness", "gitops/core/custom.py", "custom.py", "custom.md"]
)
def test_a_comment_that_names_what_is_not_in_the_tree_is_refused(name: str) -> None:
    assert _in_module(f"\n# see {name}.\n") == [
        f"gitops/a.py:2: {name}: the tree has no such file or name. Name the one that is meant."
    ]
