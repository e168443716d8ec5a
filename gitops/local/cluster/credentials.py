"""The users of a local API server and its signing key: made once, and readable by the owner only."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ADMIN = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
KWOK = "kwok"
# The Kubernetes components have roles by RBAC bootstrap. kwok simulates every kubelet, so it gets all rights.
_GROUPS: Mapping[str, str] = {ADMIN: "system:masters", CONTROLLER_MANAGER: "", SCHEDULER: "", KWOK: "system:masters"}

# RFC 5915 ECPrivateKey over prime256v1, without the optional public key: readers compute it from the scalar.
_EC_KEY_HEAD = bytes.fromhex("30310201010420")
_EC_KEY_TAIL = bytes.fromhex("a00a06082a8648ce3d030107")
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class ClusterCredentials:
    """`tokens_file` is for --token-auth-file, `signing_key_file` for service account tokens."""

    tokens: Mapping[str, str]
    tokens_file: Path
    signing_key_file: Path


def load(directory: Path) -> ClusterCredentials:
    """Reads the directory's credentials; makes them on the first call."""
    tokens_file, signing_key_file = directory / "tokens.csv", directory / "service-account.key"
    if not tokens_file.exists():
        tokens = {user: secrets.token_urlsafe(32) for user in _GROUPS}
        write_private(tokens_file, "".join(f'{tokens[user]},{user},{user},"{_GROUPS[user]}"\n' for user in tokens))
    if not signing_key_file.exists():
        write_private(signing_key_file, _new_signing_key())
    read = (line.split(",") for line in tokens_file.read_text().splitlines())
    return ClusterCredentials({user: token for token, user, *_ in read}, tokens_file, signing_key_file)


def write_kubeconfig(target: Path, *, server: str, certificate: Path, token: str) -> None:
    """Writes one cluster, one user and one context, all named `lockstep-local`, with the serving certificate inline."""
    name = "lockstep-local"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(certificate.read_bytes()).decode(),
                },
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    write_private(target, json.dumps(content, indent=2) + "\n")  # JSON is YAML


def write_private(target: Path, text: str) -> None:
    """Writes a file that only the owner can read from the start, and that appears by one rename."""
    written = target.with_name(f".{target.name}.new")
    written.unlink(missing_ok=True)
    written.touch(mode=0o600)
    written.write_text(text)
    written.replace(target)


def _new_signing_key() -> str:
    scalar = secrets.randbelow(_P256_ORDER - 1) + 1
    encoded = base64.encodebytes(_EC_KEY_HEAD + scalar.to_bytes(32, "big") + _EC_KEY_TAIL).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{encoded}-----END EC PRIVATE KEY-----\n"
