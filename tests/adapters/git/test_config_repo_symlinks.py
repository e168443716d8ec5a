"""Symlinks in a real clone: the guard refuses each, wherever it points."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.core.errors import Rejected
from gitops.core.kustomize import guard
from tests.worlds.git import Remote, git

DEV = "environments/dev"
FILE = f"{DEV}/kustomization.yaml"
TARGETS = [
    "/etc/passwd",
    "/proc/self/environ",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "../../.git/config",
    "../prod",
    "../../base",
    "chained",
    ".",
    "nowhere",
]
USES = {
    "resources: [link]": f"{DEV}/link",
    "resources: [link/a]": f"{DEV}/link",
    "components: [link]": f"{DEV}/link",
    "patches: [{path: link}]": f"{DEV}/link",
    "configMapGenerator: [{name: x, files: [link]}]": f"{DEV}/link",
    "generators: [link]": f"{DEV}/link",
    "resources: [../../base]": "base",
}


def link(remote: Remote, path: str, target: str) -> None:
    """Commit a symlink at `path`, in place of any file or directory."""
    data = target.encode()
    stream = b"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    stream += b"M 120000 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)
    git(remote.directory, "fast-import", "--quiet", "--force", stdin=stream)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path / "remote.git", {"base/kustomization.yaml": b"resources: []\n"})


@pytest.fixture
def repo(remote: Remote, tmp_path: Path) -> Iterator[GitConfigRepo]:
    made = GitConfigRepo(remote.url, "main", tmp_path / "clone")
    yield made
    made.close()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("text", USES)
def test_a28_symlink_is_not_followed_even_if_a_later_commit_adds_it(
    text: str, target: str, remote: Remote, repo: GitConfigRepo
) -> None:
    place = USES[text]
    remote.write({FILE: text.encode(), f"{DEV}/link/a": b"a: 1", "base/kustomization.yaml": b"resources: []"}, "a file")
    repo.fetch()
    link(remote, f"{DEV}/chained", "/etc")
    link(remote, place, target)
    tree = repo.tree(repo.fetch())
    with pytest.raises(Rejected) as caught:
        guard.closure(tree, repo.read, DEV)
    assert (caught.value.reason, str(caught.value.place)) == ("LinkRefused", f"{FILE}:1")
    assert place in caught.value.message


@pytest.mark.parametrize("target", ["/etc/passwd", "../../base/kustomization.yaml"])
def test_a28_symlink_in_place_of_a_kustomization_is_refused(target: str, remote: Remote, repo: GitConfigRepo) -> None:
    link(remote, FILE, target)
    tree = repo.tree(repo.fetch())
    with pytest.raises(Rejected) as caught:
        guard.closure(tree, repo.read, DEV)
    assert caught.value.reason == "LinkRefused"


def test_a32_symlink_that_makes_a_base_its_own_base_is_refused(remote: Remote, repo: GitConfigRepo) -> None:
    remote.write({FILE: b"resources: [again]"}, "a loop")
    link(remote, f"{DEV}/again", ".")
    tree = repo.tree(repo.fetch())
    with pytest.raises(Rejected) as caught:
        guard.closure(tree, repo.read, DEV)
    assert caught.value.reason == "LinkRefused"
