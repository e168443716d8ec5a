"""A config repo on a person's disk: a work tree with its uncommitted files, or a bare repository. It is only read.

Uncommitted files get the blob ids that git would give them, so that equal content has equal keys everywhere.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from gitops.adapters.git.history import first_commits
from gitops.adapters.git.objects import MissingObject, Objects, blob_id
from gitops.adapters.git.process import LOCAL_LIMIT, Git, sanitize
from gitops.adapters.git.refs import read_kept
from gitops.core.config_repo.release import RELEASE_FILE
from gitops.core.config_repo.tree import Blob, Tree
from gitops.core.errors import Rejected, Unavailable

WORK_TREE = "work tree"
"""The revision that stands for the files on the disk, committed or not."""

_LARGEST_FILE = 5 << 20
_QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
_MOST_FILES = 200_000


class WorkTree:
    """Implements ports.Trees and ports.ReleaseOrigins. `environment` is the process's: in a pre-receive hook it names
    the directory of the pushed objects (https://git-scm.com/docs/git-receive-pack#_quarantine_environment).

    Raises: Rejected(NoConfigRepo) when `directory` is neither a directory with environments/ nor a git repository.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.root, self._git = _find(directory.resolve(), environment)
        self._objects = Objects(self._git, _LARGEST_FILE) if self._git else None
        self._paths: dict[str, str] = {}
        self._files: _Files | None = None
        self._first: dict[str, Mapping[str, str | None]] = {}

    def head(self, revision: str = "") -> str:
        """Resolves `revision`, any name that git knows, to a commit id. Without one: WORK_TREE, or the HEAD of a bare
        repository. Raises: Rejected(UnknownRevision).
        """
        if not revision and self.root is not None:
            return WORK_TREE
        found = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision or 'HEAD'}^{{commit}}")
        if not found:
            raise Rejected("UnknownRevision", f"{sanitize(revision or 'HEAD')!r} is not a commit of this repository")
        return found

    def tree(self, revision: str) -> Tree:
        """Lists the files of a revision; the work tree is listed once. Raises: Rejected(MissingObject)."""
        if revision == WORK_TREE and self.root is not None:
            if self._files is None:
                self._files = _Files(self.root, self._list(self.root), self._paths)
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
        """The subjects of the commits after `older` up to `newer` that touched a path, newest first, at most 100."""
        if WORK_TREE in {older, newer}:
            older, newer = (("HEAD" if each == WORK_TREE else each) for each in (older, newer))
        lines = self._run(
            "log", "--format=%h %s", "--max-count=100", "--end-of-options", f"{older}..{newer}", "--", path
        )
        return [sanitize(line) for line in lines.splitlines()]

    def first_releases(self, head: str) -> Mapping[str, str | None]:
        """Implements ports.ReleaseOrigins; runs git once for each head."""
        if head not in self._first:
            listed = [path for path in self.tree(head) if path.startswith("environments/")]
            releases = [path for path in listed if path.endswith(f"/{RELEASE_FILE}")]
            self._first[head] = self._first_commits(head, releases)
        return self._first[head]

    def _first_commits(self, head: str, paths: Sequence[str]) -> Mapping[str, str | None]:
        if self._git is None:
            return dict.fromkeys(paths)
        if head == WORK_TREE and not self._run("rev-parse", "--verify", "--quiet", "HEAD"):
            return {}  # the repository has no commit yet
        return first_commits(self._git, paths, "HEAD" if head == WORK_TREE else head, limit=LOCAL_LIMIT)

    def off_trunk(self, head: str, commits: Collection[str]) -> dict[str, bool]:
        wanted = {commit for commit in commits if commit not in {head, WORK_TREE}}
        if not wanted or self._git is None:
            return {}
        commit = "HEAD" if head == WORK_TREE else head
        listed = self._run("rev-list", "--end-of-options", *sorted(wanted), f"^{commit}", "--").split()
        off_trunk = wanted & set(listed)
        refs = read_kept(self._git) if off_trunk else frozenset()
        return {commit: commit in refs for commit in off_trunk}

    def close(self) -> None:
        if self._objects is not None:
            self._objects.close()

    def _run(self, *arguments: str) -> str:
        if self._git is None:
            return ""
        finished = self._git.run(arguments, limit=LOCAL_LIMIT)
        return finished.stdout.decode(errors="surrogateescape").strip() if finished.code == 0 else ""

    def _list(self, root: Path) -> list[str]:
        """The paths that `git add --all && git commit` would hold; without git, every file that is not hidden."""
        if self._git is None:
            return list(_walk(root))
        listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
        finished = self._git.run(
            ["-C", str(root), f"--git-dir={self._git.directory}", f"--work-tree={root}", *listing], limit=LOCAL_LIMIT
        )
        if finished.code:
            raise Unavailable("GitFailed", f"the files of {root} cannot be listed: {sanitize(finished.stderr)}")
        return [path for path in finished.stdout.decode(errors="surrogateescape").split("\0") if path]


class _Files(Mapping[str, Blob]):
    """The files of a work tree; each is hashed on its first access, because most of them are never read. `paths`
    collects blob id -> path.
    """

    def __init__(self, root: Path, listed: list[str], paths: dict[str, str]) -> None:
        self._root = root
        # git also lists files that are in its index but deleted on the disk.
        self._listed = dict.fromkeys(path for path in listed if os.path.lexists(f"{root}/{path}"))
        self._paths = paths
        self._known: dict[str, Blob] = {}

    def __getitem__(self, path: str) -> Blob:
        if path not in self._listed:
            raise KeyError(path)
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._hash(path)
        return known

    def __contains__(self, path: object) -> bool:
        return path in self._listed

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def _hash(self, path: str) -> Blob:
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


def _find(directory: Path, environment: Mapping[str, str]) -> tuple[Path | None, Git | None]:
    """Finds the root of the work tree (None: a bare repository) and its git repository (None: not in git)."""
    if _is_repository(directory):
        return None, _git(directory, environment)
    holds_environments = (directory / "environments").is_dir()
    for root in (directory, *(() if holds_environments else directory.parents)):
        git_directory = _git_directory(root)
        if git_directory is not None:
            return root, _git(git_directory, environment)
    if holds_environments:
        return directory, None
    raise Rejected(
        "NoConfigRepo", f"{directory} is not a config repo: it has neither environments/ nor a git repository"
    )


def _git(directory: Path, environment: Mapping[str, str]) -> Git:
    """Makes the paths of a quarantine absolute: a hook gets them relative to its own directory."""
    quarantine = {name: _absolute(environment[name]) for name in _QUARANTINE if environment.get(name)}
    return Git(directory, environment=quarantine)


def _absolute(paths: str) -> str:
    return os.pathsep.join(os.path.abspath(path) for path in paths.split(os.pathsep))  # noqa: PTH100 - no links followed


def _is_repository(directory: Path) -> bool:
    return (directory / "HEAD").is_file() and (directory / "objects").is_dir() and (directory / "refs").is_dir()


def _git_directory(root: Path) -> Path | None:
    """The repository at `.git`, or the one that a linked work tree's `.git` file points at."""
    found = root / ".git"
    if found.is_file():
        pointer = found.read_text(errors="replace").partition("gitdir:")[2].strip()
        return (root / pointer).resolve() if pointer else None
    return found if _is_repository(found) else None


def _walk(root: Path) -> Iterator[str]:
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
