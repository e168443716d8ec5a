"""Secrets with unique values are planted in every place that can hold one. Then all output is searched for the values:
pages and JSON in both languages, log, Events, ledgers, parents, metrics, commits, commands, command lines and the
directories that builds leave.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from gitops.adapters.kubernetes.installation_key import NAME as INSTALLATION_KEY
from gitops.adapters.kubernetes.state_namespace import unpack
from gitops.core.sync.status import SyncStatus
from tests.e2e import config_repo
from tests.e2e.conftest import MakeWorld
from tests.e2e.harness import GIT_SECRET, HARBOR_SECRET, SYSTEM, Settings, World, message, reason
from tests.worlds.git import git
from tests.worlds.git_hosts import Authority, HttpsHost, refuse, serving_https
from tests.worlds.kubernetes import eventually

NAMED = (
    "data",
    "stringData",
    "generated",
    "invalid base64",
    "refused by admission",
    "last-applied",
    "binaryData",
    "config map",
    "config file",
    "environment",
    "url",
    "argument",
    "by hand",
    "wrong header",
    "patch without a kind",
    "plugin without a kind",
)
GIT_TOKEN = "canary/git+token&7Q2x"
CANARIES = {name: f"canary-{name.replace(' ', '-')}-7Q2x" for name in NAMED}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str, rest: str, annotations: str = "") -> str:
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}{annotations}\n{rest}\n"


def deployment(turn: int) -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: reader}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: reader}}}}
  template:
    metadata: {{labels: {{app: reader}}}}
    spec:
      containers:
      - name: app
        image: registry.example/demo/reader:1
        args: ["--token={CANARIES["argument"]}-{turn}"]
        env:
        - {{name: DB_PASSWORD, value: "{CANARIES["environment"]}-{turn}"}}
        - {{name: DB_URL, value: "postgres://shop:{CANARIES["url"]}-{turn}@db/shop"}}
"""


def files(directory: str, turn: int) -> dict[str, str]:
    """The same objects with other values each turn, so that the page shows a difference for each."""
    value = {name: f"{canary}-{turn}" for name, canary in CANARIES.items()}
    applied = json.dumps({"data": {"password": encoded(value["last-applied"])}})
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\n"
    config += (
        f"data:\n  API_TOKEN: {value['config map']}\n  app.yml: |\n    port: 80\n    password: {value['config file']}\n"
    )
    config += f"binaryData: {{api.key: {encoded(value['binaryData'])}}}\n"
    manifests = {
        "data": secret("plain", f"data: {{password: {encoded(value['data'])}}}"),
        "strings": secret("strings", f"stringData: {{password: {value['stringData']}}}"),
        "broken": secret("broken", f"data: {{password: '{value['invalid base64']}!'}}"),
        "refused": secret("refused", f"stringData: {{password: {value['refused by admission']}}}"),
        "applied": secret(
            "applied",
            "data: {}",
            f"\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{applied}'",
        ),
        "config": config,
        "reader": deployment(turn),
        "anchor": config_repo.config_map("anchor", holds="fast"),
    }
    kustomization = f"resources: [{', '.join(f'{name}.yaml' for name in manifests)}]\n"
    kustomization += f"secretGenerator: [{{name: made, literals: [password={value['generated']}]}}]\n"
    return {
        f"{directory}/kustomization.yaml": kustomization,
        **{f"{directory}/{name}.yaml": text for name, text in manifests.items()},
    }


def without_a_kind(kustomization: str) -> str:
    """A patch of a Secret without its first line: kustomize reads this text as a path."""
    kustomization += "patchesStrategicMerge:\n- |\n  apiVersion: v1\n  metadata: {name: x}\n"
    return kustomization + f"  stringData: {{password: {CANARIES['patch without a kind']}}}\n"


def plugin_without_a_kind(kustomization: str) -> str:
    kustomization += "generators:\n- |\n  apiVersion: builtin\n  metadata: {name: x}\n  name: x\n"
    return kustomization + f"  literals: [password={CANARIES['plugin without a kind']}]\n"


def echo_refused_secrets(world: World) -> None:
    """An admission policy whose message repeats the refused object, as many webhooks do."""
    name = f"refuses-{world.names.dev}"
    world.console.create(
        "ValidatingAdmissionPolicy",
        "",
        {
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE", "UPDATE"],
                            "resources": ["secrets"],
                            "resourceNames": ["refused"],
                        }
                    ]
                },
                "validations": [
                    {"expression": "false", "messageExpression": "'no: ' + string(object.data.password)"},
                ],
            },
        },
    )
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.names.dev}}}
    world.console.create(
        "ValidatingAdmissionPolicyBinding",
        "",
        {
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": selector},
        },
    )
    example = {"metadata": {"name": "refused"}, "stringData": {"password": "example"}}
    while not world.console.refuses("Secret", world.names.dev, example):
        world.rest(0.2)  # the server compiles it in its own time, and says so by nothing else


