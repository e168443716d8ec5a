"""The config repo over real git remotes: reads, commits, release refs, failures and recovery."""

import ast
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.adapters.git.config_repo import GitConfigRepo, GitLimits, GitOptions
from gitops.adapters.git.process import sanitize
from gitops.core.config_repo.commits import NewCommit
from gitops.core.errors import Conflict, Rejected, Unavailable
from tests import ROOT
from tests.worlds.git import Remote, git

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
FILES = {"environments/dev/kustomization.yaml": b"a: 1\n", "base/app/kustomization.yaml": b"b: 1\n"}


def edit(content: bytes = b"a: 2\n", message: str = "dev: app 2\n\nWhy.\n\nLockstep-Service: app\n") -> NewCommit:
    return NewCommit({"environments/dev/kustomization.yaml": content}, message, AT)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path / "remote.git", FILES)


@pytest.fixture
def repo(tmp_path: Path, remote: Remote) -> Iterator[GitConfigRepo]:
    limits = GitLimits(largest_file=1000, fetch=10.0, push=10.0)
    made = GitConfigRepo(remote.url, "main", tmp_path / "state" / "clone", GitOptions(limits=limits))
    yield made
    made.close()


def content(repo: GitConfigRepo, path: str) -> bytes:
    return repo.read(repo.tree(repo.head())[path].id)


def test_fetch_reads_the_tree_of_the_head_of_the_trunk(repo: GitConfigRepo, remote: Remote) -> None:
    assert repo.fetch() == repo.head() == remote.head()
    assert set(repo.tree(repo.head())) == set(FILES)
    assert content(repo, "base/app/kustomization.yaml") == b"b: 1\n"


def test_tree_reports_file_modes_as_git_has_them(repo: GitConfigRepo, remote: Remote) -> None:
    stream = b"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    stream += b"M 120000 inline link\ndata 11\n/etc/passwd\nM 100755 inline run\ndata 1\nx\n"
    stream += b"M 160000 %s module\n" % (b"1" * 40)
    git(remote.directory, "fast-import", "--quiet", stdin=stream)
    tree = repo.tree(repo.fetch())
    assert {path: tree[path].mode for path in ("link", "run", "module")} == {
        "link": "120000",
        "run": "100755",
        "module": "160000",
    }


def test_commit_is_on_the_remote_when_it_returns(repo: GitConfigRepo, remote: Remote) -> None:
    parent = repo.fetch()
    head = repo.commit(parent, [edit(b"a: 2\n"), NewCommit({"new/a b.txt": b"\x00\xff"}, "second", AT)])
    assert head == remote.head() == repo.head()
    assert remote.subjects() == ["second", "dev: app 2", "the first commit"]
    assert remote.read("environments/dev/kustomization.yaml") == b"a: 2\n"
    assert remote.read("new/a b.txt") == b"\x00\xff"
    assert remote.read("base/app/kustomization.yaml") == b"b: 1\n"
    assert git(remote.directory, "fsck", "--strict") == ""


