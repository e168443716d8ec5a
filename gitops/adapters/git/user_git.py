"""A person's own git: their credentials, their name, their signing key. A clone in a scratch directory, so that no work
tree is touched.

Unlike the controller's (git_process), this git gets the person's environment and configuration as they are: it acts for
them, on their machine.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitops.adapters.git.process import shown
from gitops.core.errors import Conflict, Rejected, Unavailable

_LIMIT = 300.0
_LOST = ("fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref")


class UserGit:
    """A clone of `url` in `directory`, which must not exist. Raises: Unavailable(CloneFailed)."""

    def __init__(self, url: str, directory: Path, environment: Mapping[str, str], branch: str = "") -> None:
        self.directory = directory
        self._environment = {**environment, "LC_ALL": "C"}
        wanted = ["--branch", branch] if branch else []
        arguments = ["clone", "--quiet", *wanted, "--", url, str(directory)]
        cloned = self._run(arguments, at=directory.parent)
        if cloned.returncode:
            raise Unavailable("CloneFailed", f"{shown(url)} cannot be cloned: {shown(cloned.stderr)}")
        self.branch = branch or self._said(["symbolic-ref", "--short", "HEAD"])

    @property
    def head(self) -> str:
        return self._said(["rev-parse", "HEAD"])

    @property
    def identity(self) -> str:
        """`Name <mail>` as commits carry it."""
        return self._said(["var", "GIT_AUTHOR_IDENT"]).rpartition(" ")[0].rpartition(" ")[0]

    def commit_id(self, name: str) -> str:
        """Raises: Rejected(UnknownRevision)."""
        found = self._run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"])
        if found.returncode:
            raise Rejected("UnknownRevision", f"{shown(name)!r} is no commit of the config repo")
        return found.stdout.strip()

    def log(self, path: str) -> Sequence[str]:
        """Commits that changed the path, newest first."""
        return self._said(["log", "--format=%H", "--max-count=200", "--", path]).split()

    def push(self, files: Mapping[str, bytes | None], message: str) -> str:
        """One commit on the branch, pushed; returns its id.

        Raises: Conflict when somebody was faster, Rejected(PushRefused) with the host's own words.
        """
        for path, content in files.items():
            file = self.directory / path
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        self._said(["add", "--all", "--", *files])
        self._said(["commit", "--quiet", "--message", message])
        self._push(f"HEAD:refs/heads/{self.branch}")
        return self.head

    def tag(self, name: str, commit: str, message: str, *, signed: bool) -> str:
        """An annotated tag, pushed; returns the id of the tag object. Raises as push."""
        how = "--sign" if signed else "--annotate"
        self._said(["tag", how, "--cleanup=verbatim", "--message", message, "--", name, commit])
        self._push(f"refs/tags/{name}")
        return self._said(["rev-parse", f"refs/tags/{name}"])

    def _push(self, refspec: str) -> None:
        pushed = self._run(["push", "--quiet", "origin", refspec])
        if pushed.returncode:
            error = Conflict if any(word in pushed.stderr for word in _LOST) else Rejected
            raise error("PushRefused", f"the push was refused: {shown(pushed.stderr)}")

    def _said(self, arguments: Sequence[str]) -> str:
        ran = self._run(arguments)
        if ran.returncode:
            raise Rejected("GitFailed", f"git {arguments[0]}: {shown(ran.stderr) or shown(ran.stdout)}")
        return ran.stdout.strip()

    def _run(self, arguments: Sequence[str], at: Path | None = None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                ["git", *arguments],  # noqa: S607 - the person's own git, from the person's own PATH
                cwd=at or self.directory,
                env=self._environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LIMIT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable("GitFailed", f"git {arguments[0]} did not run: {type(error).__name__}") from error