@pytest.fixture(scope="module")
def planted(worlds: MakeWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An installation after applies, changes, edits by hand, refusals and queries, with the log at its most verbose.
    The config repo's host requires a token.
    """
    directory = tmp_path_factory.mktemp("host")
    authority, token = Authority(directory), directory / "token"
    token.write_text(GIT_TOKEN)
    host = HttpsHost(directory, {"lockstep": GIT_TOKEN})
    with serving_https(host, authority.issue()):
        credentials = {"username": "lockstep", "token": {"file": str(token)}}
        repo = {"url": host.url(), "credentials": credentials, "caFile": str(authority.file)}
        world = worlds(Settings(poll="1s", level="debug", repo=repo))
        host.directory = world.directory
        git(world.remote, "config", "http.receivepack", "true")
        git(world.remote, "config", "uploadpack.allowFilter", "true")
        world.start()
        world.until_ready()
        plant(world)
        ask_in_vain(world, host)
        yield world
        world.controller.stop()


def ask_in_vain(world: World, host: HttpsHost) -> None:
    """Makes the host refuse the token and repeat it in its message."""
    host.answer = lambda handler: refuse(handler, 403, f"{handler.headers['Authorization']} {GIT_TOKEN}")
    eventually(lambda: "refuses the token of lockstep" in world.page("/api/v1/status").text)
    host.answer = lambda _: False


def plant(world: World) -> None:
    directory = f"environments/{world.names.dev}/extra"
    echo_refused_secrets(world)
    world.edit(files(directory, 1), "secrets", tell=False)
    said = world.until_status(
        world.names.dev, lambda found: has_failed(found, "refused") and has_failed(found, "broken")
    )
    assert reason(said) != "Synced"
    by_hand = {"data": {"password": encoded(CANARIES["by hand"])}}
    world.console.until_one("Secret", world.names.dev, "plain", lambda _: True)
    world.console.patch("Secret", world.names.dev, "plain", by_hand)
    world.console.until_one(
        "Secret", world.names.dev, "plain", lambda found: found["data"]["password"] == encoded(CANARIES["data"] + "-1")
    )
    world.edit(files(directory, 2), "other secrets", tell=False)
    world.console.until_one(
        "Secret", world.names.dev, "plain", lambda found: found["data"]["password"] == encoded(CANARIES["data"] + "-2")
    )
    world.post("harbor", b"{}", {"Authorization": CANARIES["wrong header"], "Content-Type": "application/json"})
    world.push_image("shop", "1.1.0")
    for service, spoil in (("desk", without_a_kind), ("till", plugin_without_a_kind)):
        overlay = f"{world.names.split}/{service}"
        world.edit({f"environments/{overlay}/kustomization.yaml": spoil}, "without a kind", tell=False)
        world.until_status(overlay, lambda found: reason(found) in {"InvalidKustomization", "RemoteRefused"})


def has_failed(status: SyncStatus, name: str) -> bool:
    return any(each.key.name == name and each.message for each in status.objects)


def hidden(world: World) -> dict[str, str]:
    """Name -> value of each secret, which must appear nowhere."""
    kubeconfig = yaml.safe_load(world.proxy.kubeconfig.read_text())
    key = world.console.read("Secret", SYSTEM, INSTALLATION_KEY)
    assert key is not None
    values = {
        **CANARIES,
        "harbor": HARBOR_SECRET,
        "git host": GIT_SECRET,
        "git token": GIT_TOKEN,
        "git token's header": f"lockstep:{GIT_TOKEN}",
        "kubeconfig token": kubeconfig["users"][0]["user"]["token"],
        "installation key": key["data"]["key"],
    }
    forms = {f"{name} in base64": base64_core(value) for name, value in values.items()}
    return {**values, **forms}


def base64_core(value: str) -> str:
    """The common part of the base64 of every text that begins with this value."""
    return encoded(value[: len(value) // 3 * 3])


def pages(world: World) -> Iterator[str]:
    names = world.names
    overlays = [names.dev, f"{names.split}/desk", f"{names.split}/till", names.prod]
    shown = ["/", "/promotions", "/parity", f"/parity/{names.dev}/{names.prod}", "/images/shop"]
    shown += [f"/overlays/{overlay}" for overlay in overlays]
    for path in shown:
        yield from (path, f"{path}?lang=zh", f"{path}?kiosk=1")
    twins = ["status", "promotions", "parity", f"parity/{names.dev}/{names.prod}", "images/shop"]
    twins += [f"overlays/{overlay}{more}" for overlay in overlays for more in ("", "/history")]
    yield from (f"/api/v1/{twin}" for twin in twins)
    yield from ("/healthz", "/readyz", "/nowhere")


def stored(world: World) -> Iterator[tuple[str, str]]:
    """Ledgers, parents and all other objects that the controller keeps in the cluster."""
    for kind in ("ConfigMap", "Lease"):
        for body in world.console.list(kind, SYSTEM):
            yield f"{kind} {body['metadata']['name']}", json.dumps(body)
            for name, value in (body.get("data") or {}).items():
                yield f"{kind} {body['metadata']['name']}, {name}", readable(value)
    for namespace in (SYSTEM, *world.names.all):
        yield f"Events of {namespace}", json.dumps(world.console.list("Event", namespace))


def readable(value: str) -> str:
    try:
        return unpack(value)
    except ValueError:
        return value


def commands(world: World) -> Iterator[tuple[str, str]]:
    dev = world.names.dev
    for arguments in (("status",), ("history", dev), ("diff", dev), ("reconcile", dev)):
        yield f"lockstep {' '.join(arguments)}", world.command(*arguments)


def commits(world: World) -> str:
    """Messages and changes of the controller's commits."""
    return git(world.remote, "log", "--author=ockstep", "--patch", "main")


def left_behind(world: World) -> Iterator[tuple[str, str]]:
    """Directories of finished builds. `state/renders` and `state/clone` are left out: they hold the config repo's
    content and only the owner can read them.
    """
    for root in (world.directory / "state", Path("/dev/shm")):
        for file in root.rglob("*"):
            inside = file.relative_to(root).parts
            if file.is_file() and not {"clone", "renders", "surveys"} & set(inside) and "lockstep" in str(file):
                yield str(file), file.read_text(errors="replace")


def said(world: World) -> Iterator[tuple[str, str]]:
    for path in pages(world):
        yield f"page {path}", world.page(path).text
    yield "metrics", world.metrics()
    yield from stored(world)
    yield from commands(world)
    yield "commits", commits(world)
    yield from left_behind(world)
    yield "command line", Path(f"/proc/{world.controller.pid}/cmdline").read_text()
    yield "log", "\n".join(json.dumps(line, ensure_ascii=False) for line in world.controller.heard())


def found(told: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    leaks = []
    for place, text in told.items():
        for name, value in values.items():
            if any(form in text for form in (value, quote(value, safe=""), json.dumps(value)[1:-1])):
                leaks.append(f"{name}: {place}")
    return leaks


def test_a41_a43_secrets_appear_in_no_output(planted: World) -> None:
    told = dict(said(planted))
    assert found(told, hidden(planted)) == []


def test_a41_search_for_secrets_finds_known_values(planted: World) -> None:
    """Verifies that the search covers the output: it finds values that must be there."""
    told = dict(said(planted))
    dev = planted.names.dev
    everything = "\n".join(told.values())
    for name in ("plain", "strings", "broken", "refused", "config", "reader"):
        assert f'"{name}"' in told[f"page /api/v1/overlays/{dev}"]
    assert "1.1.0" in told["commits"]
    assert "/data/password" in everything
    assert "the server's words are withheld" in told["log"] + told[f"page /overlays/{dev}"]
    assert "***" in everything
    assert found({"x": encoded(f"{CANARIES['data']}-1")}, hidden(planted)) == ["data in base64: x"]


def test_a41_refused_objects_are_named_with_the_reason(planted: World) -> None:
    status = planted.until_status(planted.names.dev, lambda each: has_failed(each, "refused"))
    assert "refused" in message(status)
    assert reason(status) != "Synced"


def test_a41_files_with_secrets_are_readable_by_the_owner_only(planted: World) -> None:
    """The clone and the renders hold the config repo's content, so no other user may read them."""
    assert (planted.directory / "state").stat().st_mode & 0o077 == 0


def test_a41_lockstep_build_prints_secrets_as_deployed(planted: World) -> None:
    """Its output is for a pipe, and its user may read the config repo."""
    assert encoded(f"{CANARIES['data']}-2") in planted.command("build", planted.names.dev)
