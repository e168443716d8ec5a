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
def test_ssh_fetch_commit_and_tags_with_a_key(site: Site) -> None:
    """False: the host does not pass GIT_PROTOCOL on. This is the default of sshd."""
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


def test_ssh_url_of_the_short_form_is_accepted(site: Site) -> None:
    """git@host:path has no port, so the host cannot be reached. The error comes from ssh."""
    said = refusal(site.repo("git@localhost.invalid:srv/config.git").fetch, "RemoteUnavailable")
    assert "localhost.invalid" in said


def test_a50_host_key_that_is_unknown_is_refused(site: Site) -> None:
    site.known_hosts.write_text(f"elsewhere.example {public(site.host.key).read_text()}")
    said = refusal(site.repo().fetch, "HostKeyRefused")
    assert "repo.credentials.knownHosts" in said
    assert site.known_hosts.read_text().startswith("elsewhere.example"), "ssh does not add the host key"


def test_a50_host_key_that_changed_is_refused_until_it_is_pinned(site: Site) -> None:
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


def test_a50_host_key_is_verified_only_by_the_pinned_file(tmp_path: Path, site: Site) -> None:
    """Without the pinned file the key of the same host is refused: no other file and no agent counts."""
    access = GitAccess(key=site.key)
    repo = GitConfigRepo(site.host.url(), "main", tmp_path / "other/clone", GitOptions(access=access))
    refusal(repo.fetch, "HostKeyRefused")
    repo.close()


def test_ssh_key_that_the_host_does_not_accept_is_an_error(site: Site) -> None:
    repo = site.repo()
    repo.fetch()
    known = site.key.read_bytes()
    site.key.write_bytes(key_pair(site.directory / "another").read_bytes())
    said = refusal(repo.fetch, "AuthenticationFailed")
    assert f"does not accept the key {site.key}" in said
    site.key.write_bytes(known)
    assert repo.fetch() == site.remote.head(), "a restored or rotated key is read without a restart"


@pytest.mark.parametrize("trouble", ["open to others", "no key", "gone"])
def test_ssh_key_that_ssh_cannot_use_is_an_error(site: Site, trouble: str) -> None:
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


def test_ssh_repository_that_does_not_exist_is_an_error(site: Site) -> None:
    refusal(site.repo(site.host.url("other.git")).fetch, "RepositoryNotFound")


def test_ssh_host_that_is_down_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
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


def test_ssh_host_that_is_silent_is_a_timeout(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ssh://git@127.0.0.1:{silent.getsockname()[1]}/srv/config.git"
        assert "did not finish within 2 s" in refusal(site.repo(url, seconds=2).fetch, "GitTimeout")


@pytest.mark.parametrize("path", ["-oProxyCommand=touch owned", "/srv/`touch owned`", "/srv/$(touch owned)", "/a'b"])
def test_a53_ssh_path_never_reaches_a_shell(site: Site, path: str, tmp_path: Path) -> None:
    """Each URL is refused at once, or names a repository that does not exist."""
    with pytest.raises((Rejected, Unavailable)) as caught:
        site.repo(f"ssh://git@127.0.0.1:{site.host.port}/{path}").fetch()
    assert caught.value.reason in {"UnsafeUrl", "RepositoryNotFound"}
    assert not list(tmp_path.rglob("owned"))
