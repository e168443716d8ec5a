"""The names of classes: each stands once, and is made of words that a stranger knows or can look up."""

import re
from collections import defaultdict
from collections.abc import Iterator

from lint import vocabulary
from lint.report import Finding, Report
from lint.tree import Tree

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


def unique(tree: Tree) -> Report:
    """No public class name twice below gitops/."""
    places = defaultdict(list)
    for module in tree.product:
        if module.path.startswith("gitops/"):
            for found in module.classes:
                if not found.name.startswith("_"):
                    places[found.name].append((module.path, found.lineno))
    findings = (
        Finding(path, line, f"class {name} stands in {found[0][0]} too. Give one of them a name that tells them apart.")
        for name, found in places.items()
        for path, line in found[1:]
    )
    return Report(f"{len(places)} public class names below gitops/", tuple(sorted(findings)))


def in_vocabulary(tree: Tree) -> Report:
    """Every word of every class name, private ones too, is in the glossary or in the list of English words."""
    words = vocabulary.read(tree)
    used = [
        (module.path, found.lineno, found.name, word)
        for module in tree.product
        for found in module.classes
        for word in split(found.name)
    ]
    findings = [
        Finding(path, line, message) for path, line, name, word in used for message in _complaints(words, name, word)
    ]
    findings += [
        Finding(words.allowed[word], 1, f'"{word}" is a refused word of {vocabulary.GLOSSARY}. Say {say}.')
        for word, say in words.refused.items()
        if word in words.allowed
    ]
    return Report(f"{len({word for *_, word in used})} words in {len(used)} places", tuple(sorted(findings)))


def english_in_use(tree: Tree) -> Report:
    """Every word of the list of English words stands in a class name."""
    english = [word for word, file in vocabulary.read(tree).allowed.items() if file == vocabulary.ENGLISH]
    used = {word for module in tree.product for found in module.classes for word in split(found.name)}
    forms = {form for word in used for form in vocabulary.singulars(word)}
    findings = (
        Finding(vocabulary.ENGLISH, 1, f'no class name has the word "{word}". Remove it.')
        for word in english
        if word not in forms
    )
    return Report(f"{len(english)} words", tuple(findings))


def split(name: str) -> tuple[str, ...]:
    """The lower-case words of a CamelCase name: `_OCIRegistry` is oci, registry."""
    return tuple(found.lower() for found in _WORD.findall(name))


def _complaints(words: vocabulary.Vocabulary, name: str, word: str) -> Iterator[str]:
    refused = next((words.refused[form] for form in vocabulary.singulars(word) if form in words.refused), None)
    if refused is not None:
        yield f'class {name}: "{word}" is a refused word. Say {refused}.'
    elif not words.allows(word):
        yield (
            f'class {name}: "{word}" is neither in {vocabulary.GLOSSARY} nor in {vocabulary.ENGLISH}.'
            " Use a word of the field, or add a row to the glossary."
        )