class TestReleaseRefs:
    """refs/lockstep/base/<commit> keeps the commits of releases after the trunk is rewritten."""

    def test_release_refs_survive_a_rewritten_trunk_and_a_lost_clone(
        self, repo: GitConfigRepo, remote: Remote, tmp_path: Path
    ) -> None:
        first = repo.fetch()
        second = repo.commit(first, [edit()])
        repo.keep([first, second])
        assert repo.read_kept() == {first, second}
        remote.write(FILES, "a history of its own", start=None)
        git(remote.directory, "gc", "--quiet", "--prune=now")
        fresh = GitConfigRepo(remote.url, "main", tmp_path / "fresh")
        head = fresh.fetch()
        assert fresh.read_kept() == {first, second}
        assert not fresh.is_ancestor(second, head)
        tree = fresh.tree(second)
        assert fresh.read(tree["environments/dev/kustomization.yaml"].id) == b"a: 2\n"
        fresh.close()

    def test_release_refs_follow_the_remote_on_fetch(self, repo: GitConfigRepo, remote: Remote) -> None:
        first = repo.fetch()
        git(remote.directory, "update-ref", f"refs/lockstep/base/{first}", first)
        assert repo.read_kept() == frozenset()
        repo.fetch()
        assert repo.read_kept() == {first}
        git(remote.directory, "update-ref", "-d", f"refs/lockstep/base/{first}")
        assert repo.fetch() == first
        assert repo.read_kept() == frozenset()

    def test_release_ref_that_points_elsewhere_is_ignored(self, repo: GitConfigRepo, remote: Remote) -> None:
        head = remote.write({"a": b"1"}, "another")
        git(remote.directory, "update-ref", f"refs/lockstep/base/{'1' * 40}", head)
        git(remote.directory, "update-ref", "refs/lockstep/base/main", head)
        repo.fetch()
        assert repo.read_kept() == frozenset()

    def test_release_refs_can_be_written_again(self, repo: GitConfigRepo) -> None:
        first = repo.fetch()
        repo.keep([first])
        repo.keep([first, repo.commit(first, [edit()])])
        assert len(repo.read_kept()) == 2

    def test_release_refs_that_the_host_refuses_are_an_error(self, repo: GitConfigRepo, remote: Remote) -> None:
        first = repo.fetch()
        second = repo.commit(first, [edit()])
        remote.hook("update", f'[ "$1" != refs/lockstep/base/{second} ] || {{ echo "no such refs" >&2; exit 1; }}')
        with pytest.raises(Rejected, match="no such refs") as refused:
            repo.keep([first, second])
        assert refused.value.reason == "PushRefused"
        assert repo.fetch() == second
        assert repo.read_kept() == {first}

    def test_release_refs_accept_only_commit_ids(self, repo: GitConfigRepo) -> None:
        repo.fetch()
        with pytest.raises(Rejected):
            repo.keep(["--mirror"])


def test_commit_deletes_files_and_keeps_modes(repo: GitConfigRepo, remote: Remote) -> None:
    stream = b"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    git(remote.directory, "fast-import", "--quiet", stdin=stream + b"M 100755 inline run\ndata 1\nx\n")
    repo.commit(repo.fetch(), [NewCommit({"run": b"y", "base/app/kustomization.yaml": None}, "m", AT)])
    tree = repo.tree(remote.head())
    assert tree["run"].mode == "100755"
    assert "base/app/kustomization.yaml" not in tree


def test_commit_of_the_same_edit_and_parent_has_the_same_id(tmp_path: Path, remote: Remote) -> None:
    heads = set()
    for name in ("one", "two"):
        mirror = Remote(tmp_path / f"{name}.git")
        git(mirror.directory, "fetch", "--quiet", str(remote.directory), "main:main")
        repo = GitConfigRepo(mirror.url, "main", tmp_path / name)
        heads.add(repo.commit(repo.fetch(), [edit()]))
        repo.close()
    assert len(heads) == 1


def test_history_has_author_subject_and_trailers_of_a_path(repo: GitConfigRepo, remote: Remote) -> None:
    repo.commit(repo.fetch(), [edit(), NewCommit({"other": b""}, "elsewhere", AT)])
    newest, first = repo.history("environments/dev", 5)
    assert (newest.subject, newest.trailers, newest.committed_at) == ("dev: app 2", {"Lockstep-Service": "app"}, AT)
    assert (first.subject, first.author) == ("the first commit", "A Person <person@example.org>")
    assert newest.paths == first.paths == ("environments/dev/kustomization.yaml",)
    assert [(commit.subject, commit.paths) for commit in repo.history("", 1)] == [("elsewhere", ("other",))]


