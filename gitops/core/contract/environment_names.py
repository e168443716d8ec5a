"""The names of environments and their namespaces in texts: an environment's own names do not count as a difference, the
names of another environment are a finding.

Only whole words count: a word ends where a character follows that is no letter or digit, so `latest` does not name
`test`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NAMESPACE = "⟨namespace⟩"
_ENVIRONMENT = "⟨environment⟩"
# Public endings that are also usual names of environments: https://data.iana.org/TLD/tlds-alpha-by-domain.txt, and
# those that RFC 2606 and RFC 6762 set aside.
_DOMAIN_ENDINGS = frozenset(
    {"dev", "live", "cloud", "app", "build", "host", "network", "run", "zone", "world", "test", "local"}
)
_BEFORE_ENDING = re.compile(r"[A-Za-z0-9-]\.\Z")
_AFTER_ENDING = re.compile(r"(?:[:/?#\"'\s,;)\]]|\.(?:\s|\Z)|\Z)")
_NEGATION = re.compile(r"(?<![A-Za-z0-9])(?:non|not|no)[-_]\Z", re.IGNORECASE)
_CONTEXT = 8
"""The number of characters before and after a word that are looked at to tell its meaning."""
_BEFORE_DEVICE = re.compile(r"(?:\A|[^\w./~-])/\Z")


@dataclass(frozen=True, slots=True)
class EnvironmentMention:
    """An environment's name or namespace found in a text. `hard`: it can only mean the place where it is deployed."""

    word: str
    environments: frozenset[str]
    hard: bool


class EnvironmentNames:
    """`namespaces`: environment -> its namespace, for all environments."""

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self._owners: dict[str, set[str]] = {}
        for environment, namespace in namespaces.items():
            for word in (environment, namespace):
                self._owners.setdefault(word, set()).add(environment)
        self._names = frozenset(namespaces)
        # The longest first: `dev-eu` does not name the environment `dev`.
        words = sorted(self._owners, key=lambda word: (-len(word), word))
        self._expression = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, words))})(?![A-Za-z0-9])")

    def neutralize(self, text: str, environment: str) -> str:
        """The text with the environment's own names replaced by a placeholder.

        An empty `environment` is the reference, which belongs to none: the names of all environments are replaced.
        """

        def placeholder(found: re.Match[str]) -> str:
            word = found.group()
            if environment and environment not in self._owners[word]:
                return word
            return _ENVIRONMENT if word in self._names else _NAMESPACE

        return self._expression.sub(placeholder, text)

    def find_mentions(self, text: str) -> Iterator[EnvironmentMention]:
        """Every environment that the text names, in the order of the text.

        Left out: paths of devices (`/dev/...`), public endings of domains, and negations (`non-prod` is not prod).
        """
        for found in self._expression.finditer(text):
            before = text[max(found.start() - _CONTEXT, 0) : found.start()]
            after = text[found.end() : found.end() + _CONTEXT]
            word = found.group()
            in_cluster = before.endswith(".") and after.startswith(".svc")
            if _NEGATION.search(before) or _is_device(word, before, after):
                continue
            if not in_cluster and _is_domain_ending(word, before, after):
                continue
            yield EnvironmentMention(word, frozenset(self._owners[word]), word not in self._names or in_cluster)


def _is_device(word: str, before: str, after: str) -> bool:
    return word == "dev" and after[:1] in {"", "/"} and _BEFORE_DEVICE.search(before[-2:]) is not None


def _is_domain_ending(word: str, before: str, after: str) -> bool:
    return (
        word in _DOMAIN_ENDINGS
        and _BEFORE_ENDING.search(before[-2:]) is not None
        and _AFTER_ENDING.match(after) is not None
    )


def has_word(text: str, word: str) -> bool:
    """True if `word` stands in the text as a whole: no letter or digit of it continues before or after it."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not (text[at - 1 : at].isalnum() and word[:1].isalnum()) and not (
            text[end : end + 1].isalnum() and word[-1:].isalnum()
        ):
            return True
        at = text.find(word, at + 1)
    return False


# Blanks, but no line end: with line ends a run of empty lines would be scanned from each of its lines again.
_COMMENT = re.compile(r"(?m)^[^\S\n]*(?:#|//|;).*$")
_PROPERTY_NAME = re.compile(r"(?m)^([^\S\n]*(?:-[^\S\n]+)?)[\w.\-\"'\[\]]+[^\S\n]*(?:=|:(?=\s|$))")


def values_only(text: str) -> str:
    """A configuration file without comments and without the names of its properties: neither names an environment."""
    return _PROPERTY_NAME.sub(r"\1", _COMMENT.sub("", text)) if "\n" in text else text
