from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.errors import Rejected
from gitops.core.parsing import yaml_reader, yaml_scalars
from gitops.core.parsing.yaml_reader import YamlLimits
from tests.worlds.rejections import rejection


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("=", "="),
        ("2026-11-23", "2026-11-23"),  # kubectl keeps timestamps as text
        ("12:30:45", "12:30:45"),  # no base 60
        ("1e3", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("0x1f", 31),
        ("0o17", 15),
        ("017", 15),
        ("08", 8),
        ("0b101", 5),
        ("1_000", 1000),
        ("-7", -7),
        ("18446744073709551615", 18446744073709551615),
        ("1.10.2", "1.10.2"),
        ("500m", "500m"),
        ("!!str 1", "1"),
        ('"1"', "1"),
        ("'yes'", "yes"),
        ("!!int '7'", 7),
    ],
)
def test_yaml_scalars_have_the_values_that_kubectl_reads(text: str, value: object) -> None:
    found = yaml_reader.document(f"key: {text}".encode(), "f").value["key"]
    assert (found, type(found)) == (value, type(value))


def test_yaml_keys_stay_text() -> None:
    assert yaml_reader.document(b"{8080: a, on: b, null: c}", "f").value == {"8080": "a", "on": "b", "null": "c"}


def test_yaml_aliases_and_merge_keys_are_resolved_and_own_keys_win() -> None:
    text = b"base: &b {a: 1, b: 2}\none: {<<: *b, a: 3}\ntwo: {<<: [{c: 1}, *b]}\nagain: *b\n"
    assert yaml_reader.document(text, "f").value == {
        "base": {"a": 1, "b": 2},
        "one": {"a": 3, "b": 2},
        "two": {"c": 1, "a": 1, "b": 2},
        "again": {"a": 1, "b": 2},
    }


def test_yaml_lines_of_keys_and_items() -> None:
    found = yaml_reader.document(b"# one\na:\n  b:\n  - x\n  - c: 1\n", "f")
    places = [found.place(path).line for path in (("a",), ("a", "b"), ("a", "b", 1), ("a", "b", 1, "c"), ("a", "zzz"))]
    assert places == [2, 3, 5, 5, 2]


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        (b"a: 1\na: 2", "InvalidYaml", 2),
        (b"a: 1\nb: [", "InvalidYaml", 3),
        (b"a: !!python/object/apply:os.system [touch x]", "InvalidYaml", 1),
        (b"a: !custom 1", "InvalidYaml", 1),
        (b"a: 1\n? [b]\n: c", "InvalidYaml", 2),
        (b"a: &x [*x]", "InvalidYaml", 1),
        (b"a: *x", "InvalidYaml", 1),
        (b"a: .inf", "InvalidYaml", 1),
        (b"a: 1\nb: \xff", "InvalidYaml", 2),
        (b"a: 1\n---\nb: 1", "LimitExceeded", 3),
        (b"[" * 100_000, "LimitExceeded", 1),
        (b"- " * 100_000, "LimitExceeded", 1),
        (b'{"a":' * 100_000, "LimitExceeded", 1),
    ],
)
def test_yaml_a30_errors_name_their_line(text: bytes, reason: str, line: int) -> None:
    assert rejection(lambda: yaml_reader.document(text, "f.yaml")) == (reason, f"f.yaml:{line}")


def test_yaml_a23_a30_alias_bomb_is_counted_and_never_built() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert rejection(lambda: yaml_reader.document("\n".join(lines).encode(), "f")) == (
        "LimitExceeded",
        "f:6",
    )  # 9 to the power of 6


def test_yaml_a30_too_many_bytes_or_documents() -> None:
    assert rejection(lambda: yaml_reader.document(b"x" * 101, "f", YamlLimits(size=100)))[0] == "LimitExceeded"
    many = b"--- {a: 1}\n" * 11
    assert rejection(lambda: yaml_reader.documents(many, "f", YamlLimits(documents=10))) == ("LimitExceeded", "f:11")


def test_yaml_documents_that_are_empty_are_left_out_but_a_file_needs_one() -> None:
    assert len(yaml_reader.documents(b"---\n---\na: 1\n---\n# nothing\n", "f", YamlLimits(documents=9))) == 1
    assert rejection(lambda: yaml_reader.document(b"# nothing\n", "f"))[0] == "InvalidYaml"


def _is_text_to_both(text: str) -> bool:
    """PyYAML writes `N` and `0E0` without quotes; kubectl, and so our reader, takes them for a bool and a number."""
    return yaml_scalars.resolve(text) == text or yaml.safe_dump(text)[0] in "'\""


TEXTS = st.text().filter(_is_text_to_both)
SCALARS = TEXTS | st.integers(-(2**63), 2**63) | st.booleans() | st.none() | st.floats(-1e9, 1e9)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


@given(VALUES)
def test_yaml_that_pyyaml_writes_is_read_back(value: object) -> None:
    text = yaml.safe_dump({"key": value}).encode()
    assert yaml_reader.document(text, "f").value["key"] == value


@given(st.binary(max_size=200) | st.text(alphabet="a&*{}[]:-?!|>'\"#\n ,<0.", max_size=60).map(str.encode))
def test_yaml_a30_any_bytes_are_read_or_rejected(data: bytes) -> None:
    with suppress(Rejected):
        yaml_reader.documents(data, "f", YamlLimits(documents=100))
