"""Every field of every recorded delivery, spoilt in every way: events, Ignored or Rejected, and never anything else."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.core.errors import Rejected
from gitops.core.events import ConfigPushed, Ignored, ImagePushed
from tests.webhooks import recorded
from webhooks import github, harbor

SPOILT: list[Any] = [
    None,
    [],
    {},
    "",
    0,
    -1,
    True,
    1.5,
    "x",
    [None],
    {"": None},
    "x" * 70_000,
    10**19,
    "\ufeff",
    "\u202e",
]
PARSERS = {"harbor": harbor.parse, "gitea": github.parse}


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from paths(inner, (*at, key))


def without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    del parent(changed, path)[path[-1]]
    return changed


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    parent(changed, path)[path[-1]] = value
    return changed


def parent(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def assert_understood(delivery: recorded.Recorded, body: bytes) -> None:
    parse = PARSERS[delivery.name.partition("-")[0]]
    try:
        outcome: object = parse(delivery.headers, body).content
    except Rejected as error:
        outcome = error
    if isinstance(outcome, Rejected):
        assert outcome.reason == "MalformedDelivery"
        assert len(outcome.message) < 1500
    elif not isinstance(outcome, Ignored):
        assert isinstance(outcome, tuple)
        assert outcome
        assert all(isinstance(event, ImagePushed | ConfigPushed) for event in outcome)


@pytest.mark.parametrize("delivery", recorded.HARBOR + recorded.GITEA, ids=lambda delivery: delivery.name)
def test_any_spoilt_field_is_understood_or_rejected(delivery: recorded.Recorded) -> None:
    document = json.loads(delivery.body)
    for path in paths(document):
        assert_understood(delivery, json.dumps(without(document, path)).encode())
        for value in SPOILT:
            assert_understood(delivery, json.dumps(replaced(document, path, value)).encode())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_value_in_any_field_is_understood_or_rejected(data: st.DataObject) -> None:
    delivery = data.draw(st.sampled_from(recorded.HARBOR + recorded.GITEA))
    document = json.loads(delivery.body)
    path = data.draw(st.sampled_from(sorted(paths(document), key=repr)))
    scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    value = data.draw(
        st.recursive(scalar, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
    )
    assert_understood(delivery, json.dumps(replaced(document, path, value)).encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_damaged_byte_is_understood_or_rejected(data: st.DataObject) -> None:
    delivery = data.draw(st.sampled_from(recorded.HARBOR + recorded.GITEA))
    at = data.draw(st.integers(0, len(delivery.body) - 1))
    body = delivery.body[:at] + data.draw(st.binary(max_size=4)) + delivery.body[at + data.draw(st.integers(0, 3)) :]
    assert_understood(delivery, body)