def test_subjects_are_those_between_two_commits(repo: GitConfigRepo) -> None:
    first = repo.fetch()
    last = repo.commit(
        first, [edit(), NewCommit({"base/x": b""}, "one\n\nbody", AT), NewCommit({"base/y": b""}, "two", AT)]
    )
    assert [line.partition(" ")[2] for line in repo.subjects("base", first, last)] == ["two", "one"]
    assert repo.subjects("base", last, first) == []
    assert repo.subjects("base", first, "1" * 40) == []
    with pytest.raises(Rejected):
        repo.subjects("base", "--output=x", last)


@pytest.mark.parametrize(("seconds", "year"), [("253402300800", 9998), ("99999999999999999999", 9998), ("soon", 1970)])
def test_history_accepts_a_commit_with_an_impossible_date(
    repo: GitConfigRepo, remote: Remote, seconds: str, year: int
) -> None:
    tree = git(remote.directory, "rev-parse", "main^{tree}")
    raw = f"tree {tree}\nparent {remote.head()}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> {seconds} +0000\n\nfar\n"
    made = git(remote.directory, "hash-object", "--literally", "-t", "commit", "-w", "--stdin", stdin=raw.encode())
    git(remote.directory, "update-ref", "refs/heads/main", made)
    repo.fetch()
    far, first = repo.history("", 5)
    assert (far.subject, first.subject) == ("far", "the first commit")
    assert far.committed_at.year == year


def test_trailers_are_read_since_a_commit_or_in_the_whole_history(repo: GitConfigRepo, remote: Remote) -> None:
    assert repo.trailers("Lockstep-Request") == frozenset()
    before = remote.write({"a": b"1"}, "one\n\nLockstep-Request: 1\nLockstep-Cause: x")
    remote.write({"a": b"2"}, "two\n\nLockstep-Request: 2")
    remote.write({"a": b"3"}, "three\n\nLockstep-Request: 3 is what the text says\n\nbut no trailer")
    repo.fetch()
    assert repo.trailers("Lockstep-Request") == {"1", "2"}
    assert repo.trailers("Lockstep-Request", before) == {"2"}
    assert repo.trailers("Lockstep-Request", "f" * 40) == {"1", "2"}, "an unknown commit means the whole history"


def test_history_accepts_control_characters_in_a_message(repo: GitConfigRepo, remote: Remote) -> None:
    remote.write({"other": b"1"}, "one\x1e\x1f\x1ftwo\n\nKey: a\x1fb\x1ec")
    repo.fetch()
    (found,) = repo.history("other", 5)
    assert found.trailers == {"Key": "a\x1fb\x1ec"}
    assert found.paths == ("other",)


def test_ancestor_check_of_known_and_unknown_commits(repo: GitConfigRepo) -> None:
    older = repo.fetch()
    newer = repo.commit(older, [edit()])
    assert repo.is_ancestor(older, newer)
    assert repo.is_ancestor(newer, newer)
    assert not repo.is_ancestor(newer, older)
    with pytest.raises(Rejected) as caught:
        repo.is_ancestor("1" * 40, newer)
    assert caught.value.reason == "UnknownRevision"


def test_ancestor_check_stays_right_after_the_trunk_is_rewritten(repo: GitConfigRepo, remote: Remote) -> None:
    older = repo.fetch()
    newer = remote.write({"x": b"1"}, "a child")
    repo.fetch()
    assert repo.is_ancestor(older, newer)
    rewritten = remote.write({"x": b"2"}, "another history", start=None)
    repo.fetch()
    assert (repo.is_ancestor(older, newer), repo.is_ancestor(older, rewritten)) == (True, False)


def test_commit_that_loses_a_race_is_a_conflict(repo: GitConfigRepo, remote: Remote) -> None:
    parent = repo.fetch()
    theirs = remote.write({"base/app/kustomization.yaml": b"b: 2\n"}, "theirs")
    with pytest.raises(Conflict):
        repo.commit(parent, [edit()])
    assert remote.head() == theirs
    assert repo.commit(repo.fetch(), [edit()]) == remote.head()
    assert remote.subjects() == ["dev: app 2", "theirs", "the first commit"]


