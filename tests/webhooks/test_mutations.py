"""Deliveries of every kind of sender with changed fields, rightly signed, sent to the whole endpoint: the answer is 200
or 400 and nothing else, and every event that is passed on is valid.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gitops.core.errors import Rejected
from gitops.core.image_updates.events import ConfigPushed, Event, Ignored, ImageDeleted, ImagePushed, ImageScanned
from gitops.core.images import reference as images
from gitops.core.parsing import git_urls
from tests.webhooks import samples
from tests.webhooks.samples import Sample
from tests.webhooks.senders.test_senders import MOVED
from tests.webhooks.test_bodies import WRONG
from tests.webhooks.test_receivers import World, build
from tests.worlds.webhooks import FixedSecrets
from webhooks.limits import Rate
from webhooks.sender import Sender
from webhooks.senders.kinds import KINDS

SPOILT: list[Any] = [None, [], {}, "", 0, True, "x", [None], "x" * 70_000, 10**19, "\u202e签\ufeff"]
HUGE_LIST: list[Any] = [{"ref": "x"}] * 2000
ALL = list(samples.ALL.values())


def world_of(sample: Sample) -> World:
    """An endpoint with this sender only, without a rate limit."""
    rate = Rate(per_second=1e9, burst=10**9)
    return build({"it": Sender("it", sample.kind, FixedSecrets((sample.secret,)), sample.kind.largest_body, rate)})


def post(world: World, sample: Sample, body: bytes) -> int:
    return world.client.post("/hooks/it", data=body, headers=samples.signed(sample, body)).status_code


def is_sound(event: Event) -> bool:
    """Checks that an event is valid, whatever its delivery was."""
    if isinstance(event, ConfigPushed):
        return all(event.urls) and (event.ref is None or git_urls.is_ref(event.ref))
    return images.is_name(event.image) and images.is_digest(event.digest) and _has_sound_tag(event)


def _has_sound_tag(event: ImagePushed | ImageScanned | ImageDeleted) -> bool:
    tag = None if isinstance(event, ImageScanned) else event.tag
    return (tag is None and not isinstance(event, ImagePushed)) or images.is_tag(tag or "")


def handed_on(world: World) -> list[Event]:
    accepted = (event for events, _, _ in world.inbox.accepted for event in events)
    return [*world.events.config_pushes, *world.events.news, *accepted]


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value in the document."""
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


