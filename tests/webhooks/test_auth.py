"""Authentication with right credentials and with wrong, empty, truncated, legacy and doubled ones."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from standardwebhooks.webhooks import Webhook

from tests.webhooks import recorded, samples
from tests.webhooks.samples import Sample
from webhooks.auth import UNAUTHENTICATED_BYTES, Bearer, Request, Signature
from webhooks.senders.kinds import KINDS
from webhooks.standard_webhooks import Signed, SignedOrToken

SECRET = b"s3cr3t"
BODY = b'{"a": 1}'
RIGHT = "sha256=" + hmac.new(SECRET, BODY, hashlib.sha256).hexdigest()
SHA1 = "sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()
GITHUB = Signature("x-hub-signature-256", b"sha256=")
AT = samples.SIGNED_AT

SPOILT_HEX = {
    "wrong": "0" * 64,
    "empty": "",
    "truncated": RIGHT[7:-1],
    "too long": RIGHT[7:] + "0",
    "upper case": RIGHT[7:].upper(),
    "non-ASCII": "é" * 64,
    "beyond Latin-1": "签" * 64,
    "doubled": f"{RIGHT[7:]}, {RIGHT[7:]}",
    "with a space": RIGHT[7:] + " ",
    "with a newline": RIGHT[7:] + "\n",
    "sha1": SHA1.removeprefix("sha1="),
}
WRONG_SIGNATURES = {
    **{name: "sha256=" + wrong for name, wrong in SPOILT_HEX.items()},
    "nothing": "",
    "all upper case": RIGHT.upper(),
    "bare hex": RIGHT[7:],
    "sha1 scheme": SHA1,
    "doubled with prefix": f"{RIGHT}, {RIGHT}",
    "other algorithm": "sha512=" + RIGHT[7:],
}


def is_signer(headers: Mapping[str, str], *secrets: bytes, body: bytes = BODY) -> bool:
    return GITHUB.is_authentic(secrets, Request(headers, body, AT))


def signed(signature: str) -> dict[str, str]:
    return {"x-hub-signature-256": signature}


def test_signature_is_authentic_with_the_right_secret() -> None:
    assert is_signer(signed(RIGHT), SECRET)


@pytest.mark.parametrize("signature", WRONG_SIGNATURES.values(), ids=WRONG_SIGNATURES.keys())
def test_a05_signature_that_is_wrong_is_not_authentic(signature: str) -> None:
    assert not is_signer(signed(signature), SECRET)


def test_a05_signature_that_is_missing_is_not_authentic() -> None:
    assert not is_signer({}, SECRET)
    assert not is_signer({"x-hub-signature": SHA1}, SECRET)
    assert not is_signer({"x-gitea-signature": RIGHT[7:]}, SECRET)


def test_a05_signature_covers_the_body() -> None:
    assert not is_signer(signed(RIGHT), SECRET, body=BODY + b" ")


def test_a05_empty_and_missing_secrets_match_nothing() -> None:
    empty = "sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert not is_signer(signed(empty))
    assert not is_signer(signed(empty), b"")
    bearer = Bearer("authorization")
    assert not bearer.is_bearer(lambda: [b""], {"authorization": ""})
    assert not bearer.is_bearer(list, {"authorization": ""})
    assert not bearer.is_bearer(lambda: [b""], {})


def test_secrets_both_match_during_a_rotation() -> None:
    assert is_signer(signed(RIGHT), b"new", SECRET)
    assert Bearer("authorization").is_bearer(lambda: [b"new", SECRET], {"authorization": "s3cr3t"})
    assert not is_signer(signed(RIGHT), b"new")


@pytest.mark.parametrize("header", ["authorization", "x-gitlab-token"])
@pytest.mark.parametrize(
    "given", ["", "s3cr3", "s3cr3t ", "S3CR3T", "Bearer s3cr3t", "s3cr3t, s3cr3t", "é", "签", "s3cr3t\n"]
)
def test_a05_bearer_secret_is_compared_verbatim(header: str, given: str) -> None:
    assert Bearer(header).is_bearer(lambda: [SECRET], {header: "s3cr3t"})
    assert not Bearer(header).is_bearer(lambda: [SECRET], {header: given})


def test_bearer_secret_outside_ascii_is_compared_as_bytes() -> None:
    on_the_wire = "口令".encode().decode("latin-1")
    assert Bearer("authorization").is_bearer(lambda: ["口令".encode()], {"authorization": on_the_wire})


@pytest.mark.parametrize("sample", samples.ALL.values(), ids=samples.ALL.keys())
def test_samples_are_authentic_with_their_own_secret_only(sample: Sample) -> None:
    delivery, scheme = sample.delivery, sample.kind.scheme
    request = Request(delivery.headers, delivery.body, AT)
    assert scheme.is_authentic([sample.secret], request)
    assert scheme.is_authentic([b"the new one", sample.secret], request)
    assert not scheme.is_authentic([b"another project's"], request)
    assert not scheme.is_authentic([], request)
    if not scheme.is_bearer(lambda: [sample.secret], delivery.headers):
        assert not scheme.is_authentic([sample.secret], Request(delivery.headers, delivery.body + b" ", AT))


SIGNED = [sample for sample in samples.ALL.values() if sample.name.endswith(("-push", "refs_changed", "-image"))]


@pytest.mark.parametrize("sample", SIGNED, ids=lambda sample: sample.name)
@pytest.mark.parametrize("spoilt", SPOILT_HEX.values(), ids=SPOILT_HEX.keys())
def test_a05_credentials_that_are_changed_are_never_authentic(sample: Sample, spoilt: str) -> None:
    """Each header with a credential is changed in turn, and all of them at once."""
    proofs = [name for name in sample.delivery.headers if re.search("signature|token|authorization", name)]
    headers = sample.delivery.headers | dict.fromkeys(proofs, spoilt)
    request = Request(headers, sample.delivery.body, AT)
    assert not sample.kind.scheme.is_authentic([sample.secret], request)
    without = {name: value for name, value in sample.delivery.headers.items() if name not in proofs}
    assert not sample.kind.scheme.is_authentic([sample.secret], Request(without, sample.delivery.body, AT))


def test_a05_headers_copied_from_other_hosts_are_not_authentic() -> None:
    """Gitea and Forgejo also send Gogs' and GitHub's signatures; each kind verifies its own only."""
    sample = samples.ALL["forgejo-push"]
    headers = {name: value for name, value in sample.delivery.headers.items() if name != "x-forgejo-signature"}
    assert not sample.kind.scheme.is_authentic([sample.secret], Request(headers, sample.delivery.body, AT))


@pytest.mark.parametrize("kind", ["gitea", "gogs"])
def test_form_signature_covers_the_payload_field(kind: str) -> None:
    """As Gitea signs. A user with the wrong content type then gets 415 and not 401."""
    form = recorded.ALL["gitea-push-form"]
    request = Request(form.headers, form.body, AT)
    assert KINDS[kind].scheme.is_authentic([recorded.GITEA_SECRET], request)
    assert not KINDS["github"].scheme.is_authentic([recorded.GITEA_SECRET], request)
    changed = Request(form.headers, form.body.replace(b"main", b"prod"), AT)
    assert not KINDS[kind].scheme.is_authentic([recorded.GITEA_SECRET], changed)


@pytest.mark.parametrize("kind", ["gitea", "forgejo", "gogs"])
def test_a01_form_is_unpacked_only_if_small(kind: str) -> None:
    scheme, header = KINDS[kind].scheme, f"x-{kind}-signature"
    for size, is_authentic in ((UNAUTHENTICATED_BYTES, True), (UNAUTHENTICATED_BYTES + 1, False)):
        held = b"a" * (size - len(b"payload="))
        headers = {header: hmac.new(SECRET, held, hashlib.sha256).hexdigest()}
        headers["content-type"] = "application/x-www-form-urlencoded"
        assert scheme.is_authentic([SECRET], Request(headers, b"payload=" + held, AT)) == is_authentic


def test_secrets_are_read_before_the_body_only_if_a_header_is_present() -> None:
    """Secrets are read from files in the thread that serves all connections."""
    asked: list[str] = []

    def secrets() -> list[bytes]:
        asked.append("secrets")
        return [SECRET]

    for kind in KINDS.values():
        assert not kind.scheme.is_bearer(secrets, {"x-hub-signature-256": "x", "x-gitea-signature": "y"})
    assert not asked
    assert KINDS["gitlab"].scheme.is_bearer(secrets, {"x-gitlab-token": SECRET.decode()})
    assert asked == ["secrets"]


def test_github_form_signature_covers_the_form() -> None:
    body = urlencode({"payload": '{"a": 1}'}).encode()
    signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    headers = signed(signature) | {"content-type": "application/x-www-form-urlencoded"}
    assert is_signer(headers, SECRET, body=body)


# -- Standard Webhooks, with vectors of the reference library

MESSAGE = "6e1f3f0a-3b8e-4c39-9d67-6a2f5f0c8d11"
SIGNING = samples.SIGNING_SECRET
OTHER = b"whsec_" + base64.b64encode(b"z" * 32)


def vector(secret: bytes = SIGNING, message: str = MESSAGE, at: float = AT) -> dict[str, str]:
    moment = datetime.fromtimestamp(at, UTC)
    signature = Webhook(secret.decode()).sign(message, moment, BODY.decode())
    return {"webhook-id": message, "webhook-timestamp": str(int(at)), "webhook-signature": signature}


def is_signed(headers: Mapping[str, str], *secrets: bytes, at: float = AT, body: bytes = BODY) -> bool:
    return Signed().is_authentic(secrets or (SIGNING,), Request(headers, body, at))


def test_standard_webhooks_signature_of_the_reference_library_is_authentic() -> None:
    assert is_signed(vector())
    assert is_signed(vector(), OTHER, SIGNING)
    assert not is_signed(vector(), OTHER)
    assert not is_signed(vector(), body=BODY + b" ")


def test_standard_webhooks_accepts_one_right_signature_of_several() -> None:
    theirs, ours = vector(OTHER)["webhook-signature"], vector()["webhook-signature"]
    assert is_signed(vector() | {"webhook-signature": f"v1a,asymmetric {theirs} {ours}"})
    assert not is_signed(vector() | {"webhook-signature": f"{theirs} v1a,asymmetric"})
    assert not is_signed(vector() | {"webhook-signature": " ".join([theirs] * 8 + [ours])})


@pytest.mark.parametrize(
    ("seconds", "expected"), [(300, True), (-300, True), (301, False), (-301, False), (1e9, False)]
)
def test_a07_standard_webhooks_signature_is_valid_for_five_minutes(seconds: float, *, expected: bool) -> None:
    assert is_signed(vector(), at=AT + seconds) is expected


def test_a07_standard_webhooks_signature_covers_id_and_time() -> None:
    assert not is_signed(vector() | {"webhook-id": "6e1f3f0a-3b8e-4c39-9d67-6a2f5f0c8d12"})
    assert not is_signed(vector() | {"webhook-timestamp": str(int(AT) + 1)})


@pytest.mark.parametrize(
    "changes",
    [{"webhook-id": ""}, {"webhook-id": "a.b"}, {"webhook-id": "x" * 300}, {"webhook-id": "签"},
     {"webhook-timestamp": ""}, {"webhook-timestamp": "1e9"}, {"webhook-timestamp": "9" * 5000},
     {"webhook-timestamp": "１795425094"}, {"webhook-timestamp": f"-{AT:.0f}"}, {"webhook-timestamp": f"{AT:.0f} "},
     {"webhook-signature": ""}, {"webhook-signature": "v1,"}, {"webhook-signature": "v1,é"},
     {"webhook-signature": "v2," + "A" * 43 + "="}, {"webhook-signature": "v1,,"}, {"webhook-signature": " " * 10_000}],
)  # fmt: skip
def test_a05_a07_standard_webhooks_headers_that_are_changed_are_not_authentic(changes: dict[str, str]) -> None:
    assert not is_signed(vector() | changes)


@pytest.mark.parametrize("secret", [b"whsec_", b"whsec_!!!", b"", b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="])
def test_a05_standard_webhooks_key_that_is_invalid_matches_nothing(secret: bytes) -> None:
    assert not is_signed(vector(), secret)
    empty = hmac.new(b"", f"{MESSAGE}.{AT:.0f}.".encode() + BODY, hashlib.sha256).digest()
    assert not is_signed(vector() | {"webhook-signature": "v1," + base64.b64encode(empty).decode()}, secret)


def test_gitlab_secret_is_a_signing_key_or_a_token_by_its_prefix() -> None:
    gitlab = SignedOrToken()
    token = Request({"x-gitlab-token": SIGNING.decode()}, BODY, AT)
    assert not gitlab.is_authentic([SIGNING], token)
    assert gitlab.is_authentic([b"token"], Request({"x-gitlab-token": "token"}, BODY, AT))
    assert gitlab.is_authentic([b"token", SIGNING], Request(vector(), BODY, AT))
    assert not gitlab.is_authentic([b"token"], Request(vector(), BODY, AT))