def test_commit_does_not_restore_a_trunk_that_was_reset(repo: GitConfigRepo, remote: Remote) -> None:
    first = repo.fetch()
    second = repo.commit(first, [edit(b"a: 2\n")])
    git(remote.directory, "update-ref", "refs/heads/main", first)
    with pytest.raises(Conflict):
        repo.commit(second, [edit(b"a: 3\n")])
    assert remote.head() == first
    assert repo.fetch() == first


def test_fetch_follows_a_rewritten_trunk(repo: GitConfigRepo, remote: Remote) -> None:
    old = repo.fetch()
    new = remote.write({"x": b"1"}, "another history", start=None)
    assert repo.fetch() == new
    assert set(repo.tree(new)) == {"x"}
    assert not repo.is_ancestor(old, new)


def test_fetch_of_a_deleted_trunk_is_an_error_and_keeps_the_last_head(repo: GitConfigRepo, remote: Remote) -> None:
    head = repo.fetch()
    git(remote.directory, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(Rejected) as caught:
        repo.fetch()
    assert caught.value.reason == "TrunkGone"
    assert repo.head() == head
    assert content(repo, "base/app/kustomization.yaml") == b"b: 1\n"
    with pytest.raises((Conflict, Unavailable)):
        repo.commit(head, [edit()])


def test_push_refusal_has_the_message_of_the_host(repo: GitConfigRepo, remote: Remote) -> None:
    parent = repo.fetch()
    remote.hook("pre-receive", "printf 'GH006: Protected \\033[31mbranch\\033[0m\\n' >&2; exit 1\n")
    with pytest.raises(Rejected) as caught:
        repo.commit(parent, [edit()])
    assert caught.value.reason == "PushRefused"
    assert "GH006: Protected branch" in caught.value.message
    assert remote.head() == parent == repo.head()


def test_remote_that_is_unavailable_leaves_the_last_head_readable(
    tmp_path: Path, repo: GitConfigRepo, remote: Remote
) -> None:
    head = repo.fetch()
    away = tmp_path / "away.git"
    remote.directory.rename(away)
    for attempt in (repo.fetch, lambda: repo.commit(head, [edit()])):
        with pytest.raises(Unavailable):
            attempt()
    repo.close()
    again = GitConfigRepo(remote.url, "main", tmp_path / "state" / "clone")
    assert again.head() == head
    assert content(again, "base/app/kustomization.yaml") == b"b: 1\n"
    away.rename(remote.directory)
    assert again.commit(again.fetch(), [edit()]) == remote.head()
    again.close()


def test_push_whose_answer_is_lost_is_found_on_the_remote(repo: GitConfigRepo, remote: Remote) -> None:
    parent = repo.fetch()
    # Kill receive-pack after it has updated the ref and before it sends its report.
    remote.hook("reference-transaction", "cat > /dev/null; [ $1 != committed ] || kill -9 $PPID\n")
    head = repo.commit(parent, [edit()])
    assert head == remote.head() == repo.head()


def test_push_that_hangs_is_ended_with_its_processes(tmp_path: Path, remote: Remote) -> None:
    limits = GitLimits(push=0.5)
    repo = GitConfigRepo(remote.url, "main", tmp_path / "clone", GitOptions(limits=limits))
    parent = repo.fetch()
    pid_file = tmp_path / "pid"
    remote.hook("pre-receive", f"echo $$ > {pid_file}; exec sleep 600\n")
    with pytest.raises(Unavailable) as caught:
        repo.commit(parent, [edit()])
    assert caught.value.reason == "GitTimeout"
    _await_end(int(pid_file.read_text()))
    assert remote.head() == parent
    repo.close()


def test_controller_killed_during_a_push_leaves_a_usable_clone(tmp_path: Path, remote: Remote) -> None:
    marker = tmp_path / "reached"
    remote.hook("pre-receive", f"touch {marker}; exec sleep 600\n")
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from gitops.adapters.git.config_repo import GitConfigRepo\n"
        "from gitops.core.config_repo.commits import NewCommit\n"
        "repo = GitConfigRepo(sys.argv[1], 'main', Path(sys.argv[2]))\n"
        "repo.commit(repo.fetch(), [NewCommit({'x': b'1'}, 'never pushed', datetime.now(UTC))])\n"
    )
    clone = tmp_path / "clone"
    controller = subprocess.Popen([sys.executable, "-c", program, remote.url, str(clone)], start_new_session=True)
    _await(marker.exists)
    controller.send_signal(signal.SIGKILL)
    controller.wait()

    repo = GitConfigRepo(remote.url, "main", clone)
    with pytest.raises(Unavailable) as caught:  # its git process still runs and still locks the directory
        repo.fetch()
    assert caught.value.reason == "CloneInUse"
    _kill_pushes(clone)
    remote.hook("pre-receive", "exit 0\n")
    (clone / "packed-refs.lock").touch()
    _await(lambda: _can_fetch(repo))
    assert repo.commit(repo.fetch(), [edit()]) == remote.head()
    assert remote.subjects() == ["dev: app 2", "the first commit"]
    assert not list(clone.rglob("*.lock"))
    repo.close()


