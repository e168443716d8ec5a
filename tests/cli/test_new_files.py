"""Writing new files: a path that exists is never overwritten, whatever kind of file it is."""

from pathlib import Path

import pytest

from gitops.cli import new_files
from gitops.core.errors import Rejected, Unavailable


def test_new_files_are_written_with_their_directories(tmp_path: Path) -> None:
    new_files.write(tmp_path / "new", {"a/b/c.yaml": b"x", "d": b""})
    assert (tmp_path / "new/a/b/c.yaml").read_bytes() == b"x"
    assert (tmp_path / "new/d").read_bytes() == b""


def test_new_files_leave_a_file_with_the_same_content(tmp_path: Path) -> None:
    new_files.write(tmp_path, {"a": b"x"})
    before = (tmp_path / "a").stat()
    new_files.write(tmp_path, {"a": b"x", "b": b"y"})
    assert (tmp_path / "a").stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "b").exists()


def _file(at: Path) -> None:
    at.write_text("mine")


def _link(at: Path) -> None:
    at.symlink_to("/dev/null")


def _directory(at: Path) -> None:
    at.mkdir()


@pytest.mark.parametrize("path", ["a", "a/b/c"])
@pytest.mark.parametrize("make", [_file, _link])
def test_new_files_are_not_written_if_a_file_or_link_is_in_the_way(tmp_path: Path, path: str, make: object) -> None:
    assert callable(make)
    make(tmp_path / "a")
    with pytest.raises(Rejected) as caught:
        new_files.write(tmp_path, {"0": b"first", path: b"x"})
    assert caught.value.reason == "AlreadyThere"
    assert path in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_new_files_are_not_written_if_a_directory_is_in_the_way(tmp_path: Path) -> None:
    _directory(tmp_path / "a")
    with pytest.raises(Rejected):
        new_files.write(tmp_path, {"a": b"x"})


def test_new_files_are_removed_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        new_files.write(tmp_path, {"a": b"x", "b/" + "n" * 300: b"y"})
    assert not (tmp_path / "a").exists()