def is_understood(sample: Sample, headers: Mapping[str, str], body: bytes) -> bool:
    """Calls the parser itself: it gives events, Ignored or Rejected, and raises nothing else."""
    try:
        content = sample.kind.parse(headers, body).content
    except Rejected as error:
        return error.reason == "MalformedDelivery" and len(error.message) < 1500
    return isinstance(content, Ignored) or (len(content) > 0 and all(map(is_sound, content)))


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_a04_changed_field_is_answered_200_or_400(sample: Sample) -> None:
    world, document = world_of(sample), json.loads(sample.delivery.body)
    with capture_logs() as logs:
        for path in paths(document):
            spoilt = [without(document, path), *(replaced(document, path, value) for value in SPOILT)]
            bodies = [json.dumps(each).encode() for each in spoilt]
            assert {post(world, sample, body) for body in bodies} <= {200, 400}, path
    assert all(is_sound(event) for event in handed_on(world))
    assert not [entry for entry in logs if entry["log_level"] in {"error", "critical"}]


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_a04_huge_field_is_answered_200_or_400(sample: Sample) -> None:
    world, document = world_of(sample), json.loads(sample.delivery.body)
    for path in [path for path in paths(document) if len(path) <= 2]:
        assert post(world, sample, json.dumps(replaced(document, path, HUGE_LIST)).encode()) in {200, 400}, path


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_a03_hostile_bytes_are_400_for_every_sender(sample: Sample) -> None:
    world = world_of(sample)
    assert {name: post(world, sample, body) for name, body in WRONG.items()} == dict.fromkeys(WRONG, 400)
    assert not handed_on(world)


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_a03_hostile_values_in_a_genuine_delivery_are_400(sample: Sample) -> None:
    world = world_of(sample)
    for hostile in (b"NaN", b"1e999999", b'"\\ud800"', b'"\\u0000"', b"9" * 5000, b"[" * 50_000, b'"\xff"'):
        body = sample.delivery.body.rstrip()[:-1] + b',"hostile":' + hostile + b"}"
        assert post(world, sample, body) == 400, hostile[:20]
    assert not handed_on(world)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a04_any_value_in_any_field_is_parsed_or_rejected(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(ALL))
    document = json.loads(sample.delivery.body)
    path = data.draw(st.sampled_from(sorted(paths(document), key=repr)))
    scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    value = data.draw(
        st.recursive(scalar, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
    )
    body = json.dumps(replaced(document, path, value)).encode("utf-8", "surrogatepass")
    assert is_understood(sample, sample.delivery.headers, body)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a03_any_damaged_byte_is_parsed_or_rejected(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(ALL))
    body = sample.delivery.body
    at = data.draw(st.integers(0, len(body) - 1))
    body = body[:at] + data.draw(st.binary(max_size=4)) + body[at + data.draw(st.integers(0, 3)) :]
    assert is_understood(sample, sample.delivery.headers, body)


_LATIN = st.text(st.characters(max_codepoint=255), max_size=40)


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_a03_a04_any_headers_with_any_body_are_parsed_or_rejected(data: st.DataObject) -> None:
    """The headers that each parser reads, with any value that WSGI allows, and those of other senders."""
    sample = data.draw(st.sampled_from(ALL))
    spoilt = st.dictionaries(st.sampled_from(sorted(sample.delivery.headers)), _LATIN, max_size=4)
    headers = sample.delivery.headers | data.draw(spoilt)
    own = st.just(sample.delivery.body)
    others = st.sampled_from([other.delivery.body for other in ALL])
    assert is_understood(sample, headers, data.draw(own | others | st.binary(max_size=60)))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a05_any_headers_are_not_authentic_and_cause_no_error(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(ALL))
    looks_at = [name for name in sample.delivery.headers if name.startswith(("x-", "webhook-", "auth", "content-t"))]
    proofs = [name for name in looks_at if "signature" in name or "token" in name or name == "authorization"]
    headers = sample.delivery.headers | data.draw(st.fixed_dictionaries(dict.fromkeys(proofs, _LATIN)))
    world = world_of(sample)
    status = world.client.post("/hooks/it", data=sample.delivery.body, headers=_sendable(headers)).status_code
    assert status == 401
    assert not handed_on(world)


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Without line breaks, which werkzeug's client and every server refuse."""
    return {name: value.translate({10: " ", 13: " ", 0: " "}) for name, value in headers.items()}


def test_mutations_cover_every_kind_of_sender() -> None:
    assert {sample.kind_name for sample in ALL} == set(KINDS)


EVIL_REFS = [
    "refs/heads/--upload-pack=touch x", "--upload-pack=x", "../../x", "refs/heads/../../x", "refs/heads/a\nb", "a b",
    "a\rb", "refs/heads/" + "x" * 10_000, "x" * 10_000, "a..b", "a.lock", "a@{1}", "a:b", "-x", "\u202etxt",
    "refs/heads/", "",
]  # fmt: skip
NAMES_OF_REFS = {"refs/heads/main", "refs/tags/promote/test/42", "refs/heads/feature/x", "main", "feature/x", "v1.2.0"}
PUSHES = [samples.ALL[name] for name in MOVED]


@pytest.mark.parametrize("sample", PUSHES, ids=lambda sample: sample.name)
def test_a09_hostile_ref_in_any_place_is_no_event(sample: Sample) -> None:
    """400, or 200 for the valid refs in the same push. Every ref that is passed on is safe as an argument of git."""
    world, document = world_of(sample), json.loads(sample.delivery.body)
    named = [path for path in paths(document) if _value(document, path) in NAMES_OF_REFS]
    assert named or "without-changes" in sample.name
    for path in named:
        for evil in EVIL_REFS:
            assert post(world, sample, json.dumps(replaced(document, path, evil)).encode()) in {200, 400}
    assert {event.ref for event in world.events.config_pushes} <= {
        None,
        *NAMES_OF_REFS,
        *(f"refs/tags/{name}" for name in NAMES_OF_REFS),
    }


def _value(document: Any, path: tuple[Any, ...]) -> Any:
    value = parent(document, path)[path[-1]]
    return value if isinstance(value, str) else None