@pytest.mark.parametrize("damage", ["empty objects", "half of each", "no objects", "broken ref", "no HEAD"])
def test_clone_that_is_damaged_is_cloned_again(tmp_path: Path, remote: Remote, damage: str) -> None:
    clone = tmp_path / "clone"
    first = GitConfigRepo(remote.url, "main", clone)
    first.fetch()
    first.close()
    for file in [file for file in (clone / "objects").rglob("*") if file.is_file()]:
        file.chmod(0o600)
        if damage == "empty objects":
            file.write_bytes(b"")
        elif damage == "half of each":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        elif damage == "no objects":
            file.unlink()
    if damage == "broken ref":
        (clone / "refs/remotes/origin/main").write_text("garbage\n")
    if damage == "no HEAD":
        (clone / "HEAD").unlink()

    repo = GitConfigRepo(remote.url, "main", clone)
    assert repo.fetch() == remote.head()
    assert content(repo, "base/app/kustomization.yaml") == b"b: 1\n"
    assert repo.commit(repo.head(), [edit()]) == remote.head()
    repo.close()


@pytest.mark.parametrize("damage", ["corrupt", "empty"])
def test_clone_is_kept_when_only_the_remote_is_damaged(
    repo: GitConfigRepo, tmp_path: Path, remote: Remote, damage: str
) -> None:
    """Our git repeats the remote's errors in the same words. A new clone at every fetch would not help."""
    before = repo.fetch()
    state = (tmp_path / "state").stat().st_mtime_ns  # a new directory inside would change the time
    head = remote.write({"new": b"1"}, "which is damaged")
    file = remote.directory / "objects" / head[:2] / head[2:]
    good = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(b"" if damage == "empty" else b"\0" * len(good))
    with pytest.raises(Unavailable):
        repo.fetch()
    assert (tmp_path / "state").stat().st_mtime_ns == state
    assert (repo.head(), content(repo, "base/app/kustomization.yaml")) == (before, b"b: 1\n")
    file.write_bytes(good)
    assert repo.fetch() == head


def test_clone_fetches_objects_that_were_lost_while_running(
    repo: GitConfigRepo, tmp_path: Path, remote: Remote
) -> None:
    head = repo.fetch()
    for file in (tmp_path / "state/clone/objects").rglob("*"):
        if file.is_file():
            file.unlink()
    assert repo.read(git(remote.directory, "rev-parse", "main:base/app/kustomization.yaml")) == b"b: 1\n"
    assert set(repo.tree(head)) == set(FILES)


def test_clone_removes_locks_of_a_killed_git(repo: GitConfigRepo, tmp_path: Path, remote: Remote) -> None:
    repo.fetch()
    head = remote.write({"x": b"1"}, "more")
    (tmp_path / "state/clone/refs/remotes/origin/main.lock").touch()
    assert repo.fetch() == head


