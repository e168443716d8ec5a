"""A31: a config repo that is too large, and a host that sends too much."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo, GitLimits, GitOptions
from gitops.adapters.git.remote import GitAccess
from gitops.core.config_repo.commits import NewCommit
from gitops.core.errors import Rejected, Unavailable
from tests.worlds.git import Remote, git
from tests.worlds.git_hosts import Authority, HttpsHost, SshHost, key_pair, public, refuse, serving_https, serving_ssh
from tests.worlds.kubernetes import eventually

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
SMALL, LARGEST = 1000, 100_000
DEV = "environments/dev/kustomization.yaml"


def incompressible(size: int, seed: int) -> bytes:
    """Return bytes that do not compress."""
    return random.Random(seed).randbytes(size)


class Site:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remote = Remote(directory / "srv/config.git", {DEV: b"a: 1\n", "base/crd.yaml": incompressible(5000, 0)})
        self.authority = Authority(directory / "authority")
        self.host = HttpsHost(directory / "srv")
        self.clone = directory / "state/clone"
        self.made: list[GitConfigRepo] = []

    def repo(self, *, seconds: float = 20, exchange: int = 2 << 30, url: str = "") -> GitConfigRepo:
        limits = GitLimits(LARGEST, SMALL, exchange, fetch=seconds, clone=20)
        options = GitOptions(limits=limits, access=GitAccess(ca_file=self.authority.file))
        made = GitConfigRepo(url or self.host.url(), "main", self.clone, options)
        self.made.append(made)
        return made

    def size(self) -> int:
        return sum(file.stat().st_size for file in self.clone.rglob("*") if file.is_file())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    with serving_https(site.host, site.authority.issue()):
        yield site
        for repo in site.made:
            repo.close()


def content(repo: GitConfigRepo, path: str, revision: str = "") -> bytes:
    return repo.read(repo.tree(revision or repo.head())[path].id)


def requests(site: Site, work: Callable[[], object]) -> int:
    before = len(site.host.asked)
    work()
    return len(site.host.asked) - before


def test_a31_clone_leaves_large_files_of_the_past_on_the_remote(site: Site) -> None:
    for number in range(30):
        site.remote.write({"base/dump.bin": incompressible(50_000, number)}, f"dump {number}")
    site.remote.write({"base/dump.bin": b"small now"}, "the end of it")
    repo = site.repo()
    head = repo.fetch()
    assert site.size() < 60_000, "of one and a half million bytes"
    assert content(repo, "base/crd.yaml") == incompressible(5000, 0)
    assert content(repo, "base/dump.bin") == b"small now"
    assert len(repo.history("base/dump.bin", 100)) == 31
    assert repo.is_ancestor(git(site.remote.directory, "rev-list", "--max-parents=0", "main"), head)


def test_a31_fetch_brings_all_files_that_the_head_needs(site: Site) -> None:
    repo = site.repo()
    repo.fetch()
    assert requests(site, lambda: content(repo, "base/crd.yaml")) == 0
    site.remote.write(
        {"base/crd.yaml": incompressible(6000, 1), "environments/dev/large.yaml": incompressible(50_000, 2)}, "more"
    )
    fetching = requests(site, repo.fetch)
    assert requests(site, lambda: (content(repo, "base/crd.yaml"), content(repo, "environments/dev/large.yaml"))) == 0
    site.remote.write({DEV: b"a: 2\n"}, "a small one")
    assert requests(site, repo.fetch) == fetching, "a large file costs no exchange of its own"


def test_a31_fetch_brings_a_large_file_that_is_added_again(site: Site) -> None:
    """The host does not send it: the file is reachable from commits that we have."""
    first = site.remote.head()
    away = site.remote.write({"base/crd.yaml": b"small"}, "away")
    repo = site.repo()
    assert repo.fetch() == away
    back = git(site.remote.directory, "commit-tree", f"{first}^{{tree}}", "-p", away, "-m", "back again")
    git(site.remote.directory, "update-ref", "refs/heads/main", back)
    assert repo.fetch() == back
    assert requests(site, lambda: content(repo, "base/crd.yaml")) == 0
    assert content(repo, "base/crd.yaml") == incompressible(5000, 0)


def test_a31_large_files_of_an_old_base_come_in_one_exchange(site: Site) -> None:
    old = site.remote.write(
        {f"base/crds/{number}.yaml": incompressible(5000, number + 10) for number in range(20)}, "old"
    )
    site.remote.write({f"base/crds/{number}.yaml": b"small" for number in range(20)}, "new")
    repo = site.repo()
    repo.fetch()
    tree = repo.tree(old)
    once = requests(site, lambda: repo.read(tree["base/crds/0.yaml"].id))
    assert 0 < once <= 3
    assert requests(site, lambda: [repo.read(found.id) for path, found in tree.items() if path != DEV]) == 0
    assert content(repo, "base/crds/7.yaml", old) == incompressible(5000, 17)


def test_a31_large_file_outside_the_overlays_is_fetched_when_it_is_read(site: Site) -> None:
    site.remote.write(
        {"shared.env": incompressible(5000, 1), "docs/film": incompressible(50_000, 2), "docs/long": b"x" * 200_000},
        "x",
    )
    repo = site.repo()
    repo.fetch()
    assert site.size() < 50_000
    assert content(repo, "docs/film") == incompressible(50_000, 2)
    assert content(repo, "shared.env") == incompressible(5000, 1)
    for _ in range(2):
        with pytest.raises(Rejected) as caught:
            content(repo, "docs/long")
        assert caught.value.reason == "TooLarge"


def test_a31_host_without_partial_clone_sends_all_files(site: Site) -> None:
    git(site.remote.directory, "config", "uploadpack.allowFilter", "false")
    site.remote.write({"docs/film": incompressible(50_000, 2)}, "film")
    repo = site.repo()
    repo.fetch()
    assert content(repo, "base/crd.yaml") == incompressible(5000, 0)
    assert requests(site, lambda: content(repo, "docs/film")) == 0


def test_a31_host_without_single_objects_sends_the_whole_history(site: Site) -> None:
    """An sshd that does not pass GIT_PROTOCOL on: git speaks protocol 0, which can fetch only refs."""
    key = key_pair(site.directory / "key")
    host = SshHost(site.host.directory, key_pair(site.directory / "host"), public(key), passes_protocol=False)
    old = site.remote.head()
    site.remote.write({"base/crd.yaml": incompressible(6000, 1)}, "new")
    known_hosts = site.directory / "known_hosts"
    with serving_ssh(host):
        known_hosts.write_text(host.known_hosts())
        options = GitOptions(limits=GitLimits(LARGEST, SMALL), access=GitAccess(key=key, known_hosts=known_hosts))
        repo = GitConfigRepo(host.url(), "main", site.clone, options)
        repo.fetch()
        assert content(repo, "base/crd.yaml") == incompressible(6000, 1)
        assert content(repo, "base/crd.yaml", old) == incompressible(5000, 0)
        repo.close()


def test_a31_large_files_on_the_remote_are_readable_after_housekeeping(site: Site) -> None:
    first = site.remote.head()
    site.remote.write({"base/crd.yaml": b"small"}, "away")
    repo = site.repo()
    head = repo.fetch()
    for batch in range(30):
        edits = [NewCommit({DEV: f"a: {batch} {number}\n".encode()}, "m", AT) for number in range(20)]
        head = repo.write(head, edits)
    loose = site.clone / "objects"
    assert len(list(loose.glob("??/*"))) > 2000
    site.remote.write({DEV: b"a: 2\n"}, "more")
    latest = repo.fetch()
    repo.fetch()
    assert len(list(loose.glob("??/*"))) < 100
    assert content(repo, DEV) == b"a: 2\n"
    assert content(repo, "base/crd.yaml", first) == incompressible(5000, 0)
    assert repo.head() == latest


def test_a31_fetch_above_the_exchange_limit_is_refused(site: Site) -> None:
    """If the environments need the files, the old head stays. Other files are left out at the second fetch."""
    repo = site.repo(exchange=200_000)
    head = repo.fetch()
    site.remote.write({f"base/{number}.bin": incompressible(90_000, number) for number in range(5)}, "far too much")
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            repo.fetch()
        assert caught.value.reason == "FetchTooLarge"
        assert (repo.head(), content(repo, DEV)) == (head, b"a: 1\n")
        assert not list(site.clone.rglob("tmp_*"))
    assert site.size() < 100_000, "no partial files are left"
    mended = site.remote.write({**{f"base/{number}.bin": b"" for number in range(5)}, DEV: b"a: 2\n"}, "mended")
    assert repo.fetch() == mended, "files of the commits in between are not fetched"
    assert content(repo, DEV) == b"a: 2\n"
    site.remote.write({f"docs/{number}.bin": incompressible(90_000, number) for number in range(5)}, "beside")
    with pytest.raises(Unavailable):
        repo.fetch()
    assert repo.fetch() == site.remote.head()


def test_a31_fetch_from_a_host_that_never_ends_is_a_timeout(site: Site) -> None:
    repo = site.repo(seconds=2)
    head = repo.fetch()
    site.remote.write({"base/film": incompressible(90_000, 1)}, "film")
    site.host.holding = threading.Event()
    with pytest.raises(Unavailable) as caught:
        repo.fetch()
    assert caught.value.reason == "GitTimeout"
    assert (repo.head(), content(repo, DEV)) == (head, b"a: 1\n")
    eventually(lambda: not list(site.clone.rglob("tmp_*")))
    site.host.holding.set()
    site.host.holding = None
    assert repo.fetch() == site.remote.head()
    assert content(repo, "base/film") == incompressible(90_000, 1)


def test_a31_tree_with_too_many_files_is_refused(site: Site) -> None:
    """The tree has 200,001 names of one file."""
    blob = git(site.remote.directory, "rev-parse", f"main:{DEV}")
    inner = "".join(f"100644 blob {blob}\t{number:05}\n" for number in range(1000)).encode()
    tree = git(site.remote.directory, "mktree", stdin=inner)
    outer = "".join(f"040000 tree {tree}\t{number:03}\n" for number in range(200)).encode()
    outer += f"100644 blob {blob}\tone-more\n".encode()
    commit = git(site.remote.directory, "commit-tree", git(site.remote.directory, "mktree", stdin=outer), "-m", "x")
    repo = site.repo()
    head = repo.fetch()
    git(site.remote.directory, "update-ref", "refs/heads/main", commit)
    repo.fetch()
    with pytest.raises(Rejected) as caught:
        repo.tree(commit)
    assert caught.value.reason == "TooManyFiles"
    assert content(repo, DEV, head) == b"a: 1\n"


def commit_bomb(remote: Remote, inner: str, *, levels: int) -> str:
    """Commit a tree bomb of a few kilobytes: each directory contains the one below ten times."""
    for _ in range(levels):
        entries = "".join(f"040000 tree {inner}\td{number}\n" for number in range(10))
        inner = git(remote.directory, "mktree", stdin=entries.encode())
    return git(remote.directory, "commit-tree", inner, "-p", remote.head(), "-m", "a bomb")


@pytest.mark.parametrize("entry", ["", "100644 blob {blob}\tf\n"], ids=["of directories", "of files"])
def test_a31_tree_bomb_is_refused_while_it_is_counted(site: Site, entry: str) -> None:
    """The tree has ten thousand million paths. To read it would block all other reads."""
    blob = git(site.remote.directory, "rev-parse", f"main:{DEV}")
    leaf = git(site.remote.directory, "mktree", stdin=entry.format(blob=blob).encode())
    commit = commit_bomb(site.remote, leaf, levels=10)
    repo = site.repo()
    head = repo.fetch()
    git(site.remote.directory, "update-ref", "refs/heads/main", commit)
    repo.fetch()
    for _ in range(2):
        with pytest.raises(Rejected) as caught:
            repo.tree(commit)
        assert caught.value.reason == "TooManyFiles"
    assert content(repo, DEV, head) == b"a: 1\n"


def test_a31_tree_bomb_does_not_block_reads_of_large_files(site: Site) -> None:
    old = site.remote.head()
    leaf = git(site.remote.directory, "mktree")
    site.remote.write({"base/crd.yaml": b"small"}, "away")
    commit = commit_bomb(site.remote, leaf, levels=10)
    git(site.remote.directory, "update-ref", "refs/heads/main", commit)
    repo = site.repo()
    repo.fetch()
    tree = repo.tree(old)
    with pytest.raises(Rejected):
        repo.tree(commit)
    assert repo.read(tree["base/crd.yaml"].id) == incompressible(5000, 0)


def clone_inode(site: Site) -> list[int]:
    """Return the inode of the clone's directory. It changes with a new clone."""
    return [site.clone.stat().st_ino]


