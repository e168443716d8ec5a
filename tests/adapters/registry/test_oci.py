"""The OCI adapter against the real registry with pushed images, and against servers that give wrong answers."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gitops.adapters.registry.exchange import RegistryAccess
from gitops.adapters.registry.http import RegistryHttp
from gitops.adapters.registry.oci import OciRegistry
from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.core.images.registry_facts import ImageDescription, TaggedImage
from tests.worlds import distribution as registry_world
from tests.worlds.distribution import PASSWORD, USER, RegistryWorld, registry
from tests.worlds.registry_server import said, serving

pytestmark = pytest.mark.timeout(1500)  # the first test may have to build the registry, on a busy machine
LABELS = {"org.opencontainers.image.revision": "0123456789abcdef", "maintainer": "print team"}
NOBODY = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryWorld]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


def connect(world: RegistryWorld, credentials: Callable[[], tuple[str, str] | None] = lambda: None) -> OciRegistry:
    return OciRegistry(RegistryAccess(world.host, world.url, credentials, seconds=10.0))


def test_oci_tags_are_names_and_a_single_tag_has_its_digest(world: RegistryWorld) -> None:
    image = f"{world.host}/tuling/print-api"
    digests = {tag: world.push("tuling/print-api", tag) for tag in ("1.4.0", "1.5.0", "main")}
    found = connect(world)
    assert {each.tag for each in found.tags(image)} == {"1.4.0", "1.5.0", "main"}
    assert found.image_of_tag(image, "1.5.0") == TaggedImage("1.5.0", digests["1.5.0"])
    assert found.image_of_tag(image, "9.9.9") is None


def test_oci_tags_are_read_from_every_page(world: RegistryWorld) -> None:
    digest = world.push("tuling/many", "t0")
    for number in range(1, 1005):
        world.retag("tuling/many", digest, f"t{number}")
    assert len(connect(world).tags(f"{world.host}/tuling/many")) == 1005


def test_oci_tag_that_moved_has_its_new_digest(world: RegistryWorld) -> None:
    image = f"{world.host}/tuling/moved"
    first = world.push("tuling/moved", "latest", of="one")
    found = connect(world)
    assert found.image_of_tag(image, "latest") == TaggedImage("latest", first)
    second = world.push("tuling/moved", "latest", of="two")
    assert found.image_of_tag(image, "latest") == TaggedImage("latest", second)
    assert found.has(image, first)


def test_oci_has_a_digest_until_it_is_deleted(world: RegistryWorld) -> None:
    image = f"{world.host}/tuling/deleted"
    digest = world.push("tuling/deleted", "1.0.0")
    found = connect(world)
    assert found.has(image, digest)
    world.delete("tuling/deleted", digest)
    assert not found.has(image, digest)
    assert not found.has(f"{world.host}/tuling/never-there", digest)


def test_oci_labels_of_an_index_are_those_of_its_first_image(world: RegistryWorld) -> None:
    plain = world.push("tuling/labelled", "1.0.0", LABELS)
    index = world.push_index("tuling/labelled", "2.0.0", LABELS)
    found = connect(world)
    assert found.describe(f"{world.host}/tuling/labelled", plain) == ImageDescription(LABELS)
    assert found.describe(f"{world.host}/tuling/labelled", index) == ImageDescription(LABELS)
    assert found.has(f"{world.host}/tuling/labelled", index)


def test_oci_refuses_missing_repositories_invalid_names_and_scans(world: RegistryWorld) -> None:
    image = f"{world.host}/tuling/never-there"
    for ask, reason in (
        (lambda: connect(world).tags(image), "NotFound"),
        (lambda: connect(world).scan(image, NOBODY), "Unsupported"),
        (lambda: connect(world).tags(f"{world.host}/tuling/../../etc"), "InvalidImage"),
        (lambda: connect(world).image_of_tag(image, "a/../b"), "InvalidImage"),
    ):
        with pytest.raises(Rejected) as refused:
            ask()
        assert refused.value.reason == reason


def test_oci_basic_authentication_uses_the_current_password(tmp_path: Path) -> None:
    with registry(tmp_path, registry_world.htpasswd(tmp_path)) as world:
        image, digest = f"{world.host}/tuling/print-api", world.push("tuling/print-api", "1.0.0")
        known = [("lockstep", "an old one")]
        found = connect(world, lambda: known[0])
        with pytest.raises(Rejected) as refused:
            found.tags(image)
        assert refused.value.reason == "Unauthorized"
        assert "an old one" not in str(refused.value)
        known[0] = (USER, PASSWORD)
        assert found.image_of_tag(image, "1.0.0") == TaggedImage("1.0.0", digest)
        with pytest.raises(Rejected, match="no such user"):
            connect(world).tags(image)


# -- tokens


def _write_certificate(directory: Path) -> tuple[Path, Path]:
    """Write a key and its self-signed certificate."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.fromtimestamp(time.time(), UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    pem = serialization.Encoding.PEM
    key.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    certificate.write_bytes(signed.public_bytes(pem))
    return key, certificate


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _sign_token(key: Path, certificate: Path, scope: str) -> str:
    """Sign a token as a token server does: https://distribution.github.io/distribution/spec/auth/jwt/."""
    der = x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(serialization.Encoding.DER)
    header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
    kind, name, actions = scope.split(":")
    now = int(time.time())
    claims = {"iss": "token-server", "sub": USER, "aud": "tests", "iat": now, "nbf": now - 10, "exp": now + 300}
    claims |= {"jti": "1", "access": [{"type": kind, "name": name, "actions": actions.split(",")}]}
    signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    signature = private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encode(signature)}"


