"""The config repo on an https host: real git on both sides, a certificate of a private authority, a token."""

import base64
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo, GitLimits, GitOptions
from gitops.adapters.git.remote import GitAccess
from gitops.core.config_repo.commits import NewCommit
from gitops.core.errors import Conflict, Rejected, Unavailable
from gitops.runtime.secret_files import SecretFiles
from tests.worlds.git import Remote, command_lines, git
from tests.worlds.git_hosts import Authority, HttpsHost, forwarding, refuse, serving_https
from tests.worlds.kubernetes import eventually

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
TOKEN = "glpat/canary+4f7a&9c"  # with characters that a URL would change
FILES = {"environments/dev/kustomization.yaml": b"a: 1\n", "base/app/kustomization.yaml": b"b: 1\n"}


def edit(content: bytes = b"a: 2\n") -> NewCommit:
    return NewCommit({"environments/dev/kustomization.yaml": content}, "dev: app 2", AT)


class Site:
    """An https host with one repository, and the access of a controller to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remote = Remote(directory / "srv/config.git", FILES)
        git(self.remote.directory, "config", "http.receivepack", "true")
        self.authority = Authority(directory / "authority")
        self.host = HttpsHost(directory / "srv", {"git": TOKEN})
        self.token = directory / "token"
        self.token.write_text(TOKEN + "\n")
        self.made: list[GitConfigRepo] = []

    @property
    def clone(self) -> Path:
        return self.directory / "state/clone"

    def repo(
        self, url: str = "", *, ca_file: Path | None = None, token: bool = True, seconds: float = 20
    ) -> GitConfigRepo:
        access = GitAccess(
            token=SecretFiles([self.token], [], {}) if token else None, ca_file=ca_file or self.authority.file
        )
        options = GitOptions(
            limits=GitLimits(largest_file=1000, fetch=seconds, clone=seconds, push=seconds), access=access
        )
        made = GitConfigRepo(url or self.host.url(), "main", self.clone, options)
        self.made.append(made)
        return made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    with serving_https(site.host, site.authority.issue()):
        yield site
    for repo in site.made:
        repo.close()


def refusal(attempt: Callable[[], object]) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        attempt()
    assert_no_token(caught.value)
    return caught.value


def forms(token: str = TOKEN) -> list[str]:
    """Return every form in which the token could appear: plain, in a URL, in base64."""
    plain = base64.b64encode(token.encode()).decode()
    basic = base64.b64encode(f"git:{token}".encode()).decode()
    return [token, quote(token), quote(token, safe=""), plain, plain.rstrip("="), basic]


def assert_no_token(error: BaseException) -> None:
    said = "".join(traceback.format_exception(error)) + repr(error) + str(error)
    assert not [form for form in forms() if form in said]


def test_https_fetch_commit_and_tags_with_a_token(site: Site) -> None:
    repo = site.repo()
    parent = repo.fetch()
    head = repo.commit(parent, [edit()])
    assert head == site.remote.head()
    assert repo.read(repo.tree(head)["environments/dev/kustomization.yaml"].id) == b"a: 2\n"
    repo.keep([parent, head])
    assert repo.read_kept() == {parent, head}
    git(site.remote.directory, "tag", "--annotate", "--message=go", "promote/prod/1", head)
    assert [tag.name for tag in repo.tags(["promote/"])] == ["promote/prod/1"]
    assert {asked.authorization for asked in site.host.asked} == {
        f"Basic {base64.b64encode(f'git:{TOKEN}'.encode()).decode()}"
    }, "no request goes out without the token, so none is answered 401 first"


def test_https_commit_that_loses_a_race_is_a_conflict(site: Site) -> None:
    repo = site.repo()
    parent = repo.fetch()
    theirs = site.remote.write({"x": b"1"}, "theirs")
    with pytest.raises(Conflict):
        repo.commit(parent, [edit()])
    assert site.remote.head() == theirs
    assert repo.commit(repo.fetch(), [edit()]) == site.remote.head()


def test_https_push_refusal_has_the_message_of_the_host(site: Site) -> None:
    repo = site.repo()
    parent = repo.fetch()
    site.remote.hook("pre-receive", f"echo 'protected; you are {TOKEN}' >&2; exit 1\n")
    with pytest.raises(Rejected, match="protected") as caught:
        repo.commit(parent, [edit()])
    assert caught.value.reason == "PushRefused"
    assert_no_token(caught.value)


def test_a40_https_token_is_read_again_from_its_file(site: Site) -> None:
    repo = site.repo()
    head = repo.fetch()
    site.host.accounts = {"git": "the-next-one"}
    refused = refusal(repo.fetch)
    assert refused.reason == "AuthenticationFailed"
    assert "does not accept the token of git" in refused.message
    assert "repo.credentials" in refused.message
    assert repo.head() == head
    assert refusal(lambda: repo.commit(head, [edit()])).reason == "AuthenticationFailed"
    site.token.write_text("the-next-one")
    assert repo.commit(repo.fetch(), [edit()]) == site.remote.head()


def test_https_host_that_asks_for_a_missing_token_is_an_error(site: Site) -> None:
    refused = refusal(site.repo(token=False).fetch)
    assert refused.reason == "AuthenticationFailed"
    assert "asks for a log-in" in refused.message


def test_https_token_that_is_empty_is_an_error_before_any_request(site: Site) -> None:
    site.token.write_text("")
    refused = refusal(site.repo().fetch)
    assert refused.reason == "CredentialsMissing"
    assert str(site.token) in refused.message
    assert site.host.asked == []


@pytest.mark.parametrize(
    ("status", "reason", "word"),
    [
        (403, "AccessDenied", "read and to write"),
        (404, "RepositoryNotFound", "no such repository"),
        (500, "RemoteUnavailable", "500"),
        (502, "RemoteUnavailable", "502"),
        (429, "RemoteUnavailable", "429"),
    ],
)
def test_a40_https_errors_do_not_contain_the_token(site: Site, status: int, reason: str, word: str) -> None:
    repo = site.repo()
    head = repo.fetch()
    site.host.answer = lambda handler: refuse(handler, status, f"you sent {handler.headers['Authorization']} {TOKEN}")
    for attempt in (repo.fetch, lambda: repo.commit(head, [edit()]), lambda: repo.tags(["promote/"])):
        refused = refusal(attempt)
        assert refused.reason == reason
        assert word in refused.message
    assert repo.head() == head
    site.host.answer = lambda _: False
    assert repo.commit(repo.fetch(), [edit()]) == site.remote.head()


@pytest.mark.parametrize("where", ["in the refs", "in the pack"])
def test_https_answer_that_is_cut_off_changes_nothing(site: Site, where: str) -> None:
    repo = site.repo()
    head = repo.fetch()
    before = _list_files(site.clone)
    latest = site.remote.write({"base/more": b"x" * 500}, "more")
    site.host.answer = lambda handler: _send_half(handler, 200) if _is_request_for(handler, where) else False
    assert refusal(repo.fetch).reason == "RemoteUnavailable"
    assert (repo.head(), _list_files(site.clone)) == (head, before), "no partial files are left"
    site.host.answer = lambda _: False
    assert repo.fetch() == latest


def test_a40_https_token_is_not_visible_while_a_host_hangs(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    repo = site.repo(seconds=3)
    head = repo.fetch()
    seen: list[str] = []
    gone = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> bool:
        seen.extend(command_lines(site.directory))
        gone.wait(20)
        return True

    site.host.answer = hang
    for attempt in (repo.fetch, lambda: repo.commit(head, [edit()])):
        assert refusal(attempt).reason == "GitTimeout"
    gone.set()
    site.host.answer = lambda _: False
    assert any("fetch" in line for line in seen)
    assert any("git-remote-https" in line or "remote-https" in line for line in seen)
    everything = [
        caplog.text,
        *seen,
        *(file.read_bytes().decode(errors="replace") for file in _walk_files(site.clone.parent)),
    ]
    assert not [form for form in forms() for text in everything if form in text]
    eventually(lambda: not any("remote-https" in line for line in command_lines(site.directory)))
    assert repo.commit(repo.fetch(), [edit()]) == site.remote.head()


def test_https_proxy_sees_only_the_address_of_the_host(site: Site) -> None:
    connections: list[str] = []
    with forwarding(connections) as proxy:
        access = GitAccess(token=SecretFiles([site.token], [], {}), ca_file=site.authority.file, proxy=proxy)
        repo = GitConfigRepo(site.host.url(), "main", site.clone, GitOptions(access=access))
        assert repo.commit(repo.fetch(), [edit()]) == site.remote.head()
        repo.close()
    assert set(connections) == {f"127.0.0.1:{site.host.port}"}
    assert refusal(repo.fetch).reason == "RemoteUnavailable", "git does not bypass the proxy"
    repo.close()


def test_https_host_that_is_down_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    context = site.authority.issue()
    with serving_https(site.host, context):
        repo = site.repo()
        head = repo.fetch()
    refused = refusal(repo.fetch)
    assert refused.reason == "RemoteUnavailable"
    assert f"127.0.0.1:{site.host.port}/config.git (main)" in refused.message
    assert repo.head() == head
    with serving_https(site.host, context):
        assert repo.commit(repo.fetch(), [edit()]) == site.remote.head()
    repo.close()


class TestHttpsCertificate:
    """A51: the certificate of the host is verified, and only this host gets the token."""

    def test_a51_certificate_of_an_unknown_authority_is_refused(self, site: Site) -> None:
        other = Authority(site.directory / "other")
        self._assert_refused(site, lambda: site.repo(ca_file=other.file).fetch())

    def test_a51_certificate_is_verified_by_the_system_without_a_ca_file(self, site: Site) -> None:
        access = GitAccess(token=SecretFiles([site.token], [], {}))
        repo = GitConfigRepo(site.host.url(), "main", site.clone, GitOptions(access=access))
        self._assert_refused(site, repo.fetch)
        repo.close()

    @pytest.mark.parametrize(("address", "days"), [("127.0.0.1", -1), ("127.0.0.2", 30)])
    def test_a51_certificate_that_is_expired_or_of_another_name_is_refused(
        self, tmp_path: Path, address: str, days: int
    ) -> None:
        site = Site(tmp_path)
        with serving_https(site.host, site.authority.issue(address=address, days=days)):
            repo = site.repo()
            self._assert_refused(site, repo.fetch)
            repo.close()

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    @pytest.mark.parametrize("phase", ["GET", "POST"])
    def test_a51_redirect_to_another_host_is_not_followed(self, site: Site, status: int, phase: str) -> None:
        elsewhere = HttpsHost(site.host.directory)
        repo = site.repo()
        head = repo.fetch()
        site.remote.write({"x": b"1"}, "more")
        with serving_https(elsewhere, site.authority.issue()):
            target = f"https://127.0.0.1:{elsewhere.port}"
            site.host.answer = lambda handler: (
                handler.command == phase and refuse(handler, status, headers={"Location": target + handler.path})
            )
            refused = refusal(repo.fetch)
        assert refused.reason == "RedirectRefused"
        assert "repo.url" in refused.message
        assert elsewhere.asked == []
        assert repo.head() == head

    @pytest.mark.parametrize(
        "target", ["file://{}/srv/config.git/info/refs", "http://127.0.0.1:9/", "/other.git/info/refs"]
    )
    def test_a51_redirect_to_a_file_or_to_http_is_refused(self, site: Site, target: str) -> None:
        location = target.format(site.directory)
        site.host.answer = lambda handler: refuse(handler, 302, headers={"Location": location})
        assert refusal(site.repo().fetch).reason == "RedirectRefused"
        assert not site.clone.exists()

    def test_a51_submodules_and_alternates_of_the_repo_are_not_fetched(self, site: Site) -> None:
        elsewhere = HttpsHost(site.host.directory)
        with serving_https(elsewhere, site.authority.issue()):
            listed = f'[submodule "x"]\n\tpath = x\n\turl = https://127.0.0.1:{elsewhere.port}/config.git\n'.encode()
            site.remote.write({".gitmodules": listed, "objects/info/alternates": b"/srv"}, "modules")
            repo = site.repo()
            assert repo.fetch() == site.remote.head()
            assert elsewhere.asked == []

    def _assert_refused(self, site: Site, attempt: Callable[[], object]) -> None:
        refused = refusal(attempt)
        assert refused.reason == "CertificateRefused"
        assert "repo.caFile" in refused.message
        assert site.host.asked == [], "nothing was sent"


def _is_request_for(handler: BaseHTTPRequestHandler, where: str) -> bool:
    """Tell if the request is for the refs or for the pack. In protocol 2 a POST brings the pack, to the same path."""
    return handler.command == "GET" if where == "in the refs" else handler.command == "POST"


def _send_half(handler: BaseHTTPRequestHandler, size: int) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-git-upload-pack-result")
    handler.send_header("Content-Length", str(size * 2))
    handler.end_headers()
    handler.wfile.write(b"0" * size)
    return True


def _walk_files(directory: Path) -> Iterator[Path]:
    return (file for file in directory.rglob("*") if file.is_file())


def _list_files(directory: Path) -> set[Path]:
    return set(_walk_files(directory))