def test_a31_large_file_of_an_unknown_commit_is_fetched_alone(site: Site) -> None:
    """A controller that has just started does not know which tree contains the file."""
    old = site.remote.head()
    site.remote.write({"base/crd.yaml": b"small"}, "away")
    blob = git(site.remote.directory, "rev-parse", f"{old}:base/crd.yaml")
    repo = site.repo()
    repo.fetch()
    before = clone_inode(site)
    assert repo.read(blob) == incompressible(5000, 0)
    assert clone_inode(site) == before


def test_a31_large_files_of_a_commit_in_use_come_together(site: Site) -> None:
    """Trees of a thousand other commits are read, and its own tree in between."""
    old = site.remote.write({"base/crds/a": incompressible(5000, 1), "base/crds/b": incompressible(5000, 2)}, "old")
    site.remote.write({"base/crds/a": b"small", "base/crds/b": b"small"}, "new")
    stream = b"".join(
        b"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\n"
        + (b"from refs/heads/main^0\n" if number == 0 else b"")
        + b"M 100644 inline f\ndata 4\n%04d\n" % number
        for number in range(1200)
    )
    git(site.remote.directory, "fast-import", "--quiet", stdin=stream)
    repo = site.repo()
    repo.fetch()
    for number, revision in enumerate(git(site.remote.directory, "rev-list", "--max-count=1200", "main").splitlines()):
        repo.tree(revision)
        if number % 400 == 0:
            tree = repo.tree(old)
    repo.read(tree["base/crds/a"].id)
    assert requests(site, lambda: repo.read(tree["base/crds/b"].id)) == 0, "it came with the files beside it"


