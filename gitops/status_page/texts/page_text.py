"""A text of the page in both languages."""

from typing import NamedTuple


class PageText(NamedTuple):
    """`{name}` marks a value. Terms such as Synced stay English in both: their `en` is empty, `zh` is a translation
    that stands beside the term.
    """

    en: str
    zh: str
