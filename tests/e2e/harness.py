"""One installation under test: a config repo, controllers in their own processes, the proxy before the API server.

Nothing is replaced: git, kustomize and the API server are real, the controller is `lockstep run`. Tests wait by
watches.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import urllib3

from gitops.adapters.kubernetes.ledger import ledger_name
from gitops.adapters.kubernetes.state_namespace import unpack
from gitops.core.ownership.applyset import MEMBERS_JSON, parent_name
from gitops.core.sync.status import STATUS_JSON, SyncStatus
from gitops.local import harbor_webhook
from gitops.local.announce import delivery
from tests.e2e import config_repo
from tests.e2e.api_proxy import ApiProxy, Trap
from tests.e2e.config_repo import REGISTRY, Edit, Names, Person
from tests.e2e.console import Body, Console, NeverObserved
from tests.e2e.process import Controller, Line, Ports

SYSTEM = "lockstep-system"
HARBOR_SECRET = "what-harbor-sends"
GIT_SECRET = "what-the-git-host-signs-with"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an installation. `entry` is what Python runs instead of `-m gitops`. `registries` and `repo` are
    those of lockstep.yaml; `repo` is by default the path of the config repo.
    """

    poll: str = "1h"
    kustomize: Path | None = None
    registries: Mapping[str, object] = field(default_factory=dict)
    entry: tuple[str, ...] = ("-m", "gitops")
    repo: Mapping[str, object] | None = None
    level: str = "info"


@dataclass(slots=True)
class Sent:
    """An announced image push and the last answer to it, which is a promise to the sender."""

    image: str
    tag: str
    digest: str
    answer: Answer | None = None

    @property
    def is_acked(self) -> bool:
        return self.answer is not None and self.answer.status == 200


@dataclass(slots=True)
class World:
    """One installation, with namespaces of its own."""

    directory: Path
    names: Names
    console: Console
    proxy: ApiProxy
    kustomize: Path
    settings: Settings
    person: Person
    controllers: list[Controller] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    @property
    def remote(self) -> Path:
        return self.directory / "config.git"

    @property
    def controller(self) -> Controller:
        return self.controllers[-1]

    # -- controllers

    def start(self, state: str = "state") -> Controller:
        """Starts a controller and returns when it listens. `state` names its directory; each replica has its own."""
        ports = Ports.free()
        config = self.directory / f"lockstep-{state}.yaml"
        config.write_text(self._configuration(ports, self.directory / state))
        made = Controller(config, ports, self.settings.entry)
        self.controllers.append(made)
        made.until("controller started", seconds=120)  # a busy machine imports slowly
        return made

    def restart(self) -> Controller:
        self.controller.stop()
        return self.start()

    def command(self, *arguments: str) -> str:
        """Runs a `lockstep` command with this installation's configuration."""
        config = max(self.directory.glob("lockstep-*.yaml"))
        ran = subprocess.run(
            [sys.executable, "-m", "gitops", *arguments, "-c", str(config)], capture_output=True, text=True, check=False
        )
        assert ran.returncode in {0, 1}, ran.stderr
        return ran.stdout

    def close(self) -> None:
        for controller in self.controllers:
            with suppress(ProcessLookupError):
                controller.stop()

    def bugs(self) -> list[Line]:
        return [line for controller in self.controllers for line in controller.bugs()]

    def _configuration(self, ports: Ports, state: Path) -> str:
        for name, secret in (("harbor", HARBOR_SECRET), ("git-host", GIT_SECRET)):
            (self.directory / name).write_text(secret)
        config = {
            "name": f"world-{self.names.number}",
            "repo": self.settings.repo or {"url": str(self.remote)},
            "state": str(state),
            "cluster": {"kubeconfig": str(self.proxy.kubeconfig)},
            "kustomize": str(self.settings.kustomize or self.kustomize),
            "senders": {
                "harbor": {"kind": "harbor", "secrets": [{"file": "harbor"}]},
                "git-host": {"kind": "github", "secrets": [{"file": "git-host"}]},
            },
            "listen": {
                "webhooks": f"127.0.0.1:{ports.webhooks}",
                "page": f"127.0.0.1:{ports.page}",
                "metrics": f"127.0.0.1:{ports.metrics}",
            },
            "registries": dict(self.settings.registries),
            "webhooks": {"threads": 16},
            "poll": self.settings.poll,
            "lease": "3s",
            "log": {"format": "json", "level": self.settings.level},
        }
        return json.dumps(config)  # which is YAML

    def sleep_at_apply(self, controller: Controller) -> Trap:
        """Stops the controller (SIGSTOP) when the API server has done its next apply: it sleeps in the middle of a
        pass.
        """
        trap = Trap(
            lambda request: request.is_("PATCH", r"/api.*/namespaces/(?!lockstep-system/).*"),
            lambda: controller.signal(signal.SIGSTOP),
            before=False,
        )
        return self.proxy.traffic.set(trap)

    # -- webhooks

    def push_image(
        self,
        service: str,
        tag: str,
        *,
        controller: Controller | None = None,
        cloud: bool = False,
        again: Sent | None = None,
    ) -> Sent:
        """Announces an image once, as Harbor does. Without an answer, `answer` stays None."""
        image = harbor_webhook.image(f"{REGISTRY}/demo/{service}", tag)
        sent = again or Sent(image.name, tag, image.digest or "")
        if again is None:
            self.sent.append(sent)
        body = harbor_webhook.body(image, _now())
        headers = {"Authorization": HARBOR_SECRET, "Content-Type": "application/json"}
        if cloud:
            body, headers = _as_cloud_event(body), {**headers, "Content-Type": "application/cloudevents+json"}
        with suppress(urllib3.exceptions.HTTPError):
            sent.answer = self.post("harbor", body, headers, controller=controller)
        return sent

    def push_until_acked(self, sent: Sent, attempts: int = 20) -> None:
        """Sends the webhook again as Harbor does, with shorter pauses."""
        service = sent.image.rpartition("/")[2]
        for _ in range(attempts):
            if sent.is_acked:
                return
            self.push_image(service, sent.tag, again=sent)
            if not sent.is_acked:
                threading.Event().wait(0.2)
        assert sent.is_acked, sent

    def announce(self, commit: str, *, before: str = "0" * 40, controller: Controller | None = None) -> Answer:
        """Sends the git host's webhook for a push."""
        body, headers = delivery(f"{before} {commit} refs/heads/main", str(self.remote), GIT_SECRET.encode())
        return self.post("git-host", body, headers, controller=controller)

    def post(
        self, sender: str, body: bytes, headers: Mapping[str, str], *, controller: Controller | None = None
    ) -> Answer:
        url = f"http://127.0.0.1:{(controller or self.controller).ports.webhooks}/hooks/{sender}"
        response = _POOL.request("POST", url, body=body, headers=headers)
        return Answer(response.status, response.data.decode())

    def page(self, path: str = "/", controller: Controller | None = None) -> Answer:
        response = _POOL.request("GET", f"http://127.0.0.1:{(controller or self.controller).ports.page}{path}")
        return Answer(response.status, response.data.decode())

    def metrics(self) -> str:
        response = _POOL.request("GET", f"http://127.0.0.1:{self.controller.ports.metrics}/metrics")
        return response.data.decode()

    def rest(self, seconds: float) -> None:
        """Waits to verify that nothing happens, because there is no event to wait for."""
        threading.Event().wait(seconds)

    # -- config repo

    def edit(self, files: Mapping[str, Edit], message: str = "an edit", *, tell: bool = True) -> str:
        """A person pushes to the trunk; the git host sends its webhook unless `tell` is false."""
        commit = self.person.push(dict(files), message)
        if tell:
            assert self.announce(commit).status == 200
        return commit

    def kustomization(self, overlay: str) -> str:
        return self.person.read(f"environments/{overlay}/kustomization.yaml")

    # -- status

    def until_status(self, overlay: str, is_so: Callable[[SyncStatus], bool], *, seconds: float = 60.0) -> SyncStatus:
        def reads(body: Body) -> bool:
            return is_so(status(body))

        name = ledger_name(overlay)
        try:
            return status(self.console.until_one("ConfigMap", SYSTEM, name, reads, seconds=seconds))
        except NeverObserved as never:
            last = [status(body) for body in never.seen.values() if body]
            raise AssertionError(f"the status of {overlay} is still {last}") from None

    def until_ready(self, *overlays: str) -> None:
        """Waits until the overlay is Synced and Healthy at the trunk's current head."""
        for overlay in overlays or self.overlays:
            self.until_status(overlay, lambda found: reason(found) == "Synced")

    @property
    def overlays(self) -> tuple[str, ...]:
        return self.names.dev, f"{self.names.split}/desk", f"{self.names.split}/till", self.names.prod

    def members(self, overlay: str) -> set[tuple[str, str, str]]:
        """The stored inventory: (kind, namespace, name)."""
        body = self.console.read("ConfigMap", SYSTEM, parent_name(overlay))
        return set() if body is None else _members(body)

    def until_no_member(self, overlay: str, member: tuple[str, str, str]) -> None:
        self.console.until_one("ConfigMap", SYSTEM, parent_name(overlay), lambda body: member not in _members(body))

    # -- the cluster

    def until_image(self, namespace: str, service: str, tag: str) -> Body:
        return self.console.until_one(
            "Deployment",
            namespace,
            service,
            lambda body: f":{tag}@" in _image(body) or _image(body).endswith(f":{tag}"),
        )


