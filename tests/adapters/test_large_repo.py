"""A31: a config repo that is larger than it should be, and a host that sends more than it should."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.adapters.config_repo import GitConfigRepo, Limits, Options
from gitops.adapters.git_remote import Access
from gitops.core.errors import Rejected, Unavailable
from gitops.ports import NewCommit
from tests.adapters.git_servers import Authority, HttpsHost, SshHost, key_pair, public, serving_https, serving_ssh
from tests.adapters.git_world import Remote, git
from tests.adapters.kubernetes_world import eventually

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
SMALL, LARGEST = 1000, 100_000
DEV = "environments/dev/kustomization.yaml"


def noise(size: int, seed: int) -> bytes:
    """Which nothing can make smaller."""
    return random.Random(seed).randbytes(size)


class Site:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remote = Remote(directory / "srv/config.git", {DEV: b"a: 1\n", "base/crd.yaml": noise(5000, 0)})
        self.authority = Authority(directory / "authority")
        self.host = HttpsHost(directory / "srv")
        self.clone = directory / "state/clone"
        self.made: list[GitConfigRepo] = []

    def repo(self, *, seconds: float = 20, exchange: int = 2 << 30, url: str = "") -> GitConfigRepo:
        limits = Limits(LARGEST, SMALL, exchange, fetch=seconds, clone=20)
        options = Options(limits=limits, access=Access(ca_file=self.authority.file))
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


def test_a31_large_files_of_the_past_stay_on_the_remote(site: Site) -> None:
    for number in range(30):
        site.remote.write({"base/dump.bin": noise(50_000, number)}, f"dump {number}")
    site.remote.write({"base/dump.bin": b"small now"}, "the end of it")
    repo = site.repo()
    head = repo.fetch()
    assert site.size() < 60_000, "of one and a half million bytes"
    assert content(repo, "base/crd.yaml") == noise(5000, 0)
    assert content(repo, "base/dump.bin") == b"small now"
    assert len(repo.history("base/dump.bin", 100)) == 31
    assert repo.is_ancestor(git(site.remote.directory, "rev-list", "--max-parents=0", "main"), head)


def test_a31_what_the_head_needs_is_here_when_it_is_fetched(site: Site) -> None:
    repo = site.repo()
    repo.fetch()
    assert requests(site, lambda: content(repo, "base/crd.yaml")) == 0
    site.remote.write({"base/crd.yaml": noise(6000, 1), "environments/dev/large.yaml": noise(50_000, 2)}, "more")
    fetching = requests(site, repo.fetch)
    assert requests(site, lambda: (content(repo, "base/crd.yaml"), content(repo, "environments/dev/large.yaml"))) == 0
    site.remote.write({DEV: b"a: 2\n"}, "a small one")
    assert requests(site, repo.fetch) == fetching, "a large file costs no exchange of its own"


def test_a31_a_large_file_that_comes_back_is_here_before_its_head(site: Site) -> None:
    """The host believes that we have it, since it is reachable from what we have."""
    first = site.remote.head()
    away = site.remote.write({"base/crd.yaml": b"small"}, "away")
    repo = site.repo()
    assert repo.fetch() == away
    back = git(site.remote.directory, "commit-tree", f"{first}^{{tree}}", "-p", away, "-m", "back again")
    git(site.remote.directory, "update-ref", "refs/heads/main", back)
    assert repo.fetch() == back
    assert requests(site, lambda: content(repo, "base/crd.yaml")) == 0
    assert content(repo, "base/crd.yaml") == noise(5000, 0)


def test_a31_the_files_of_an_old_base_come_in_one_exchange(site: Site) -> None:
    old = site.remote.write({f"base/crds/{number}.yaml": noise(5000, number + 10) for number in range(20)}, "old")
    site.remote.write({f"base/crds/{number}.yaml": b"small" for number in range(20)}, "new")
    repo = site.repo()
    repo.fetch()
    tree = repo.tree(old)
    once = requests(site, lambda: repo.read(tree["base/crds/0.yaml"].id))
    assert 0 < once <= 3
    assert requests(site, lambda: [repo.read(found.id) for path, found in tree.items() if path != DEV]) == 0
    assert content(repo, "base/crds/7.yaml", old) == noise(5000, 17)


def test_a31_a_large_file_beside_the_directories_is_had_when_it_is_read(site: Site) -> None:
    site.remote.write({"shared.env": noise(5000, 1), "docs/film": noise(50_000, 2), "docs/long": b"x" * 200_000}, "x")
    repo = site.repo()
    repo.fetch()
    assert site.size() < 50_000
    assert content(repo, "docs/film") == noise(50_000, 2)
    assert content(repo, "shared.env") == noise(5000, 1)
    for _ in range(2):
        with pytest.raises(Rejected) as caught:
            content(repo, "docs/long")
        assert caught.value.reason == "TooLarge"


def test_a31_a_host_without_partial_clones_gives_all(site: Site) -> None:
    git(site.remote.directory, "config", "uploadpack.allowFilter", "false")
    site.remote.write({"docs/film": noise(50_000, 2)}, "film")
    repo = site.repo()
    repo.fetch()
    assert content(repo, "base/crd.yaml") == noise(5000, 0)
    assert requests(site, lambda: content(repo, "docs/film")) == 0


def test_a31_a_host_that_gives_out_no_single_trees_gives_the_whole_history(site: Site) -> None:
    """An sshd that lets GIT_PROTOCOL not through: git speaks protocol 0, which knows only refs."""
    key = key_pair(site.directory / "key")
    host = SshHost(site.host.directory, key_pair(site.directory / "host"), public(key), passes_protocol=False)
    old = site.remote.head()
    site.remote.write({"base/crd.yaml": noise(6000, 1)}, "new")
    known_hosts = site.directory / "known_hosts"
    with serving_ssh(host):
        known_hosts.write_text(host.known_hosts())
        options = Options(limits=Limits(LARGEST, SMALL), access=Access(key=key, known_hosts=known_hosts))
        repo = GitConfigRepo(host.url(), "main", site.clone, options)
        repo.fetch()
        assert content(repo, "base/crd.yaml") == noise(6000, 1)
        assert content(repo, "base/crd.yaml", old) == noise(5000, 0)
        repo.close()


def test_a31_files_that_are_left_out_survive_housekeeping(site: Site) -> None:
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
    assert content(repo, "base/crd.yaml", first) == noise(5000, 0)
    assert repo.head() == latest


def test_a31_more_than_one_exchange_may_bring(site: Site) -> None:
    """Where the environments need it the old head stays; elsewhere it is left out, the second time."""
    repo = site.repo(exchange=200_000)
    head = repo.fetch()
    site.remote.write({f"base/{number}.bin": noise(90_000, number) for number in range(5)}, "far too much")
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            repo.fetch()
        assert caught.value.reason == "FetchTooLarge"
        assert (repo.head(), content(repo, DEV)) == (head, b"a: 1\n")
        assert not list(site.clone.rglob("tmp_*"))
    assert site.size() < 100_000, "nothing of it stays"
    mended = site.remote.write({**{f"base/{number}.bin": b"" for number in range(5)}, DEV: b"a: 2\n"}, "mended")
    assert repo.fetch() == mended, "what lies between is not brought"
    assert content(repo, DEV) == b"a: 2\n"
    site.remote.write({f"docs/{number}.bin": noise(90_000, number) for number in range(5)}, "beside")
    with pytest.raises(Unavailable):
        repo.fetch()
    assert repo.fetch() == site.remote.head()


def test_a31_a_host_that_sends_for_ever(site: Site) -> None:
    repo = site.repo(seconds=2)
    head = repo.fetch()
    site.remote.write({"base/film": noise(90_000, 1)}, "film")
    site.host.holding = threading.Event()
    with pytest.raises(Unavailable) as caught:
        repo.fetch()
    assert caught.value.reason == "GitTimeout"
    assert (repo.head(), content(repo, DEV)) == (head, b"a: 1\n")
    eventually(lambda: not list(site.clone.rglob("tmp_*")))
    site.host.holding.set()
    site.host.holding = None
    assert repo.fetch() == site.remote.head()
    assert content(repo, "base/film") == noise(90_000, 1)


def test_a31_more_files_than_a_config_repo_has(site: Site) -> None:
    """200,001 names of one file, in a tree of trees."""
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