def test_oci_token_is_fetched_from_a_server_of_the_configuration(tmp_path: Path) -> None:
    key, certificate = _write_certificate(tmp_path)

    def give(handler: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        granted = handler.headers["Authorization"] == expected
        body = json.dumps({"token": _sign_token(key, certificate, query["scope"][0]), "expires_in": 300}).encode()
        said(handler, 200, body) if granted else said(handler, 401)

    with serving(give, (key, certificate)) as (tokens, seen):
        auth = {
            "token": {
                "realm": f"https://{tokens}/token",
                "service": "tests",
                "issuer": "token-server",
                "rootcertbundle": str(certificate),
            }
        }
        with registry(tmp_path, auth) as world:
            world.authorize(_sign_token(key, certificate, "repository:tuling/print-api:pull,push"))
            digest = world.push("tuling/print-api", "1.0.0")
            image = f"{world.host}/tuling/print-api"
            access = RegistryAccess(world.host, world.url, lambda: (USER, PASSWORD), certificate, 10.0)
            with pytest.raises(Rejected) as refused:
                OciRegistry(access).tags(image)
            assert refused.value.reason == "HostNotAllowed"
            assert "otherHosts" in str(refused.value)
            assert not seen

            found = OciRegistry(
                RegistryAccess(world.host, world.url, access.credentials, certificate, 10.0, frozenset({tokens}))
            )
            assert [each.tag for each in found.tags(image)] == ["1.0.0"]
            assert found.has(image, digest)
            assert [path for path, _ in seen] == [
                "/token?service=tests&scope=repository%3Atuling%2Fprint-api%3Apull"
            ], "one token serves until it ends"


# -- wrong answers


@contextmanager
def serve_answer(answer: Callable[[BaseHTTPRequestHandler], None], seconds: float = 5.0) -> Iterator[OciRegistry]:
    with serving(answer) as (host, _):
        yield OciRegistry(RegistryAccess(host, f"http://{host}", lambda: (USER, PASSWORD), None, seconds))


def read_error(answer: Callable[[BaseHTTPRequestHandler], None], seconds: float = 5.0) -> GitopsError:
    with serve_answer(answer, seconds) as found, pytest.raises(GitopsError) as failed:
        found.tags("registry.example/tuling/print-api")
    assert PASSWORD not in str(failed.value)
    return failed.value


@pytest.mark.parametrize(
    "realm",
    ["http://169.254.169.254/token", "https://evil.example/token", "https://user@evil.example", "file:///etc/passwd"],
)
def test_oci_token_server_outside_the_configuration_is_not_asked(realm: str) -> None:
    failed = read_error(lambda handler: said(handler, 401, WWW_Authenticate=f'Bearer realm="{realm}",service="x"'))
    assert failed.reason == "HostNotAllowed"


def test_oci_redirect_to_another_host_is_not_followed() -> None:
    with serving(lambda handler: said(handler, 200, b'{"tags": ["1.0.0"]}')) as (elsewhere, seen):
        failed = read_error(lambda handler: said(handler, 307, Location=f"http://{elsewhere}/v2/x"))
    assert failed.reason == "HostNotAllowed"
    assert not seen


def test_oci_storage_of_the_configuration_gets_no_credentials(tmp_path: Path) -> None:
    key, certificate = _write_certificate(tmp_path)
    config = b'{"config": {"Labels": {"a": "b"}}}'
    manifest = json.dumps({"config": {"digest": registry_world.digest_of(config)}}).encode()

    with serving(lambda handler: said(handler, 200, config), (key, certificate)) as (storage, seen):

        def answer(handler: BaseHTTPRequestHandler) -> None:
            if "Authorization" not in handler.headers:
                said(handler, 401, WWW_Authenticate='Basic realm="x"')
            elif "/blobs/" in handler.path:
                said(handler, 307, Location=f"https://{storage}/blob?signature=abc")
            else:
                said(handler, 200, manifest)

        with serving(answer) as (host, _):
            access = RegistryAccess(
                host, f"http://{host}", lambda: (USER, PASSWORD), certificate, 5.0, frozenset({storage})
            )
            found = OciRegistry(access).describe(f"{host}/tuling/x", registry_world.digest_of(manifest))
    assert found == ImageDescription({"a": "b"})
    assert [path for path, _ in seen] == ["/blob?signature=abc"]
    assert all("Authorization" not in headers for _, headers in seen)


def test_oci_content_with_another_digest_is_refused() -> None:
    with (
        serve_answer(lambda handler: said(handler, 200, b'{"config": {}}')) as found,
        pytest.raises(Rejected) as refused,
    ):
        found.describe("registry.example/tuling/x", NOBODY)
    assert refused.value.reason == "BadAnswer"


def test_oci_404_of_another_server_is_a_bad_answer() -> None:
    with (
        serve_answer(lambda handler: said(handler, 404, b"<html>nginx</html>")) as found,
        pytest.raises(Rejected) as refused,
    ):
        found.has("registry.example/tuling/x", NOBODY)
    assert refused.value.reason == "BadAnswer"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, b"", "Forbidden"),
        (429, b"", "TooManyRequests"),
        (502, b"", "RegistryFailed"),
        (200, b"<html>log in</html>", "BadAnswer"),
        (200, b"[" * 100_000, "BadAnswer"),
        (301, b"", "BadAnswer"),
    ],
)
def test_oci_errors_have_a_reason_by_status(status: int, body: bytes, reason: str) -> None:
    failed = read_error(lambda handler: said(handler, status, body, Retry_After="7"))
    assert failed.reason == reason
    assert isinstance(failed, Unavailable) == (status in {429, 502})
    if isinstance(failed, Unavailable):
        assert failed.retry_after == 7.0


