"""Bodies that are not strict JSON: every one is Rejected and raises nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.errors import Rejected
from webhooks import bodies

WRONG = {
    "empty": b"",
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000,
    "deep but closed": b"[" * 100_000 + b"]" * 100_000,
    "deep within": b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "huge integer": b'{"a":' + b"9" * 5000 + b"}",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "beyond floats": b'{"a":1e999999}',
    "high surrogate": b'{"a":"\\ud800"}',
    "low surrogate in a list": b'{"a":["x",{"b":"\\uDFFF"}]}',
    "surrogate in a key": b'{"\\ud800":1}',
    "NUL escape": b'{"a":"\\u0000"}',
    "raw NUL": b'{"a":"\0"}',
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-16 without mark": '{"a":1}'.encode("utf-16-le"),
    "UTF-32": '{"a":1}'.encode("utf-32"),
    "bad UTF-8": b'{"a":"\xff"}',
    "encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "duplicate key": b'{"a":1,"a":2}',
    "duplicate key within": b'{"a":{"b":1,"b":1}}',
    "duplicate key by escape": b'{"a":1,"\\u0061":2}',
    "trailing text": b'{"a":1} x',
    "two documents": b'{"a":1}{"a":1}',
    "single quotes": b"{'a':1}",
    "list": b"[1]",
    "text": b'"a"',
    "null": b"null",
    "number": b"1",
    "true": b"true",
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_a03_body_that_is_not_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        bodies.decode(body)
    assert caught.value.reason == "MalformedDelivery"
    assert len(caught.value.message) < 300


def test_a03_repeated_key_is_found_in_linear_time() -> None:
    """A comparison of every key with all others would take hours here."""
    keys = ",".join(f'"{number}":1' for number in range(1_500_000))
    with pytest.raises(Rejected, match="'1499999' is repeated"):
        bodies.decode(f'{{{keys},"1499999":1}}'.encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":"\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        ('{"a":"提交"}'.encode(), {"a": "提交"}),
        (b'{"a":1.5e3,"b":-1,"c":[true,null]}', {"a": 1500.0, "b": -1, "c": [True, None]}),
    ],
)
def test_body_that_only_looks_malformed_is_read(body: bytes, expected: object) -> None:
    assert bodies.decode(body) == expected


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(document=st.dictionaries(st.text("abc", min_size=1), _JSON, max_size=4), ascii_only=st.booleans())
def test_body_of_any_object_is_read_as_written(document: dict[str, object], *, ascii_only: bool) -> None:
    assert bodies.decode(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.binary(max_size=200))
def test_a03_body_of_any_bytes_is_an_object_or_rejected(body: bytes) -> None:
    try:
        outcome: object = bodies.decode(body)
    except Rejected as error:
        outcome = error
    assert isinstance(outcome, dict | Rejected)


def test_delivery_id_is_safe_to_log_or_none() -> None:
    assert bodies.delivery_id("99c398a3-548b-42d6-be26-37f785b3d849") == "99c398a3-548b-42d6-be26-37f785b3d849"
    for bad in (None, "", "a b", "a\nb", "x" * 65, "ключ", "-a"):
        assert bodies.delivery_id(bad) is None


def test_fingerprint_is_the_same_for_every_attempt() -> None:
    assert bodies.fingerprint(b"x") == bodies.fingerprint(b"x") != bodies.fingerprint(b"y")