def test_clone_is_not_shared_by_two_controllers(repo: GitConfigRepo, tmp_path: Path, remote: Remote) -> None:
    repo.fetch()
    other = GitConfigRepo(remote.url, "main", tmp_path / "state" / "clone")
    with pytest.raises(Unavailable) as caught:
        other.head()
    assert caught.value.reason == "CloneInUse"


def test_clone_is_replaced_when_the_url_changes(tmp_path: Path, remote: Remote) -> None:
    second = Remote(tmp_path / "second.git", {"other": b"1"})
    for chosen in (remote, second):
        repo = GitConfigRepo(chosen.url, "main", tmp_path / "clone")
        assert repo.head() == chosen.head()
        repo.close()


@pytest.mark.parametrize("filters", ["true", "false"])
def test_a31_file_above_the_size_limit_is_refused(repo: GitConfigRepo, remote: Remote, filters: str) -> None:
    git(remote.directory, "config", "uploadpack.allowFilter", filters)
    remote.write({"big": b"x" * 5000, "edge": b"y" * 1000}, "big")
    tree = repo.tree(repo.fetch())
    for _ in range(2):
        with pytest.raises(Rejected) as caught:
            repo.read(tree["big"].id)
        assert caught.value.reason == "TooLarge"
    assert repo.read(tree["edge"].id) == b"y" * 1000
    assert repo.commit(repo.head(), [edit()]) == remote.head()


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch /tmp/owned'",
        "--upload-pack=touch /tmp/owned",
        "-oProxyCommand=x",
        "https://user:secret-token@host/repo.git",
        "http://host/repo.git",
        "https://host/$TOKEN",
        "ssh://-oProxyCommand=x/repo",
        "relative/path",
        "git@-evil:repo",
        "https://host/a\nb",
        "",
    ],
)
def test_a53_url_that_is_unsafe_for_git_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(Rejected) as caught:
        GitConfigRepo(url, "main", tmp_path / "clone")
    assert caught.value.reason == "UnsafeUrl"
    assert "secret-token" not in str(caught.value)


@pytest.mark.parametrize(
    "trunk",
    [
        "--force",
        "--upload-pack=touch owned",
        "../../x",
        "a..b",
        "x.lock",
        "a b",
        "a\nb",
        "a\0b",
        "",
        "@{-1}",
        "a:b",
        "refs/../x",
        "-",
        "x" * 10_000,
    ],
)
def test_a09_trunk_that_is_no_branch_name_is_refused(tmp_path: Path, trunk: str) -> None:
    with pytest.raises(Rejected):
        GitConfigRepo("https://host/repo", trunk, tmp_path / "clone")


@pytest.mark.parametrize("name", ["HEAD", "main", "--help", "1" * 39, "1" * 40 + "\n", "", "1" * 40 + "^{tree}"])
def test_a09_revision_that_is_no_full_id_is_refused(repo: GitConfigRepo, name: str) -> None:
    head = repo.fetch()
    attempts = (
        lambda: repo.tree(name),
        lambda: repo.read(name),
        lambda: repo.is_ancestor(name, head),
        lambda: repo.commit(name, [edit()]),
    )
    for attempt in attempts:
        with pytest.raises(Rejected) as caught:
            attempt()
        assert caught.value.reason == "BadRevision"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "a\nb", "", ".git/config", "a//b", "./x", "a/.git/hooks/x"])
def test_a09_commit_to_a_path_outside_the_tree_is_refused(repo: GitConfigRepo, path: str) -> None:
    with pytest.raises(Rejected) as caught:
        repo.commit(repo.fetch(), [NewCommit({path: b""}, "m", AT)])
    assert caught.value.reason == "BadPath"


