"""The words that class names may be made of: the glossary's and ordinary English ones.

docs/glossary.md holds the words of the field and of Lockstep, and in a table of its own those that are refused.
lint/english.txt holds the ordinary words in use, kept by hand: what a learner's dictionary gives for such a word is
what it means here. A word with another meaning belongs into the glossary.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lint.tree import Tree

GLOSSARY = "docs/glossary.md"
ENGLISH = "lint/english.txt"
_REFUSED_HEADING = "## Refused words"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`allowed` maps a word to the file that allows it, `refused` one to what to say instead."""

    allowed: Mapping[str, str]
    refused: Mapping[str, str]

    def allows(self, word: str) -> bool:
        """True if a lower-case word, or its singular, is allowed."""
        return any(form in self.allowed for form in singulars(word))


def read(tree: Tree) -> Vocabulary:
    terms, _, refused = tree.files.get(GLOSSARY, "").partition(_REFUSED_HEADING)
    english = (line.partition("#")[0].split() for line in tree.files.get(ENGLISH, "").splitlines())
    return Vocabulary(
        {word: ENGLISH for line in english for word in line}
        | {word: GLOSSARY for row in _rows(terms) for word in _words(row[0])},
        {word: row[1] for row in _rows(refused) for word in _words(row[0])},
    )


def singulars(word: str) -> Iterator[str]:
    """`word` and what it may be the plural of: policies, policy; images, image; statuses, status."""
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]


def _rows(text: str) -> Iterator[tuple[str, str]]:
    """The first two cells of each row below the head of a Markdown table."""
    is_below_head = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            is_below_head = False
        elif re.fullmatch(r"[-| :]+", line):
            is_below_head = True
        elif is_below_head and len(cells) > 1:
            yield cells[0], cells[1]


def _words(cell: str) -> Iterator[str]:
    return (word.lower() for word in re.findall(r"[A-Za-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", cell) + " " + cell))