def test_a40_oci_errors_do_not_contain_credentials() -> None:
    def echo(handler: BaseHTTPRequestHandler) -> None:
        sent = handler.headers.get("Authorization", "")
        if not sent:
            said(handler, 401, WWW_Authenticate='Basic realm="x"')
            return
        message = f"user {USER} password {PASSWORD} header {sent}\n{'long ' * 500}"
        said(handler, 403, json.dumps({"errors": [{"code": "DENIED", "message": message}]}).encode())

    failed = read_error(echo)
    assert failed.reason == "Forbidden"
    assert "password *** header Basic ***" in str(failed)
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() not in str(failed)
    assert len(str(failed)) < 600


def test_oci_answer_that_never_ends_is_a_timeout() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        ticks = threading.Event()
        try:
            for _ in range(200):
                handler.wfile.write(b" ")
                ticks.wait(0.05)
        except OSError:
            handler.close_connection = True

    assert read_error(drip, seconds=0.5).reason == "Timeout"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_oci_headers_that_never_end_are_a_timeout(tmp_path: Path, scheme: str) -> None:
    """Each byte arrives in time, so only a limit on the whole answer ends it."""
    ticks, gave_up = threading.Event(), threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in range(600):
                handler.wfile.write(b"a")
                ticks.wait(0.05)
        except OSError:
            gave_up.set()
        handler.close_connection = True

    pair = _write_certificate(tmp_path) if scheme == "https" else None
    with serving(drip, pair) as (host, _):
        found = OciRegistry(RegistryAccess(host, f"{scheme}://{host}", ca_file=pair[1] if pair else None, seconds=0.5))
        with pytest.raises(Unavailable) as failed:
            found.tags(f"{host}/tuling/x")
        assert failed.value.reason == "Timeout"
        assert gave_up.wait(20), "the connection stays open"


