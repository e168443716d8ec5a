"""Outages of the git host and the API server: the page answers meanwhile, and the controller catches up by itself."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote

import pytest

from gitops.adapters.kubernetes.ledger import ledger_name
from gitops.adapters.kubernetes.state_namespace import unpack
from tests.e2e import config_repo
from tests.e2e.conftest import MakeWorld
from tests.e2e.harness import SYSTEM, Settings, World
from tests.e2e.invariants import Checker
from tests.worlds.git import command_lines, git
from tests.worlds.git_hosts import Authority, HttpsHost, refuse, serving_https
from tests.worlds.kubernetes import eventually

TOKEN = "canary/4f7a+9c&2b"


@dataclass(frozen=True, slots=True)
class Hosted:
    world: World
    checker: Checker
    host: HttpsHost
    token: Path

    def assert_no_token(self, *told: str) -> None:
        """Checks that the token appears in no form on the page, in JSON, metrics, log, state directory, commits, Events
        and ledgers.
        """
        plain, basic = (base64.b64encode(text.encode()).decode() for text in (TOKEN, f"lockstep:{TOKEN}"))
        forms = [TOKEN, quote(TOKEN), quote(TOKEN, safe=""), plain, basic]
        pages = ("/", "/api/v1/status", f"/overlays/{self.world.names.dev}", "/promotions")
        texts = [*told, *(self.world.page(path).text for path in pages), self.world.metrics()]
        texts += [json.dumps(line) for line in self.world.controller.heard()]
        files = (file for file in (self.world.directory / "state").rglob("*") if file.is_file())
        texts += [file.read_bytes().decode(errors="replace") for file in files]
        texts += [json.dumps(body) for body in self.world.console.list("Event", SYSTEM)]
        ledgers = [self.world.console.read("ConfigMap", SYSTEM, ledger_name(name)) for name in self.world.overlays]
        texts += [unpack(value) for ledger in ledgers if ledger for value in ledger["data"].values()]
        texts += [git(self.world.remote, "log", "--format=raw", "--all")]
        assert not [form for form in forms for text in texts if form in text]


@pytest.fixture(scope="module")
def polling(worlds: MakeWorld) -> tuple[World, Checker]:
    """An installation that receives no webhooks of a git host."""
    world = worlds(Settings(poll="1s"))
    checker = Checker(world)
    world.start()
    checker.until_converged()
    return world, checker


@pytest.fixture(scope="module")
def hosted(worlds: MakeWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    directory = tmp_path_factory.mktemp("host")
    authority, token = Authority(directory), directory / "token"
    token.write_text(TOKEN)
    host = HttpsHost(directory, {"lockstep": TOKEN})
    with serving_https(host, authority.issue()):
        credentials = {"username": "lockstep", "token": {"file": str(token)}}
        repo = {"url": host.url(), "credentials": credentials, "caFile": str(authority.file)}
        world = worlds(Settings(poll="1s", repo=repo))
        host.directory = world.directory
        git(world.remote, "config", "http.receivepack", "true")
        git(world.remote, "config", "uploadpack.allowFilter", "true")
        checker = Checker(world)
        world.start()
        checker.until_converged()
        yield Hosted(world, checker, host, token)
        world.controller.stop()


def test_git_push_without_a_webhook_is_found_by_the_poll(polling: tuple[World, Checker]) -> None:
    world, checker = polling
    world.edit(config_repo.extra(world.names, quiet=config_repo.config_map("quiet", n="1")), tell=False)
    world.console.until_one("ConfigMap", world.names.dev, "quiet", lambda _: True)
    checker.until_converged()
    assert checker.violations() == []


def test_outage_of_the_config_repo(polling: tuple[World, Checker]) -> None:
    """Meanwhile senders get 503 and try again, drift is healed, and the page shows the failure."""
    world, checker = polling
    away = world.remote.rename(world.remote.with_name("away.git"))
    eventually(lambda: "RemoteUnreachable" in world.page("/api/v1/status").text)
    sent = world.push_image("shop", "1.1.0")
    assert sent.answer
    assert sent.answer.status == 503
    world.console.delete("Service", world.names.dev, "shop")
    world.console.until_one("Service", world.names.dev, "shop", lambda _: True)
    assert world.page("/").status == 200
    away.rename(world.remote)
    world.push_until_acked(sent)
    world.until_image(world.names.dev, "shop", "1.1.0")
    eventually(lambda: "RemoteUnreachable" not in world.page("/api/v1/status").text)
    checker.until_converged()
    assert checker.violations() == []


def test_outage_by_a_deleted_trunk(polling: tuple[World, Checker]) -> None:
    """Nothing is pruned, drift is healed, and the page shows the failure with its start."""
    world, checker = polling
    checker.until_converged()
    head = git(world.remote, "rev-parse", "refs/heads/main")
    git(world.remote, "update-ref", "-d", "refs/heads/main")
    eventually(lambda: "TrunkGone" in world.page("/api/v1/status").text)
    (trouble,) = _troubles(world)
    world.console.delete("Service", world.names.dev, "shop")
    world.console.until_one("Service", world.names.dev, "shop", lambda _: True)
    assert [each["since"] for each in _troubles(world)] == [trouble["since"]]
    git(world.remote, "update-ref", "refs/heads/main", head)
    eventually(lambda: not _troubles(world))
    checker.until_converged()
    assert checker.violations() == []


def test_outage_by_a_rewritten_trunk(polling: tuple[World, Checker]) -> None:
    """The controller follows the new history and loses nothing else."""
    world, checker = polling
    before = git(world.remote, "rev-parse", "refs/heads/main")
    tree = f"{before}^{{tree}}"
    rewritten = git(
        world.remote, "-c", "user.name=x", "-c", "user.email=x", "commit-tree", tree, "-m", "another history"
    )
    git(world.remote, "update-ref", "refs/heads/main", rewritten)
    eventually(lambda: rewritten in world.page("/api/v1/status").text)
    world.console.delete("Service", world.names.dev, "shop")
    world.console.until_one("Service", world.names.dev, "shop", lambda _: True)
    git(world.remote, "update-ref", "refs/heads/main", before)
    eventually(lambda: before in world.page("/api/v1/status").text)
    checker.until_converged()
    assert checker.violations() == []


class TestHostWithLogIn:
    """The config repo on an https host. The token may appear in its file only."""

    def test_an_image_is_committed_there(self, hosted: Hosted) -> None:
        world = hosted.world
        assert world.push_image("shop", "1.4.0").is_acked
        world.until_image(world.names.dev, "shop", "1.4.0")

    def test_a40_a_crash_would_leave_no_copy_of_it(self, hosted: Hosted) -> None:
        limits = Path(f"/proc/{hosted.world.controller.pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)

    def test_a40_a_token_that_is_revoked_and_renewed(self, hosted: Hosted) -> None:
        """Meanwhile senders get 503, drift is healed, and the page shows the failure with its start."""
        world = hosted.world
        hosted.host.accounts = {"lockstep": "the next one"}
        eventually(lambda: "does not accept the token of lockstep" in world.page("/api/v1/status").text)
        sent = world.push_image("shop", "1.5.0")
        assert sent.answer
        assert sent.answer.status == 503
        world.console.delete("Service", world.names.dev, "shop")
        world.console.until_one("Service", world.names.dev, "shop", lambda _: True)
        hosted.assert_no_token(sent.answer.text)
        hosted.host.accounts = {"lockstep": TOKEN}
        world.push_until_acked(sent)
        world.until_image(world.names.dev, "shop", "1.5.0")
        eventually(lambda: not _troubles(world))

    def test_a40_a_host_that_hangs_and_one_that_repeats_what_it_was_sent(self, hosted: Hosted) -> None:
        world, seen = hosted.world, list[str]()
        gone, hangs = threading.Event(), threading.Event()

        def hang(_: BaseHTTPRequestHandler) -> bool:
            seen.extend(command_lines(world.directory))
            hangs.set()
            gone.wait(30)
            return True

        hosted.host.answer = hang
        assert hangs.wait(30)
        assert any("remote-https" in line for line in seen)
        sent = world.push_image("shop", "1.6.0")
        hosted.assert_no_token(*seen, sent.answer.text if sent.answer else "")
        gone.set()
        hosted.host.answer = lambda handler: refuse(handler, 403, f"{handler.headers['Authorization']} {TOKEN}")
        eventually(lambda: "refuses the token of lockstep" in world.page("/api/v1/status").text)
        hosted.assert_no_token()
        hosted.host.answer = lambda _: False
        world.push_until_acked(sent)
        world.until_image(world.names.dev, "shop", "1.6.0")
        hosted.checker.until_converged()
        assert hosted.checker.violations() == []
        hosted.assert_no_token()


def _troubles(world: World) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(world.page("/api/v1/status").text)["controller"]["troubles"]
    return found


def test_outage_of_the_api_server(polling: tuple[World, Checker]) -> None:
    """Meanwhile image pushes are committed, because that needs only git, and the page answers."""
    world, checker = polling
    before = len(world.controller.heard())
    world.proxy.cut()
    eventually(lambda: any("interrupted" in line["message"] for line in world.controller.heard()[before:]))
    assert world.push_image("shop", "1.2.0").is_acked
    assert world.page("/").status in {200, 503}
    assert world.page("/healthz").status == 200
    world.console.delete("Service", world.names.dev, "shop")
    world.proxy.mend()
    world.until_image(world.names.dev, "shop", "1.2.0")
    world.console.until_one("Service", world.names.dev, "shop", lambda _: True)
    checker.until_converged()
    assert checker.violations() == []


def test_start_during_an_outage_of_the_api_server(polling: tuple[World, Checker]) -> None:
    world, checker = polling
    world.controller.kill()
    world.proxy.cut()
    world.start()
    assert world.page("/").status in {200, 503}
    assert world.push_image("shop", "1.3.0").is_acked
    desk = world.push_image("desk", "1.3.0")
    assert desk.answer
    assert f"no container of overlay {world.names.dev} uses" in desk.answer.text, "which needs no cluster to be known"
    world.proxy.mend()
    world.until_image(world.names.dev, "shop", "1.3.0")
    checker.until_converged()
    assert checker.violations() == []
