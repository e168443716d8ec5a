"""Which commit brought a file first, in histories as people make them. Real git."""

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
        """Into main, with this text for the file."""
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


def test_a_file_that_no_commit_brought(repo: Repo) -> None:
    assert repo.first() == "never"


def test_the_commit_that_brought_it_and_not_one_that_changed_it(repo: Repo) -> None:
    first = repo.commit(FILE, "first")
    repo.commit(FILE, "second")
    assert repo.first() == first


def test_what_was_removed_and_came_again_came_first_before(repo: Repo) -> None:
    first = repo.commit(FILE, "first")
    git(repo.root, "rm", "--quiet", FILE)
    git(repo.root, "commit", "--quiet", "--message", "gone")
    repo.commit(FILE, "again")
    assert repo.first() == first


def test_of_several_files_each_has_its_own(repo: Repo) -> None:
    other, never = "environments/test/release.yaml", "environments/prod/hold.yaml"
    commits = {FILE: repo.commit(FILE, "first"), other: repo.commit(other, "second")}
    repo.commit("environments/test/kustomization.yaml", "third")
    assert first_commits(Git(repo.root / ".git"), [FILE, other, never], "HEAD", limit=10) == commits
    assert first_commits(Git(repo.root / ".git"), [FILE, "README"], "HEAD", limit=10)["README"] == repo.begun


def test_it_came_by_a_merged_branch(repo: Repo) -> None:
    repo.branch("idea", repo.begun)
    first = repo.commit(FILE, "first")
    repo.merge("idea", "first")
    repo.commit(FILE, "second")
    assert repo.first() == first


def test_it_came_by_a_merge_itself(repo: Repo) -> None:
    repo.branch("idea", repo.begun)
    repo.commit("other", "an idea")
    first = repo.merge("idea", "first")
    repo.commit(FILE, "second")
    assert repo.first() == first


def test_a_branch_of_before_cannot_bring_it_first(repo: Repo) -> None:
    """Git's own simplified history names the branch's commit, since the merge took its version."""
    repo.commit(FILE, "first")
    repo.branch("side", repo.begun)
    repo.commit(FILE, "another first")
    repo.merge("side", "another first")
    assert repo.first() is None


def test_a_trunk_of_its_own_cannot_bring_it_first(repo: Repo) -> None:
    repo.commit(FILE, "first")
    git(repo.root, "checkout", "--quiet", "--orphan", "side")
    repo.commit(FILE, "another first")
    git(repo.root, "checkout", "--quiet", "main")
    git(repo.root, "merge", "--quiet", "--no-commit", "--allow-unrelated-histories", "--strategy=ours", "side")
    repo.commit(FILE, "another first")
    assert repo.first() is None


def test_a_history_that_is_cut_off_tells_nothing(repo: Repo, tmp_path: Path) -> None:
    repo.commit(FILE, "first")
    repo.commit(FILE, "second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo.root}", "shallow")
    assert repo.first(tmp_path / "shallow") is None


def test_a_git_that_fails_tells_nothing(repo: Repo) -> None:
    with pytest.raises(Unavailable, match="the history cannot be read"):
        first_commits(Git(repo.root / ".git"), [FILE], "nowhere", limit=10)
