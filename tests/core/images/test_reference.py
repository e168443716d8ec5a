"""Cases marked with * stand in https://github.com/distribution/reference/blob/main/reference_test.go."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.errors import Rejected
from gitops.core.images import reference as images
from gitops.core.images.reference import Image

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("order", Image("order")),
        ("shop/order:1.0", Image("shop/order", "1.0")),
        (f"shop/order@{DIGEST}", Image("shop/order", None, DIGEST)),
        (f"shop/order:1.0@{DIGEST}", Image("shop/order", "1.0", DIGEST)),
        ("harbor.example:30002/shop/order:1.0", Image("harbor.example:30002/shop/order", "1.0")),
        ("test.com:5000/repo", Image("test.com:5000/repo")),  # *
        ("test:5000/repo:tag", Image("test:5000/repo", "tag")),  # *
        ("test:5000", Image("test", "5000")),  # * no slash: what looks like a port is a tag
        ("192.168.1.16:30002/shop/order", Image("192.168.1.16:30002/shop/order")),
        ("[2001:db8::1]:5000/repo:tag", Image("[2001:db8::1]:5000/repo", "tag")),  # *
        (
            "b.gcr.io/test.example.com/my-app:test.example.com",
            Image("b.gcr.io/test.example.com/my-app", "test.example.com"),
        ),  # *
        ("xn--n3h.com/myimage:xn--n3h.com", Image("xn--n3h.com/myimage", "xn--n3h.com")),  # *
        ("foo_bar.com:8080", Image("foo_bar.com", "8080")),  # *
        ("foo/foo_bar.com:8080", Image("foo/foo_bar.com", "8080")),  # *
        ("Uppercase/lowercase:tag", Image("Uppercase/lowercase", "tag")),  # * a host may hold capitals
        ("a__b/c---d/e.f", Image("a__b/c---d/e.f")),
        ("order:_", Image("order", "_")),
        ("order:" + "t" * 128, Image("order", "t" * 128)),
    ],
)
def test_reference_parts(reference: str, image: Image) -> None:
    assert images.parse(reference) == image
    assert str(image) == reference


@pytest.mark.parametrize(
    "reference",
    [
        "",
        ":tag",  # *
        "order:",
        "order@",
        f"@{DIGEST}",  # *
        f"order:@{DIGEST}",
        f"order@{DIGEST}@{DIGEST}",
        f"order@{DIGEST[:-1]}",
        f"order@{DIGEST.upper()}",
        f"order@md5:{'0' * 32}",
        "order:1.0:2.0",
        "Uppercase:tag",  # *
        "lowercase/Uppercase:tag",  # *
        "aa/asdf$$^/aa",  # *
        "foo_bar.com:8080/order",  # a host holds no underscore
        "/order",
        "order/",
        "shop//order",
        "-order",
        "order-",
        "a___b",
        "a..b",
        "a.-b",
        "host:/order",
        "host:port/order",
        "host:999999/order",
        "https://harbor.example/order",
        "user@harbor.example/order",
        "order:tag with space",
        "order:tag\n",
        "order\n",
        " order",
        "order:-1",
        "order:.1",
        "order:" + "t" * 129,
        "órder",
        "order:１",
        "$(IMAGE)",
        "order:${TAG}",
    ],
)
def test_reference_outside_the_grammar_is_refused(reference: str) -> None:
    with pytest.raises(Rejected) as refusal:
        images.parse(reference)

    assert refusal.value.reason == "InvalidImage"


def test_reference_name_has_at_most_255_characters() -> None:
    assert images.is_name("a" * 255)
    assert not images.is_name("a" * 256)


def test_reference_refusal_does_not_repeat_a_huge_input() -> None:
    with pytest.raises(Rejected) as refusal:
        images.parse("$" * 100_000)

    assert len(refusal.value.message) < 500


def test_reference_with_a_long_hostile_name_is_refused_at_once() -> None:
    assert not images.is_name("a-" * 127)
    assert not images.is_name("a" * 10_000_000)


@given(
    name=st.from_regex(r"\A(?:[a-z0-9]{1,8}\.example(?::[0-9]{1,5})?/)?[a-z0-9]{1,8}(?:[._-][a-z0-9]{1,8}){0,3}\Z"),
    tag=st.none() | st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z"),
    digest=st.none() | st.from_regex(r"\Asha256:[0-9a-f]{64}\Z"),
)
def test_reference_that_is_written_is_read_back(name: str, tag: str | None, digest: str | None) -> None:
    image = Image(name, tag, digest)

    assert images.parse(str(image)) == image


@given(st.text())
def test_reference_of_any_text_is_an_image_or_refused(text: str) -> None:
    with suppress(Rejected):
        assert str(images.parse(text)) == text


def test_reference_short_digest_has_twelve_digits() -> None:
    assert Image("order", None, DIGEST).short_digest == "0123456789ab"
    assert Image("order", "1.0").short_digest == ""