def test_housekeeping_that_is_cut_off_is_not_retried_at_once(tmp_path: Path, remote: Remote) -> None:
    """Commits wait for housekeeping, so it must not run at every fetch."""
    clone = tmp_path / "state/clone"
    options = GitOptions(limits=GitLimits(fetch=20.0, tidy=0))
    repo = GitConfigRepo(remote.url, "main", clone, options)
    head = repo.fetch()  # a new clone would be tidied at once
    half = clone / "objects/pack/tmp_pack_x"
    for commits, is_tried in ((500, False), (600, True), (1500, False), (600, True)):
        half.write_bytes(b"half a pack")
        head = repo.write(head, [edit(f"a: {commits} {number}\n".encode()) for number in range(commits)])
        repo.fetch()
        assert half.exists() != is_tried
    repo.close()


def test_housekeeping_packs_loose_objects(repo: GitConfigRepo, tmp_path: Path) -> None:
    head = repo.fetch()
    for batch in range(30):  # fast-import leaves fewer than a hundred objects loose
        commits = [edit(f"a: {batch} {number}\n".encode()) for number in range(20)]
        head = repo.commit(head, commits)
    loose = tmp_path / "state/clone/objects"
    assert len(list(loose.glob("??/*"))) > 2000
    assert repo.fetch() == head
    assert len(list(loose.glob("??/*"))) < 100
    assert content(repo, "environments/dev/kustomization.yaml") == b"a: 29 19\n"


def test_a53_history_takes_its_path_literally(repo: GitConfigRepo) -> None:
    repo.fetch()
    for path in ("--output=/tmp/owned", ":(glob)**", "environments/*"):
        assert list(repo.history(path, 3)) == []


def test_commit_message_cannot_end_its_commit(repo: GitConfigRepo, remote: Remote) -> None:
    message = "one\n\ncommit refs/heads/main\ndata 3\nx\nD environments\n"
    repo.commit(repo.fetch(), [edit(message=message)])
    assert git(remote.directory, "log", "-1", "--format=%B", "main").strip() == message.strip()
    assert git(remote.directory, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a53_git_inherits_nothing_of_the_environment(tmp_path: Path, remote: Remote) -> None:
    hostile = tmp_path / "hostile"
    hostile.write_text("[core]\n\tsshCommand = touch owned\n")
    program = (
        "import sys; from pathlib import Path; from gitops.adapters.git.process import Git\n"
        "git = Git(Path(sys.argv[1]), settings={'alias.env': '!env'})\n"
        "for command in (['config', '--list', '--show-origin'], ['env']):\n"
        "    sys.stdout.buffer.write(git.run(command, limit=10).stdout)\n"
    )
    environment = {
        "PATH": os.defpath,
        "GIT_DIR": str(tmp_path / "nowhere"),
        "GIT_CONFIG_GLOBAL": str(hostile),
        "GIT_ASKPASS": "/nowhere/askpass",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_TRACE_CURL": str(tmp_path / "trace"),
        "GIT_TRACE2_EVENT": str(tmp_path / "trace"),
        "SECRET_TOKEN": "hunter2",
    }
    seen = subprocess.run(
        [sys.executable, "-c", program, str(remote.directory)], env=environment, capture_output=True, check=True
    ).stdout.decode()
    assert "GIT_TERMINAL_PROMPT=0" in seen
    assert not [word for word in ("hostile", "sshcommand", "nowhere", "hunter2") if word in seen.lower()]
    assert not (tmp_path / "trace").exists()


def test_a53_gitpython_starts_no_process_and_opens_no_repository() -> None:
    """GitPython's runner passes our environment on and turns keywords into options. We only use one parser of it."""
    found = {}
    sources = (ROOT / "gitops").rglob("*.py")
    for file in (file for file in sources if "local" not in file.parts):  # `make run` plays the persons of its story
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import) and any(name.name.split(".")[0] == "git" for name in node.names):
                found[str(file.relative_to(ROOT))] = {"the whole module"}
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "git":
                found[str(file.relative_to(ROOT))] = {name.name for name in node.names}
    assert found == {"gitops/adapters/git/objects.py": {"Git"}}


