"""The directory of a local installation: paths, ports, secrets, and the lockstep.yaml of its controller."""

import json
import secrets
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops.core.errors import Rejected
from gitops.local import people
from gitops.local.cluster.credentials import write_private

HARBOR = "harbor"
CONFIG_REPO = "config-repo"
_PORTS = {"webhooks": 8080, "page": 8081, "metrics": 8082}


@dataclass(frozen=True, slots=True)
class LocalSite:
    """All paths lie below `directory` (absolute). To start afresh, delete it while nothing runs."""

    directory: Path

    @property
    def control_plane(self) -> Path:
        return self.directory / "control-plane"

    @property
    def config_repo(self) -> Path:
        return self.directory / "config.git"

    @property
    def config(self) -> Path:
        return self.directory / "lockstep.yaml"

    @property
    def log(self) -> Path:
        return self.directory / "controller.log"

    @property
    def people(self) -> Path:
        return self.directory / "people"

    def secret(self, sender: str) -> Path:
        return self.directory / "secrets" / sender

    def hook(self, sender: str) -> str:
        """The webhook URL for a sender. Raises as ports()."""
        return f"{self.url('webhooks')}/hooks/{sender}"

    def url(self, listener: str) -> str:
        """Raises as ports()."""
        return f"http://127.0.0.1:{self.ports()[listener]}"

    def ports(self) -> Mapping[str, int]:
        """The ports in the written configuration.

        Raises: Rejected(NotUp) if there is none, because `lockstep local up` never ran here.
        """
        return self._read_stored("ports.json")

    def kubeconfig(self) -> Path:
        """The kubeconfig in the written configuration. Raises as ports()."""
        return Path(self._read_stored("cluster.json")["kubeconfig"])

    def prepare(self, kubeconfig: Path, kustomize: Path) -> None:
        """Makes missing secrets and people, chooses free ports (those of the last run if possible), writes
        lockstep.yaml. Only the owner can read these files.
        """
        (self.directory / "secrets").mkdir(exist_ok=True, mode=0o700)
        for sender in (HARBOR, CONFIG_REPO):
            if not self.secret(sender).exists():
                write_private(self.secret(sender), secrets.token_urlsafe(32))
        signers = people.create(self.people)
        ports = self._choose_ports()
        write_private(self.directory / "ports.json", json.dumps(ports))
        write_private(self.directory / "cluster.json", json.dumps({"kubeconfig": str(kubeconfig)}))
        write_private(self.config, self._configuration(kubeconfig, kustomize, ports) + _signers(signers))

    def _read_stored(self, name: str) -> dict[str, Any]:
        try:
            stored: dict[str, Any] = json.loads((self.directory / name).read_text())
        except FileNotFoundError:
            raise Rejected(
                "NotUp", f"there is no installation in {self.directory} yet: run `make run` or `lockstep local up`"
            ) from None
        return stored

    def _choose_ports(self) -> dict[str, int]:
        try:
            wanted = {**_PORTS, **self.ports()}
        except Rejected:
            wanted = _PORTS
        with ExitStack() as held:  # all held at once, so that no two are equal
            return {name: _reserve(port, held) for name, port in wanted.items()}

    def _configuration(self, kubeconfig: Path, kustomize: Path, ports: Mapping[str, int]) -> str:
        return f"""# Written by `lockstep local up` at every start.
name: local
repo: {{url: {_quote(self.config_repo)}, trunk: main}}
state: {_quote(self.directory / "state")}
cluster: {{kubeconfig: {_quote(kubeconfig)}}}
kustomize: {_quote(kustomize)}
senders:
  {HARBOR}: {{kind: harbor, secrets: [{{file: {_quote(self.secret(HARBOR))}}}]}}
  {CONFIG_REPO}: {{kind: github, secrets: [{{file: {_quote(self.secret(CONFIG_REPO))}}}]}}
listen:
  webhooks: "127.0.0.1:{ports["webhooks"]}"
  page: "127.0.0.1:{ports["page"]}"
  metrics: "127.0.0.1:{ports["metrics"]}"
webhooks: {{threads: 256}}
log: {{format: json}}
"""


def _signers(file: Path | None) -> str:
    return f"signers: {{file: {_quote(file)}}}\n" if file is not None else ""


def _quote(path: Path) -> str:
    """A JSON string is a YAML string."""
    return json.dumps(str(path.absolute()))


def _reserve(port: int, held: ExitStack) -> int:
    """Binds `port`, or a port that the kernel chooses if `port` is in use, until `held` ends."""
    probe = held.enter_context(socket.socket())
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.bind(("127.0.0.1", 0))
    chosen: int = probe.getsockname()[1]
    return chosen