def test_a31_large_file_that_the_host_no_longer_has_is_missing_not_too_large(site: Site) -> None:
    """After the trunk is rewritten, the host has the old large file no longer. If the host has it again, it is read."""
    key = key_pair(site.directory / "key")
    host = SshHost(site.host.directory, key_pair(site.directory / "host"), public(key), passes_protocol=False)
    site.remote.write({"base/crd.yaml": b"small"}, "nothing that the head needs is large")
    old = site.remote.write({"docs/film": incompressible(50_000, 2)}, "film")
    rewritten = git(site.remote.directory, "commit-tree", f"{old}~1^{{tree}}", "-m", "another history")
    known_hosts = site.directory / "known_hosts"
    with serving_ssh(host):
        known_hosts.write_text(host.known_hosts())
        options = GitOptions(limits=GitLimits(LARGEST, SMALL), access=GitAccess(key=key, known_hosts=known_hosts))
        repo = GitConfigRepo(host.url(), "main", site.clone, options)
        site.made.append(repo)
        repo.fetch()
        tree = repo.tree(old)
        git(site.remote.directory, "update-ref", "refs/heads/main", rewritten)
        repo.fetch()
        before = clone_inode(site)
        with pytest.raises(Unavailable) as caught:
            repo.read(tree["docs/film"].id)
        assert caught.value.reason == "ObjectMissing"
        assert clone_inode(site) == before
        git(site.remote.directory, "update-ref", "refs/heads/main", old)
        repo.fetch()
        assert repo.read(tree["docs/film"].id) == incompressible(50_000, 2)