_POOL = urllib3.PoolManager(timeout=5.0, retries=False, maxsize=32)


def _members(parent: Body) -> set[tuple[str, str, str]]:
    members = MEMBERS_JSON.validate_json(unpack(parent["data"]["members"]))
    return {(member.key.kind, member.key.namespace, member.key.name) for member in members}


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a registry has a clock


def status(ledger: Body) -> SyncStatus:
    return STATUS_JSON.validate_json(unpack(ledger["data"]["status"]))


def reason(found: SyncStatus) -> str:
    ready = found.condition("Ready")
    return ready.reason if ready else ""


def message(found: SyncStatus) -> str:
    ready = found.condition("Ready")
    return ready.message if ready else ""


def _image(deployment: Body) -> str:
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def _as_cloud_event(default: bytes) -> bytes:
    event = json.loads(default)
    return json.dumps(
        {
            "specversion": "1.0",
            "id": os.urandom(8).hex(),
            "requestid": os.urandom(8).hex(),
            "source": "/projects/2/webhook/policies/1",
            "type": "harbor.artifact.pushed",
            "datacontenttype": "application/json",
            "time": _now().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "data": event["event_data"],
            "operator": "robot$jenkins",
        }
    ).encode()


@contextmanager
def world(
    directory: Path, kubeconfig: Path, number: int, kustomize: Path, settings: Settings | None = None
) -> Iterator[World]:
    """Makes the repo and the namespaces; no controller runs yet."""
    names = Names(number)
    config_repo.create(directory / "config.git", names)
    console = Console(kubeconfig)
    for namespace in names.all:
        console.create_namespace(namespace)
    with ApiProxy(kubeconfig, directory) as proxy:
        person = Person(directory / "config.git", directory / "clone")
        made = World(directory, names, console, proxy, kustomize, settings or Settings(), person)
        try:
            yield made
        finally:
            made.close()
            console.close()
    assert made.bugs() == []
