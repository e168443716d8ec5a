import pytest

from lint import function_names
from lint.tree import Tree


def _findings(name: str, before: str = "") -> int:
    module = f"class Image:\n    {before}\n    def {name}(self) -> None: ...\n"
    return len(function_names.private_verbs(Tree({"gitops/a.py": module})).findings)


@pytest.mark.parametrize("name", ["_told", "_judged", "_passed", "_chosen", "_left_out", "_written", "_taken_back"])
def test_a_private_function_named_by_a_participle_is_refused(name: str) -> None:
    assert _findings(name) == 1


@pytest.mark.parametrize("name", ["_judge", "_read", "_is_written", "_feed", "_need", "written", "__init_subclass__"])
def test_verbs_and_public_functions_are_let_through(name: str) -> None:
    assert _findings(name) == 0


@pytest.mark.parametrize("decorator", ["@property", "@functools.cached_property"])
def test_a_property_may_be_named_by_a_participle(decorator: str) -> None:
    assert _findings("_written", decorator) == 0


def test_an_async_private_function_named_by_a_participle_is_refused() -> None:
    tree = Tree({"gitops/a.py": "async def _told() -> None: ...\n"})
    assert len(function_names.private_verbs(tree).findings) == 1