def test_a31_head_after_a_killed_fetch_is_the_last_complete_one(site: Site) -> None:
    """The clone has the small files of the new head, but not a large one. Then the remote is unavailable."""
    first = site.repo()
    complete = first.fetch()
    first.close()
    site.remote.write({"base/crd.yaml": incompressible(6000, 1)}, "another")
    commands = 0

    def cut(handler: BaseHTTPRequestHandler) -> bool:
        nonlocal commands
        commands += handler.command == "POST"
        return commands > 2 and refuse(handler, 503)

    site.host.answer = cut  # the third exchange is the one for large files
    killed = site.repo()
    with pytest.raises(Unavailable):
        killed.fetch()
    killed.close()
    site.host.answer = lambda handler: refuse(handler, 503)
    restarted = site.repo()
    assert restarted.head() == complete
    assert content(restarted, "base/crd.yaml") == incompressible(5000, 0)
    site.host.answer = lambda _: False
    assert restarted.fetch() == site.remote.head()
    assert requests(site, lambda: content(restarted, "base/crd.yaml")) == 0
    assert content(restarted, "base/crd.yaml") == incompressible(6000, 1)


def test_a31_head_after_a_restart_without_the_remote_is_the_pushed_one(site: Site) -> None:
    first = site.repo()
    pushed = first.commit(first.fetch(), [NewCommit({DEV: b"a: 2\n"}, "m", AT)])
    first.close()
    site.host.answer = lambda handler: refuse(handler, 503)
    restarted = site.repo()
    assert (restarted.head(), content(restarted, DEV)) == (pushed, b"a: 2\n")


def test_a31_clone_waits_for_a_host_that_counts_silently(site: Site) -> None:
    """A host counts all objects of a large repo before it sends the first. Later exchanges are small, so silence then
    means that the host is gone.
    """
    exchanges = 0
    gone = threading.Event()

    def count(handler: BaseHTTPRequestHandler) -> bool:
        nonlocal exchanges
        exchanges += handler.command == "POST"
        if exchanges == 2:
            gone.wait(4)
        return False

    site.host.answer = count
    options = GitOptions(
        limits=GitLimits(LARGEST, SMALL, clone=60, silence=1), access=GitAccess(ca_file=site.authority.file)
    )
    repo = GitConfigRepo(site.host.url(), "main", site.clone, options)
    site.made.append(repo)
    assert repo.fetch() == site.remote.head()
    exchanges = 0
    site.remote.write({DEV: b"a: 2\n"}, "more")
    with pytest.raises(Unavailable) as caught:
        repo.fetch()
    gone.set()
    assert caught.value.reason == "RemoteUnavailable"
    assert repo.fetch() == site.remote.head()
