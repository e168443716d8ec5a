"""Who is authentic, and who is not: wrong, empty, truncated, legacy, doubled headers, other bodies and secrets."""

import hashlib
import hmac

import pytest

from tests.webhooks import recorded
from webhooks import auth

SECRET = b"s3cr3t"
BODY = b'{"a": 1}'
RIGHT = "sha256=" + hmac.new(SECRET, BODY, hashlib.sha256).hexdigest()
SHA1 = "sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()

WRONG_SIGNATURES = {
    "wrong": "sha256=" + "0" * 64,
    "empty": "",
    "prefix only": "sha256=",
    "truncated": RIGHT[:-1],
    "too long": RIGHT + "0",
    "upper case": RIGHT.upper(),
    "upper case hex": "sha256=" + RIGHT[7:].upper(),
    "bare hex": RIGHT[7:],
    "sha1": SHA1,
    "non-ASCII": "sha256=" + "é" * 64,
    "beyond Latin-1": "sha256=" + "签" * 64,
    "doubled": f"{RIGHT}, {RIGHT}",
    "with a space": RIGHT + " ",
    "with a newline": RIGHT + "\n",
    "other algorithm": "sha512=" + RIGHT[7:],
}


def signed(signature: str) -> dict[str, str]:
    return {"x-hub-signature-256": signature}


def test_the_right_signature_is_authentic() -> None:
    assert auth.is_signer([SECRET], signed(RIGHT), BODY)


@pytest.mark.parametrize("signature", WRONG_SIGNATURES.values(), ids=WRONG_SIGNATURES.keys())
def test_a_wrong_signature_is_not(signature: str) -> None:
    assert not auth.is_signer([SECRET], signed(signature), BODY)


def test_a_missing_signature_is_not() -> None:
    assert not auth.is_signer([SECRET], {}, BODY)
    assert not auth.is_signer([SECRET], {"x-hub-signature": SHA1}, BODY)
    assert not auth.is_signer([SECRET], {"x-gitea-signature": RIGHT[7:]}, BODY)


def test_the_body_is_part_of_it() -> None:
    assert not auth.is_signer([SECRET], signed(RIGHT), BODY + b" ")


def test_no_secret_and_an_empty_secret_let_nobody_in() -> None:
    empty = "sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert not auth.is_signer([], signed(empty), BODY)
    assert not auth.is_signer([b""], signed(empty), BODY)
    assert not auth.is_bearer([b""], {"authorization": ""})
    assert not auth.is_bearer([], {"authorization": ""})
    assert not auth.is_bearer([b""], {})


def test_both_secrets_count_while_one_is_rotated() -> None:
    assert auth.is_signer([b"new", SECRET], signed(RIGHT), BODY)
    assert auth.is_bearer([b"new", SECRET], {"authorization": "s3cr3t"})
    assert not auth.is_signer([b"new"], signed(RIGHT), BODY)


@pytest.mark.parametrize(
    "given", ["", "s3cr3", "s3cr3t ", "S3CR3T", "Bearer s3cr3t", "s3cr3t, s3cr3t", "é", "签", "s3cr3t\n"]
)
def test_harbors_header_is_compared_word_for_word(given: str) -> None:
    assert auth.is_bearer([SECRET], {"authorization": "s3cr3t"})
    assert not auth.is_bearer([SECRET], {"authorization": given})


def test_a_secret_outside_ascii_works_as_the_bytes_that_harbor_sends() -> None:
    on_the_wire = "口令".encode().decode("latin-1")
    assert auth.is_bearer(["口令".encode()], {"authorization": on_the_wire})


@pytest.mark.parametrize("delivery", recorded.GITEA, ids=lambda delivery: delivery.name)
def test_what_gitea_signed_is_authentic_and_nothing_else(delivery: recorded.Recorded) -> None:
    assert auth.is_signer([recorded.GITEA_SECRET], delivery.headers, delivery.body)
    assert not auth.is_signer([b"another project's"], delivery.headers, delivery.body)
    assert not auth.is_signer([recorded.GITEA_SECRET], delivery.headers, delivery.body.replace(b"dev", b"prod"))