def test_a29_tree_content_is_neither_run_nor_fetched(repo: GitConfigRepo, remote: Remote, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    run = f"touch {marker}"
    hostile = {
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "{run}"\n\tupdate = !{run}\n'.encode(),
        ".gitattributes": b"* filter=evil diff=evil merge=evil text eol=crlf ident export-subst\n*.bin filter=lfs\n",
        "hooks/post-checkout": f"#!/bin/sh\n{run}\n".encode(),
        "hooks/reference-transaction": f"#!/bin/sh\n{run}\n".encode(),
        "config": f"[core]\n\tfsmonitor = {run}\n[filter evil]\n\tsmudge = {run}\n".encode(),
        "environments/dev/kustomization.yaml": b"a: $Format:%H$ $Id$\n",
        "environments/dev/x.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n",
    }
    remote.write(hostile, "hostile")
    git(remote.directory, "fast-import", "--quiet", "--force", stdin=_submodule(remote.head()))
    tree = repo.tree(repo.fetch())
    assert tree["x"].mode == "160000"
    for path, content in hostile.items():
        assert repo.read(tree[path].id) == content, f"{path} is read as it is"
    repo.commit(repo.head(), [edit()])
    repo.history("", 5)
    assert not marker.exists()


def test_a29_git_directory_in_the_tree_is_refused(repo: GitConfigRepo, remote: Remote) -> None:
    blob = git(remote.directory, "hash-object", "-w", "--stdin", stdin=b"[core]\n\tfsmonitor = touch owned\n")
    inner = git(remote.directory, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    outer = git(remote.directory, "mktree", stdin=f"040000 tree {inner}\t.git\n".encode())
    commit = git(remote.directory, "commit-tree", outer, "-m", "hostile")
    git(remote.directory, "update-ref", "refs/heads/main", commit)
    head = repo.fetch()
    with pytest.raises(Rejected) as caught:
        repo.tree(head)
    assert caught.value.reason == "BadTree"


def _submodule(parent: str) -> bytes:
    start = f"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom {parent}\n"
    return f"{start}M 160000 {'1' * 40} x\n".encode()


def test_sanitize_removes_credentials_and_control_characters() -> None:
    text = "fatal: https://bob:pw@host/r \x1b[31mred\x1b[0m\nremote: \u202etxt\r\n" + "x" * 1000
    line = sanitize(text)
    assert line.startswith("fatal: https://host/r red remote: txt x")
    assert len(line) <= 500


@pytest.mark.alone
def test_tree_of_a_new_head_reads_only_what_changed(repo: GitConfigRepo, remote: Remote) -> None:
    remote.write({f"environments/dev/s{number}/kustomization.yaml": b"a: 1\n" for number in range(1000)}, "many")
    parent = repo.fetch()
    assert len(repo.tree(parent)) == 1002
    head = repo.commit(parent, [NewCommit({"environments/dev/s7/kustomization.yaml": b"a: 2\n"}, "m", AT)])
    started = time.perf_counter()
    tree = repo.tree(head)
    took = time.perf_counter() - started
    assert repo.read(tree["environments/dev/s7/kustomization.yaml"].id) == b"a: 2\n"
    assert took < 0.1  # a few milliseconds; reading every tree again would be a thousand reads


def _await(holds: object, seconds: float = 30) -> None:
    assert callable(holds)
    end, tick = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < end, "the condition did not become true"
        tick.wait(0.02)


def _await_end(pid: int) -> None:
    def is_ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    _await(is_ended)


def _can_fetch(repo: GitConfigRepo) -> bool:
    try:
        repo.fetch()
    except Unavailable:
        return False
    return True


def _kill_pushes(clone: Path) -> None:
    """Kill, by their ids, the git processes that work in this clone or were started from it."""
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and f"HOME={clone}\0".encode() in environment:
            os.kill(int(entry.name), signal.SIGKILL)
