"""The config repo on an ssh host: the real ssh client, a server that runs git's own programs, a pinned host key."""

import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo, GitLimits, GitOptions
from gitops.adapters.git.remote import GitAccess
from gitops.core.config_repo.commits import NewCommit
from gitops.core.errors import Conflict, Rejected, Unavailable
from tests.worlds.git import Remote, git
from tests.worlds.git_hosts import SshHost, key_pair, public, serving_ssh

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
FILES = {"environments/dev/kustomization.yaml": b"a: 1\n", "base/app/kustomization.yaml": b"b: 1\n"}


def edit(content: bytes = b"a: 2\n") -> NewCommit:
    return NewCommit({"environments/dev/kustomization.yaml": content}, "dev: app 2", AT)


class Site:
    def __init__(self, directory: Path) -> None:
        assert shutil.which("ssh"), "git needs an ssh client for these tests: install openssh-client"
        self.directory = directory
        self.remote = Remote(directory / "srv/config.git", FILES)
        self.keys = directory / "a directory with blanks"
        self.keys.mkdir()
        self.key = self.keys / "id_ed25519"
        key_pair(self.key)
        self.known_hosts = self.keys / "known_hosts"
        self.host = SshHost(directory / "srv", key_pair(directory / "host"), public(self.key))
        self.made: list[GitConfigRepo] = []

    def repo(self, url: str = "", seconds: float = 20) -> GitConfigRepo:
        access = GitAccess(key=self.key, known_hosts=self.known_hosts)
        limits = GitLimits(largest_file=1000, fetch=seconds, clone=seconds, push=seconds)
        made = GitConfigRepo(
            url or self.host.url(), "main", self.directory / "state/clone", GitOptions(limits=limits, access=access)
        )
        self.made.append(made)
        return made


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    site = Site(tmp_path)
    site.host.passes_protocol = getattr(request, "param", True)
    with serving_ssh(site.host):
        site.known_hosts.write_text(site.host.known_hosts())
        yield site
        for repo in site.made:
            repo.close()


def refusal(attempt: Callable[[], object], reason: str) -> str:
    with pytest.raises(Unavailable) as caught:
        attempt()
    assert caught.value.reason == reason, caught.value
    return caught.value.message


@pytest.mark.parametrize("site", [True, False], indirect=True)
def test_fetch_commit_and_tags_with_a_key(site: Site) -> None:
    """False: the host lets GIT_PROTOCOL not through, as sshd does unless it is told to."""
    repo = site.repo()
    parent = repo.fetch()
    head = repo.commit(parent, [edit()])
    assert head == site.remote.head()
    git(site.remote.directory, "tag", "--annotate", "--message=go", "promote/prod/1", head)
    assert [tag.name for tag in repo.tags(["promote/"])] == ["promote/prod/1"]
    theirs = site.remote.write({"x": b"1"}, "theirs")
    with pytest.raises(Conflict):
        repo.commit(head, [edit(b"a: 3\n")])
    assert repo.fetch() == theirs


def test_the_short_form_of_an_ssh_url(site: Site) -> None:
    """git@host:path knows no port, so nobody answers at 22: but it is ssh that says so."""
    said = refusal(site.repo("git@localhost.invalid:srv/config.git").fetch, "RemoteUnavailable")
    assert "localhost.invalid" in said


def test_a50_an_unknown_host_key_is_refused(site: Site) -> None:
    site.known_hosts.write_text(f"elsewhere.example {public(site.host.key).read_text()}")
    said = refusal(site.repo().fetch, "HostKeyRefused")
    assert "repo.credentials.knownHosts" in said
    assert site.known_hosts.read_text().startswith("elsewhere.example"), "nothing is learned"


def test_a50_a_changed_host_key_is_refused_until_it_is_pinned(site: Site) -> None:
    repo = site.repo()
    head = repo.fetch()
    pinned = site.known_hosts.read_text()
    other = public(key_pair(site.directory / "another")).read_text()
    site.known_hosts.write_text(f"[127.0.0.1]:{site.host.port} {other}")
    for attempt in (repo.fetch, lambda: repo.commit(head, [edit()])):
        assert "not a pinned one" in refusal(attempt, "HostKeyRefused")
    assert repo.head() == head
    assert site.remote.head() == head
    site.known_hosts.write_text(pinned)
    assert repo.commit(repo.fetch(), [edit()]) == site.remote.head()


def test_a50_no_other_file_and_no_agent_speaks_for_a_host(tmp_path: Path, site: Site) -> None:
    """The pinned file alone counts: without it the same host is a stranger."""
    access = GitAccess(key=site.key)
    repo = GitConfigRepo(site.host.url(), "main", tmp_path / "other/clone", GitOptions(access=access))
    refusal(repo.fetch, "HostKeyRefused")
    repo.close()


def test_a_key_that_the_host_does_not_know(site: Site) -> None:
    repo = site.repo()
    repo.fetch()
    known = site.key.read_bytes()
    site.key.write_bytes(key_pair(site.directory / "another").read_bytes())
    said = refusal(repo.fetch, "AuthenticationFailed")
    assert f"does not accept the key {site.key}" in said
    site.key.write_bytes(known)
    assert repo.fetch() == site.remote.head(), "a key that was put back, or rotated, is read by itself"


@pytest.mark.parametrize("trouble", ["open to others", "no key", "gone"])
def test_a_key_that_ssh_does_not_take(site: Site, trouble: str) -> None:
    if trouble == "open to others":
        site.key.chmod(0o644)
    elif trouble == "no key":
        site.key.write_text("not a key\n")
        site.key.chmod(stat.S_IRUSR)
    else:
        site.key.unlink()
    said = refusal(site.repo().fetch, "KeyUnusable")
    assert str(site.key) in said
    assert "mode 0400" in said


def test_a_repository_that_is_not_there(site: Site) -> None:
    refusal(site.repo(site.host.url("other.git")).fetch, "RepositoryNotFound")


def test_a_host_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with serving_ssh(site.host):
        site.known_hosts.write_text(site.host.known_hosts())
        repo = site.repo()
        head = repo.fetch()
    assert "Connection refused" in refusal(repo.fetch, "RemoteUnavailable")
    assert repo.head() == head
    with serving_ssh(site.host):
        assert repo.commit(repo.fetch(), [edit()]) == site.remote.head()
    repo.close()


def test_a_host_that_says_nothing(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ssh://git@127.0.0.1:{silent.getsockname()[1]}/srv/config.git"
        assert "did not finish within 2 s" in refusal(site.repo(url, seconds=2).fetch, "GitTimeout")


@pytest.mark.parametrize("path", ["-oProxyCommand=touch owned", "/srv/`touch owned`", "/srv/$(touch owned)", "/a'b"])
def test_a53_a_path_never_reaches_a_shell(site: Site, path: str, tmp_path: Path) -> None:
    """Where the URL is not refused at once it names a repository that is not there."""
    with pytest.raises((Rejected, Unavailable)) as caught:
        site.repo(f"ssh://git@127.0.0.1:{site.host.port}/{path}").fetch()
    assert caught.value.reason in {"UnsafeUrl", "RepositoryNotFound"}
    assert not list(tmp_path.rglob("owned"))
