"""Real git hosts on loopback: git's own http-backend behind TLS, git's own programs behind an ssh server.

The https host requires a user and a token. A test can make it misbehave as real hosts do.
"""

import base64
import contextlib
import gzip
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


# -- certificates


class Authority:
    """Signs certificates that are valid on 127.0.0.1. `file` is its own certificate, for clients that trust it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of our own")])
        mine = _certificate(self._name, self._name, self._key.public_key(), days=30)
        mine = mine.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = directory / "authority.pem"
        self.file.write_bytes(mine.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, *, address: str = "127.0.0.1", days: int = 30) -> ssl.SSLContext:
        """Sign a server's certificate. With negative `days` it expired that long ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        made = _certificate(name, self._name, key.public_key(), days=days)
        made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        file = self._directory / f"{x509.random_serial_number()}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(time.time(), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )


# -- https


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    authorization: str


@dataclass(slots=True)
class HttpsHost:
    """Serves the repositories below a directory. `accounts` maps user -> token and may change at any time; with None a
    client needs no token. `answer` may answer a request instead, and returns whether it did. With `holding`, the second
    half of each answer is sent only after that event is set.
    """

    directory: Path
    accounts: dict[str, str] | None = None
    answer: Callable[[BaseHTTPRequestHandler], bool] = field(default=lambda _: False)
    holding: threading.Event | None = None
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def url(self, name: str = "config.git") -> str:
        return f"https://127.0.0.1:{self.port}/{name}"


@contextmanager
def serving_https(host: HttpsHost, context: ssl.SSLContext) -> Iterator[HttpsHost]:
    """Run the host on its own port; the first time a free port is chosen."""
    server = _Server(("127.0.0.1", host.port), type("Handler", (_Handler,), {"host": host}))
    server.context = context
    host.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the TLS handshake in the request's own thread, so that a slow client delays no other one."""
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError):  # a client that does not trust us hangs up
            return
        try:
            super().finish_request(wrapped, client_address)
        except OSError:  # the client was killed, or a test cut the connection
            pass
        finally:
            wrapped.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: HttpsHost

    def end_headers(self) -> None:
        self.send_header("Connection", "close")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.close_connection = True
        authorization = self.headers.get("Authorization", "")
        self.host.asked.append(Asked(self.command, self.path, authorization))
        body = self._body()
        if self.host.answer(self):
            return
        if self.host.accounts is not None and authorization not in set(_headers(self.host.accounts)):
            refuse(self, 401, "log in first", {"WWW-Authenticate": 'Basic realm="git"'})
            return
        self._backend(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _backend(self, body: bytes) -> None:
        """git-http-backend(1) is a CGI program: RFC 3875."""
        path, _, query = self.path.partition("?")
        environment = {
            **_ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.host.directory),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "somebody",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        ran = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
        head, _, content = ran.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        holding = self.host.holding
        half = len(content) // 2 if holding else len(content)
        self.wfile.write(content[:half])
        if holding:
            holding.wait(60)
        self.wfile.write(content[half:])


def _headers(accounts: Mapping[str, str]) -> Iterator[str]:
    for user, token in accounts.items():
        yield f"Basic {base64.b64encode(f'{user}:{token}'.encode()).decode()}"


def refuse(
    handler: BaseHTTPRequestHandler, status: int, text: str = "", headers: Mapping[str, str] | None = None
) -> bool:
    """Answer with this status. A git client shows plain text to its user."""
    handler.send_response(status)
    for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(text)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(text.encode())
    return True


@contextmanager
def forwarding(connections: list[str]) -> Iterator[str]:
    """Run an HTTP proxy that supports CONNECT (RFC 9110, 9.3.6) and records the targets. Yield its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), {"connections": connections}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Proxy(BaseHTTPRequestHandler):
    connections: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.connections.append(self.path)
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as beyond:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass_on, args=(beyond, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, beyond)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)


# -- ssh


@dataclass(slots=True)
class SshHost:
    """`key` is the host key, `clients` a file with the public keys of clients. `passes_protocol`: whether it accepts
    GIT_PROTOCOL (AcceptEnv of sshd); without it git speaks protocol 0.
    """

    directory: Path
    key: Path
    clients: Path
    passes_protocol: bool = True
    port: int = 0

    def url(self, name: str = "config.git") -> str:
        return f"ssh://git@127.0.0.1:{self.port}{self.directory / name}"

    def known_hosts(self) -> str:
        return f"[127.0.0.1]:{self.port} {public(self.key).read_text()}"


def public(key: Path) -> Path:
    return key.with_name(key.name + ".pub")


def key_pair(file: Path) -> Path:
    """Write a private key as ssh-keygen would, and its public key beside it."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(file)
    key.write_public_key(public(file))
    file.chmod(0o600)
    return file


@contextmanager
def serving_ssh(host: SshHost) -> Iterator[SshHost]:
    """Run the host on its own port; the first time a free port is chosen."""
    passed = "GIT_PROTOCOL" if host.passes_protocol else ""
    program = [
        sys.executable,
        "-m",
        "tests.worlds.ssh_server",
        str(host.port),
        str(host.key),
        str(host.clients),
        passed,
    ]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        host.port = int(server.stdout.readline())
        yield host
        server.stdin.close()