def test_oci_refuses_more_than_50000_tags() -> None:
    page = json.dumps({"tags": [f"1.0.{number}" for number in range(50_001)]}).encode()
    failed = read_error(lambda handler: said(handler, 200, page))
    assert failed.reason == "TooManyTags"
    assert "more than 50000 tags" in str(failed)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pw@169.254.169.254/x",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "https://evil.example:0/",
        "",
        "//x",
    ],
)
def test_oci_invalid_url_is_never_an_allowed_host(url: str) -> None:
    """An invalid URL equals neither the registry's host nor another allowed host, even one with an invalid port."""
    for own in ("https://registry.example", "https://registry.example:70000"):
        access = RegistryAccess("registry.example", own, other_hosts=frozenset({"auth.example:70000"}))
        with pytest.raises(Rejected) as refused:
            RegistryHttp(access).require_allowed("tags", url)
        assert refused.value.reason == "HostNotAllowed"
        assert "pw" not in str(refused.value)


def test_oci_401_with_a_token_is_forbidden(tmp_path: Path) -> None:
    """A registry also answers 401 to a valid account that may not read one repository."""
    key, certificate = _write_certificate(tmp_path)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/token"):
            said(handler, 200, b'{"token": "abc"}')
        else:
            host = handler.headers["Host"]
            said(handler, 401, WWW_Authenticate=f'Bearer realm="https://{host}/token",service="x"')

    with serving(answer, (key, certificate)) as (host, _):
        found = OciRegistry(RegistryAccess(host, f"https://{host}", lambda: (USER, PASSWORD), certificate, 5.0))
        with pytest.raises(Rejected) as refused:
            found.tags(f"{host}/tuling/x")
    assert refused.value.reason == "Forbidden"


@pytest.mark.parametrize(("status", "asked_for"), [(401, 1), (429, 1), (503, 1), (404, 2)])
def test_oci_asks_again_only_after_a_404(status: int, asked_for: int) -> None:
    with serving(lambda handler: said(handler, status, b"{}")) as (host, seen):
        with pytest.raises(GitopsError):
            OciRegistry(RegistryAccess(host, f"http://{host}")).has(f"{host}/tuling/x", NOBODY)
        assert len(seen) == asked_for


def test_oci_answer_that_is_too_large_is_refused() -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 1_000_000)
        except OSError:
            handler.close_connection = True

    assert read_error(flood, seconds=30.0).reason == "BadAnswer"


def test_oci_registry_that_is_down_is_unavailable() -> None:
    with serving(lambda handler: said(handler, 200)) as (host, _):
        pass
    found = OciRegistry(RegistryAccess(host, f"http://{host}", seconds=1.0))
    with pytest.raises(Unavailable) as gone:
        found.tags(f"{host}/tuling/x")
    assert gone.value.reason == "RegistryUnreachable"


def test_oci_certificate_of_an_unknown_authority_is_refused_with_a_hint(tmp_path: Path) -> None:
    key, certificate = _write_certificate(tmp_path)
    with serving(lambda handler: said(handler, 200, b'{"tags": []}'), (key, certificate)) as (host, seen):
        image = f"{host}/tuling/x"
        with pytest.raises(Unavailable) as refused:
            OciRegistry(RegistryAccess(host, f"https://{host}", lambda: (USER, PASSWORD))).tags(image)
        assert "does caFile name the authority" in str(refused.value)
        assert not seen
        assert OciRegistry(RegistryAccess(host, f"https://{host}", ca_file=certificate)).tags(image) == []
