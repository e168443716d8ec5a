"""`first_commits`: the commit that added a file, in histories with merges and branches. Real git."""

from pathlib import Path

import pytest

from gitops.adapters.git.history import first_commits
from gitops.adapters.git.process import Git
from gitops.core.errors import Unavailable
from tests.worlds.git import git

FILE = "environments/prod/release.yaml"


class Repo:
    def __init__(self, directory: Path) -> None:
        self.root = directory / "repo"
        self.root.mkdir()
        git(self.root, "init", "--quiet", "--initial-branch=main")
        self.begun = self.commit("README", "nothing yet")

    def write(self, text: str, path: str = FILE) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        git(self.root, "add", "--all")

    def commit(self, path: str, text: str) -> str:
        self.write(text, path)
        git(self.root, "commit", "--quiet", "--message", text)
        return git(self.root, "rev-parse", "HEAD")

    def branch(self, name: str, at: str) -> None:
        git(self.root, "checkout", "--quiet", "-b", name, at)

    def merge(self, name: str, text: str) -> str:
        """Merge the branch into main, with this text for the file."""
        git(self.root, "checkout", "--quiet", "main")
        git(self.root, "merge", "--quiet", "--no-commit", "--no-ff", "--strategy=ours", name)
        self.write(text)
        git(self.root, "commit", "--quiet", "--message", f"merge {name}")
        return git(self.root, "rev-parse", "HEAD")

    def first(self, root: Path | None = None) -> str | None:
        found = Git((root or self.root) / ".git")
        return first_commits(found, [FILE], "HEAD", limit=10).get(FILE, "never")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


def test_first_commit_of_an_unknown_file_is_none(repo: Repo) -> None:
    assert repo.first() == "never"


def test_first_commit_is_the_one_that_added_the_file(repo: Repo) -> None:
    first = repo.commit(FILE, "first")
    repo.commit(FILE, "second")
    assert repo.first() == first


def test_first_commit_of_a_file_added_again_is_the_first_one(repo: Repo) -> None:
    first = repo.commit(FILE, "first")
    git(repo.root, "rm", "--quiet", FILE)
    git(repo.root, "commit", "--quiet", "--message", "gone")
    repo.commit(FILE, "again")
    assert repo.first() == first


def test_first_commits_of_several_files_are_their_own(repo: Repo) -> None:
    other, never = "environments/test/release.yaml", "environments/prod/hold.yaml"
    commits = {FILE: repo.commit(FILE, "first"), other: repo.commit(other, "second")}
    repo.commit("environments/test/kustomization.yaml", "third")
    assert first_commits(Git(repo.root / ".git"), [FILE, other, never], "HEAD", limit=10) == commits
    assert first_commits(Git(repo.root / ".git"), [FILE, "README"], "HEAD", limit=10)["README"] == repo.begun


def test_first_commit_may_be_on_a_merged_branch(repo: Repo) -> None:
    repo.branch("idea", repo.begun)
    first = repo.commit(FILE, "first")
    repo.merge("idea", "first")
    repo.commit(FILE, "second")
    assert repo.first() == first


def test_first_commit_may_be_a_merge(repo: Repo) -> None:
    repo.branch("idea", repo.begun)
    repo.commit("other", "an idea")
    first = repo.merge("idea", "first")
    repo.commit(FILE, "second")
    assert repo.first() == first


def test_first_commit_is_unknown_when_an_older_branch_is_merged(repo: Repo) -> None:
    """Git's simplified history would name the commit of the branch, since the merge took its version."""
    repo.commit(FILE, "first")
    repo.branch("side", repo.begun)
    repo.commit(FILE, "another first")
    repo.merge("side", "another first")
    assert repo.first() is None


def test_first_commit_is_unknown_when_an_unrelated_history_is_merged(repo: Repo) -> None:
    repo.commit(FILE, "first")
    git(repo.root, "checkout", "--quiet", "--orphan", "side")
    repo.commit(FILE, "another first")
    git(repo.root, "checkout", "--quiet", "main")
    git(repo.root, "merge", "--quiet", "--no-commit", "--allow-unrelated-histories", "--strategy=ours", "side")
    repo.commit(FILE, "another first")
    assert repo.first() is None


def test_first_commit_is_unknown_in_a_shallow_clone(repo: Repo, tmp_path: Path) -> None:
    repo.commit(FILE, "first")
    repo.commit(FILE, "second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo.root}", "shallow")
    assert repo.first(tmp_path / "shallow") is None


def test_first_commits_are_unavailable_when_git_fails(repo: Repo) -> None:
    with pytest.raises(Unavailable, match="the history cannot be read"):
        first_commits(Git(repo.root / ".git"), [FILE], "nowhere", limit=10)
