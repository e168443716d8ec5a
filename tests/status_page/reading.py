"""Reads an answer of the page in a test: its elements, its visible text, its JSON."""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from flask.testing import FlaskClient


class Markup(HTMLParser):
    """Every element with its attributes, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def addresses(self) -> Iterator[str]:
        return (value for _, held in self.elements for name, value in held.items() if name in {"href", "src"})


def json(client: FlaskClient, path: str) -> Any:
    return client.get(path).get_json()


class _SpacedMarkup(Markup):
    """The visible text, with a space between elements."""

    def handle_data(self, data: str) -> None:
        self.text += f" {data} "


def visible_text(client: FlaskClient, path: str) -> str:
    """The visible text of a page, with single spaces."""
    return " ".join(_SpacedMarkup(client.get(path).text).text.split())
