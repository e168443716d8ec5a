"""The config repo as it lies on a disk: somebody's work tree with what is not committed yet, or a bare repository.

Only read: what is not committed gets the ids that git would give it, so equal content has equal keys everywhere.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from gitops.adapters.git.clone import kept
from gitops.adapters.git.first_commit import first_commits
from gitops.adapters.git.objects import MissingObject, Objects, blob_id
from gitops.adapters.git.process import Git, shown
from gitops.core.config_repo.release import RELEASE_FILE
from gitops.core.config_repo.tree import Blob, Tree
from gitops.core.errors import Rejected, Unavailable

WORK_TREE = "work tree"
"""The revision that stands for the files as they lie there."""

_LARGEST_FILE = 5 << 20
_LIMIT = 30.0
_QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
_MOST_FILES = 200_000


class WorkTree:
    """Implements ports.Trees and ports.Past. `environment` is the caller's: in a pre-receive hook it says where the
    pushed objects wait (https://git-scm.com/docs/git-receive-pack#_quarantine_environment).

    Raises: Rejected(NoConfigRepo) when `directory` is neither a directory with environments/ nor a git repository.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.root, self._git = _found(directory.resolve(), environment)
        self._objects = Objects(self._git, _LARGEST_FILE) if self._git else None
        self._paths: dict[str, str] = {}
        self._files: _Files | None = None
        self._first: dict[str, Mapping[str, str | None]] = {}

    def head(self, revision: str = "") -> str:
        """What is to be looked at: a commit by any name that git knows, else the work tree, else a bare repository's
        HEAD. Raises: Rejected(UnknownRevision).
        """
        if not revision and self.root is not None:
            return WORK_TREE
        found = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision or 'HEAD'}^{{commit}}")
        if not found:
            raise Rejected("UnknownRevision", f"{shown(revision or 'HEAD')!r} is no commit of this repository")
        return found

    def tree(self, revision: str) -> Tree:
        """The work tree is listed once. Raises: Rejected(MissingObject) for a commit that is not here."""
        if revision == WORK_TREE and self.root is not None:
            if self._files is None:
                self._files = _Files(self.root, self._listed(self.root), self._paths)
            return self._files
        try:
            if self._objects is not None:
                return self._objects.tree(revision)
        except MissingObject:
            pass
        raise Rejected("MissingObject", _missing(f"commit {revision[:12]}"))

    def read(self, blob: str) -> bytes:
        path = self._paths.get(blob)
        if path is not None:
            return Path(path).read_bytes()
        try:
            if self._objects is not None:
                return self._objects.blob(blob)
        except MissingObject:
            pass
        raise Rejected("MissingObject", _missing(f"file {blob[:12]}"))

    def subjects(self, path: str, older: str, newer: str) -> list[str]:
        """First lines of the commits from `older` (left out) to `newer` that touched a path, newest first."""
        if WORK_TREE in {older, newer}:
            older, newer = (("HEAD" if each == WORK_TREE else each) for each in (older, newer))
        lines = self._run(
            "log", "--format=%h %s", "--max-count=100", "--end-of-options", f"{older}..{newer}", "--", path
        )
        return [shown(line) for line in lines.splitlines()]

    def first_releases(self, head: str) -> Mapping[str, str | None]:
        """Git is asked once for each head."""
        if head not in self._first:
            listed = [path for path in self.tree(head) if path.startswith("environments/")]
            releases = [path for path in listed if path.endswith(f"/{RELEASE_FILE}")]
            self._first[head] = self._first_commits(head, releases)
        return self._first[head]

    def _first_commits(self, head: str, paths: Sequence[str]) -> Mapping[str, str | None]:
        if self._git is None:
            return dict.fromkeys(paths)
        if head == WORK_TREE and not self._run("rev-parse", "--verify", "--quiet", "HEAD"):
            return {}  # there is no commit at all yet
        return first_commits(self._git, paths, "HEAD" if head == WORK_TREE else head, limit=_LIMIT)

    def off_trunk(self, head: str, commits: Collection[str]) -> dict[str, bool]:
        wanted = {commit for commit in commits if commit not in {head, WORK_TREE}}
        if not wanted or self._git is None:
            return {}
        commit = "HEAD" if head == WORK_TREE else head
        listed = self._run("rev-list", "--end-of-options", *sorted(wanted), f"^{commit}", "--").split()
        strayed = wanted & set(listed)
        refs = kept(self._git) if strayed else frozenset()
        return {commit: commit in refs for commit in strayed}

    def close(self) -> None:
        if self._objects is not None:
            self._objects.close()

    def _run(self, *arguments: str) -> str:
        if self._git is None:
            return ""
        finished = self._git.run(arguments, limit=_LIMIT)
        return finished.stdout.decode(errors="surrogateescape").strip() if finished.code == 0 else ""

    def _listed(self, root: Path) -> list[str]:
        """What a commit of everything would hold; without git, every file that is not hidden."""
        if self._git is None:
            return list(_walked(root))
        listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
        finished = self._git.run(
            ["-C", str(root), f"--git-dir={self._git.directory}", f"--work-tree={root}", *listing], limit=_LIMIT
        )
        if finished.code:
            raise Unavailable("GitFailed", f"the files of {root} cannot be listed: {shown(finished.stderr)}")
        return [path for path in finished.stdout.decode(errors="surrogateescape").split("\0") if path]


