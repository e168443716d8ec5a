"""Where a local installation keeps its things, and the configuration that its controller is started with."""

import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from gitops.core.errors import Rejected

_PORTS = {"webhooks": 8080, "page": 8081, "metrics": 8082}


@dataclass(frozen=True, slots=True)
class Site:
    """Everything below one directory; deleting it while nothing runs is a fresh start."""

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

    def secret(self, sender: str) -> Path:
        return self.directory / "secrets" / sender

    def ports(self) -> dict[str, int]:
        """The ports that the written configuration names.

        Raises: Rejected(NotUp) when there is none: `lockstep local up` was never run here.
        """
        try:
            stored: dict[str, int] = json.loads((self.directory / "ports.json").read_text())
        except FileNotFoundError:
            raise Rejected("NotUp", f"nothing was started in {self.directory} yet: run `lockstep local up`") from None
        return stored

    def url(self, listener: str) -> str:
        return f"http://127.0.0.1:{self.ports()[listener]}"

    def prepare(self, kubeconfig: Path, kustomize: Path) -> None:
        """Makes missing secrets, chooses free ports (the last ones where possible) and writes lockstep.yaml."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.directory / "secrets").mkdir(exist_ok=True, mode=0o700)
        for sender in ("harbor", "config-repo"):
            if not self.secret(sender).exists():
                self.secret(sender).touch(mode=0o600)
                self.secret(sender).write_text(secrets.token_urlsafe(32))
        (self.directory / "ports.json").write_text(json.dumps(self._free_ports()))
        self.config.write_text(self._configuration(kubeconfig, kustomize))

    def _free_ports(self) -> dict[str, int]:
        try:
            wanted = self.ports()
        except Rejected:
            wanted = _PORTS
        return {name: _free(port) for name, port in wanted.items()}

    def _configuration(self, kubeconfig: Path, kustomize: Path) -> str:
        ports = self.ports()
        return f"""# Written by `lockstep local up`.
name: local
repo: {{url: {json.dumps(str(self.config_repo.absolute()))}, trunk: main}}
state: {json.dumps(str((self.directory / "state").absolute()))}
cluster: {{kubeconfig: {json.dumps(str(kubeconfig.absolute()))}}}
kustomize: {json.dumps(str(kustomize.absolute()))}
senders:
  harbor: {{kind: harbor, secrets: [{{file: {json.dumps(str(self.secret("harbor").absolute()))}}}]}}
  config-repo: {{kind: github, secrets: [{{file: {json.dumps(str(self.secret("config-repo").absolute()))}}}]}}
listen:
  webhooks: "127.0.0.1:{ports["webhooks"]}"
  page: "127.0.0.1:{ports["page"]}"
  metrics: "127.0.0.1:{ports["metrics"]}"
webhooks: {{threads: 256}}
log: {{format: json}}
"""


def _free(port: int) -> int:
    """`port` if nobody listens on it, else one that the kernel chooses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        chosen: int = probe.getsockname()[1]
        return chosen
