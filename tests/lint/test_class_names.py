import pytest

from lint import class_names
from lint.tree import Tree

GLOSSARY = """# Glossary

| word | meaning |
|---|---|
| ApplySet, parent | an inventory |
| policy | a rule of a person |

## Refused words

| not | say |
|---|---|
| witness | proof recorder |
"""


def _tree(*names: str, english: str = "# ordinary words\nimage lost\n") -> Tree:
    module = "".join(f"class {name}:\n    pass\n" for name in names)
    return Tree({"docs/glossary.md": GLOSSARY, "lint/english.txt": english, "gitops/a.py": module})


def _messages(tree: Tree) -> list[str]:
    return [str(finding) for finding in class_names.in_vocabulary(tree).findings]


def test_a_public_name_that_stands_twice_is_refused() -> None:
    tree = Tree({"gitops/a.py": "class Image: ...\n", "gitops/b.py": "\nclass Image: ...\n"})
    assert [str(finding) for finding in class_names.unique(tree).findings] == [
        "gitops/b.py:2: class Image stands in gitops/a.py too. Give one of them a name that tells them apart."
    ]


def test_private_names_and_names_of_webhooks_may_stand_twice() -> None:
    tree = Tree(
        {"gitops/a.py": "class _Push: ...\nclass Rate: ...\n", "webhooks/b.py": "class _Push: ...\nclass Rate: ..."}
    )
    assert class_names.unique(tree).findings == ()


def test_words_of_the_glossary_and_of_english_are_let_through() -> None:
    assert _messages(_tree("ApplySet", "LostImages", "_ParentPolicies")) == []


def test_a_word_that_is_in_neither_is_refused() -> None:
    (message,) = _messages(_tree("ImageHerald"))
    assert message.startswith('gitops/a.py:1: class ImageHerald: "herald" is neither in docs/glossary.md nor in')


@pytest.mark.parametrize(
    ("name", "word"), [("Witness", "witness"), ("_ImageWitness", "witness"), ("Witnesses", "witnesses")]
)
def test_a_refused_word_is_refused_with_what_to_say(name: str, word: str) -> None:
    assert _messages(_tree(name)) == [f'gitops/a.py:1: class {name}: "{word}" is a refused word. Say proof recorder.']


def test_a_refused_word_cannot_be_allowed_beside() -> None:
    assert _messages(_tree("Image", english="image witness")) == [
        'lint/english.txt:1: "witness" is a refused word of docs/glossary.md. Say proof recorder.'
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("_OCIRegistry", ("oci", "registry")),
        ("HttpsPool", ("https", "pool")),
        ("ApplySet", ("apply", "set")),
        ("A27Attack", ("a", "attack")),
    ],
)
def test_split(name: str, words: tuple[str, ...]) -> None:
    assert class_names.split(name) == words


def test_the_head_of_a_table_is_no_word() -> None:
    assert [message.partition(" is ")[0] for message in _messages(_tree("WordNot"))] == [
        'gitops/a.py:1: class WordNot: "not"',
        'gitops/a.py:1: class WordNot: "word"',
    ]


def test_a_word_of_the_list_that_no_class_name_has_is_refused() -> None:
    found = class_names.english_in_use(_tree("Image", english="image lost")).findings
    assert [str(finding) for finding in found] == ['lint/english.txt:1: no class name has the word "lost". Remove it.']