class _Files(Mapping[str, Blob]):
    """Hashes a file when it is asked for: most files of a repository are never reached. `paths` learns where the
    content of an id lies.
    """

    def __init__(self, root: Path, listed: list[str], paths: dict[str, str]) -> None:
        self._root = root
        # What is deleted but still in git's index is not there.
        self._listed = dict.fromkeys(path for path in listed if os.path.lexists(f"{root}/{path}"))
        self._paths = paths
        self._known: dict[str, Blob] = {}

    def __getitem__(self, path: str) -> Blob:
        if path not in self._listed:
            raise KeyError(path)
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._hashed(path)
        return known

    def __contains__(self, path: object) -> bool:
        return path in self._listed

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def _hashed(self, path: str) -> Blob:
        file = self._root / path
        try:
            if file.is_symlink():
                return Blob("120000", blob_id(os.fsencode(file.readlink())))
            if file.is_dir():
                return Blob("160000", "0" * 40)
            content = file.read_bytes()
            mode = "100755" if file.stat().st_mode & 0o100 else "100644"
        except OSError as error:
            raise KeyError(path) from error
        blob = Blob(mode, blob_id(content))
        self._paths[blob.id] = str(file)
        return blob


def _found(directory: Path, environment: Mapping[str, str]) -> tuple[Path | None, Git | None]:
    """The root of the work tree (None: bare) and its repository (None: none)."""
    if _is_repository(directory):
        return None, _git(directory, environment)
    holds_environments = (directory / "environments").is_dir()
    for root in (directory, *(() if holds_environments else directory.parents)):
        git_directory = _git_directory(root)
        if git_directory is not None:
            return root, _git(git_directory, environment)
    if holds_environments:
        return directory, None
    raise Rejected("NoConfigRepo", f"{directory} is no config repo: it has neither environments/ nor a git repository")


def _git(directory: Path, environment: Mapping[str, str]) -> Git:
    """A hook gets the places of a quarantine as seen from where it runs."""
    waiting = {name: _absolute(environment[name]) for name in _QUARANTINE if environment.get(name)}
    return Git(directory, environment=waiting)


def _absolute(paths: str) -> str:
    return os.pathsep.join(os.path.abspath(path) for path in paths.split(os.pathsep))  # noqa: PTH100 - no links followed


def _is_repository(directory: Path) -> bool:
    return (directory / "HEAD").is_file() and (directory / "objects").is_dir() and (directory / "refs").is_dir()


def _git_directory(root: Path) -> Path | None:
    """`.git`, or what it points at in a linked work tree."""
    found = root / ".git"
    if found.is_file():
        pointer = found.read_text(errors="replace").partition("gitdir:")[2].strip()
        return (root / pointer).resolve() if pointer else None
    return found if _is_repository(found) else None


def _walked(root: Path) -> Iterator[str]:
    count = 0
    for directory, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(files):
            count += 1
            if count > _MOST_FILES:
                raise Rejected("TooManyFiles", f"{root} holds more than {_MOST_FILES} files: is it a config repo?")
            yield (Path(directory) / name).relative_to(root).as_posix()


def _missing(what: str) -> str:
    return (
        f"{what} is not in this repository: fetch it with full history (git fetch --unshallow; in CI: "
        "fetch-depth: 0, no filter). If the trunk was rewritten: "
        "git fetch origin '+refs/lockstep/base/*:refs/lockstep/base/*'"
    )
