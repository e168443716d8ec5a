import pytest

from lint import docstrings
from lint.tree import Tree


@pytest.mark.parametrize(
    "module",
    [
        '"""What a module says."""\n',
        'class Image:\n    """Whoever reads this."""\n',
        'def read() -> None:\n    """Nobody waits."""\n',
        'async def read() -> None:\n    """Somebody waits."""\n',
        'LIMIT = 3\n"""Such a number is small."""\n',
        'class Image:\n    name: str\n    """Who made it."""\n',
        '"""What: a riddle."""\n',
    ],
)
@pytest.mark.parametrize("path", ["gitops/a.py", "tests/test_a.py", "benchmarks/a.py"])
def test_docstring_that_begins_with_a_riddle_is_refused(module: str, path: str) -> None:
    found = docstrings.first_words(Tree({path: module})).findings
    assert len(found) == 1
    assert "Begin with a verb or with the noun" in found[0].message


@pytest.mark.parametrize("text", ["Somebodys", "The host answers what it knows.", "Whether it is whole.", ""])
def test_other_docstrings_are_let_through(text: str) -> None:
    assert docstrings.first_words(Tree({"gitops/a.py": f'"""{text}"""\n'})).findings == ()


def test_a_string_that_is_no_statement_is_no_docstring() -> None:
    assert docstrings.first_words(Tree({"gitops/a.py": 'TEXT = "What now?"\n'})).findings == ()


def test_the_line_is_that_of_the_docstring() -> None:
    tree = Tree({"webhooks/a.py": 'import os\n\nLIMIT = 3\n"""What is allowed."""\n'})
    assert [(finding.path, finding.line) for finding in docstrings.first_words(tree).findings] == [("webhooks/a.py", 4)]


@pytest.mark.parametrize("text", ["", '""""""\n', "import os\n"])
def test_a_package_without_a_docstring_is_refused(text: str) -> None:
    found = docstrings.packages(Tree({"gitops/web/__init__.py": text, "gitops/web/a.py": ""})).findings
    assert [finding.path for finding in found] == ["gitops/web/__init__.py"]


@pytest.mark.parametrize("text", ["The WSGI side.", "The WSGI side. Begin at listeners.", "Begin somewhere in a."])
def test_a_package_that_names_no_module_to_begin_at_is_refused(text: str) -> None:
    found = docstrings.packages(Tree({"gitops/web/__init__.py": f'"""{text}"""', "gitops/web/a.py": ""})).findings
    assert [finding.message for finding in found] == [
        'the docstring names no module of the package to begin at. Add "Begin at ...".'
    ]


@pytest.mark.parametrize("begin", ["Begin at a.py.", "Begin with `a`, then b.", "Begin at\nsub/c.py."])
def test_a_package_that_leads_into_itself_is_let_through(begin: str) -> None:
    files = {
        "gitops/web/__init__.py": f'"""The WSGI side. {begin}"""',
        "gitops/web/a.py": "",
        "gitops/web/sub/c.py": "",
    }
    assert docstrings.packages(Tree(files)).findings == ()


@pytest.mark.parametrize("text", ["Those of one host.", "That one.", "Whose it is.", "Everybody waits.", "reads it."])
def test_pronouns_and_small_letters_are_refused_as_openings(text: str) -> None:
    assert len(docstrings.first_words(Tree({"gitops/a.py": f'"""{text}"""\n'})).findings) == 1


@pytest.mark.parametrize("text", ["kustomize's suffix.", "release.yaml of it.", "start() once.", "a/b.py -> b."])
def test_names_with_small_letters_are_let_through_as_openings(text: str) -> None:
    assert docstrings.first_words(Tree({"gitops/a.py": f'"""{text}"""\n'})).findings == ()
