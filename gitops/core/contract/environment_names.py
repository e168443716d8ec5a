"""The names by which environments are known: their own are identity, another one's are a finding.

Only whole words count: letters and digits end where another character begins, so `latest` does not name `test`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NAMESPACE = "⟨namespace⟩"
_ENVIRONMENT = "⟨environment⟩"
# Public endings that are also usual names of environments: https://data.iana.org/TLD/tlds-alpha-by-domain.txt, and
# those that RFC 2606 and RFC 6762 set aside.
_ENDINGS = frozenset(
    {"dev", "live", "cloud", "app", "build", "host", "network", "run", "zone", "world", "test", "local"}
)
_DOMAIN = re.compile(r"[A-Za-z0-9-]\.\Z")
_AFTER_DOMAIN = re.compile(r"(?:[:/?#\"'\s,;)\]]|\.(?:\s|\Z)|\Z)")
_NEGATED = re.compile(r"(?<![A-Za-z0-9])(?:non|not|no)[-_]\Z", re.IGNORECASE)
_SEEN = 8
"""How many characters around a word tell what it is."""
_DEVICE = re.compile(r"(?:\A|[^\w./~-])/\Z")


@dataclass(frozen=True, slots=True)
class EnvironmentMention:
    """An environment's name or namespace found in a text. `hard` = it can only mean that environment's place."""

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
        # The longest first: in `dev-eu` the environment `dev` is not named.
        words = sorted(self._owners, key=lambda word: (-len(word), word))
        self._expression = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, words))})(?![A-Za-z0-9])")

    def neutral(self, text: str, environment: str) -> str:
        """The text with the environment's own names replaced by a placeholder; those of every environment for the
        reference, which belongs to none (empty).
        """

        def replaced(found: re.Match[str]) -> str:
            word = found.group()
            if environment and environment not in self._owners[word]:
                return word
            return _ENVIRONMENT if word in self._names else _NAMESPACE

        return self._expression.sub(replaced, text)

    def namings(self, text: str) -> Iterator[EnvironmentMention]:
        """Every environment that the text names, in its order. `/dev/...` and public endings of domains are none."""
        for found in self._expression.finditer(text):
            before, after = text[max(found.start() - _SEEN, 0) : found.start()], text[found.end() : found.end() + _SEEN]
            word = found.group()
            in_cluster = before.endswith(".") and after.startswith(".svc")
            if _NEGATED.search(before):  # `non-prod` is where prod is not
                continue
            if _is_device(word, before, after) or (not in_cluster and _is_ending(word, before, after)):
                continue
            yield EnvironmentMention(word, frozenset(self._owners[word]), word not in self._names or in_cluster)


def _is_device(word: str, before: str, after: str) -> bool:
    return word == "dev" and after[:1] in {"", "/"} and _DEVICE.search(before[-2:]) is not None


def _is_ending(word: str, before: str, after: str) -> bool:
    return word in _ENDINGS and _DOMAIN.search(before[-2:]) is not None and _AFTER_DOMAIN.match(after) is not None


def has_word(text: str, word: str) -> bool:
    """True when `word` stands in the text and neither ends nor begins within a longer run of letters and digits."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not (text[at - 1 : at].isalnum() and word[:1].isalnum()) and not (
            text[end : end + 1].isalnum() and word[-1:].isalnum()
        ):
            return True
        at = text.find(word, at + 1)
    return False


# Blanks, but never the end of a line: else a run of empty lines is looked at from each of them anew.
_COMMENT = re.compile(r"(?m)^[^\S\n]*(?:#|//|;).*$")
_PROPERTY = re.compile(r"(?m)^([^\S\n]*(?:-[^\S\n]+)?)[\w.\-\"'\[\]]+[^\S\n]*(?:=|:(?=\s|$))")


def values_only(text: str) -> str:
    """A configuration file without its comments and the names of its properties, which name nobody."""
    return _PROPERTY.sub(r"\1", _COMMENT.sub("", text)) if "\n" in text else text
