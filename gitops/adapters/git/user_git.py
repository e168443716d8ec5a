"""A person's own git, with their credentials, name and signing key. It works in a clone in a scratch directory, so that
their work tree stays as it is.

Unlike the controller's git (process.py), this one gets the person's environment and configuration unchanged, because it
acts for them on their machine. It also keeps their terminal, where ssh or gpg may ask for a passphrase.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitops.adapters.git.process import sanitize
from gitops.core.errors import Conflict, Rejected, Unavailable

_LIMIT = 300.0
_LOST_RACE = ("fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref")


class UserGit:
    """Clones `url` into `directory`, which must not exist. Raises: Unavailable(CloneFailed)."""

    def __init__(self, url: str, directory: Path, environment: Mapping[str, str], branch: str = "") -> None:
        self.directory = directory
        self._environment = {**environment, "LC_ALL": "C"}
        options = ["--branch", branch] if branch else []
        arguments = ["clone", "--quiet", *options, "--", url, str(directory)]
        cloned = self._run(arguments, at=directory.parent)
        if cloned.returncode:
            raise Unavailable("CloneFailed", f"{sanitize(url)} cannot be cloned: {sanitize(cloned.stderr)}")
        self.branch = branch or self._output(["symbolic-ref", "--short", "HEAD"])

    @property
    def head(self) -> str:
        """The commit id of HEAD."""
        return self._output(["rev-parse", "HEAD"])

    @property
    def identity(self) -> str:
        """The author that git writes into commits, as `Name <mail>`."""
        return self._output(["var", "GIT_AUTHOR_IDENT"]).rpartition(" ")[0].rpartition(" ")[0]

    def commit_id(self, name: str) -> str:
        """The full id of a commit with any name that git knows. Raises: Rejected(UnknownRevision)."""
        found = self._run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"])
        if found.returncode:
            raise Rejected("UnknownRevision", f"{sanitize(name)!r} is not a commit of the config repo")
        return found.stdout.strip()

    def log(self, path: str) -> Sequence[str]:
        """Ids of the commits that changed the path, newest first, at most 200."""
        return self._output(["log", "--format=%H", "--max-count=200", "--", path]).split()

    def push(self, files: Mapping[str, bytes | None], message: str) -> str:
        """Commits the files (None deletes) on the branch, pushes, and returns the commit's id.

        Raises: Conflict if the branch has moved on the remote, Rejected(PushRefused) with the host's own words.
        """
        for path, content in files.items():
            file = self.directory / path
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        self._output(["add", "--all", "--", *files])
        self._output(["commit", "--quiet", "--message", message])
        self._push(f"HEAD:refs/heads/{self.branch}")
        return self.head

    def tag(self, name: str, commit: str, message: str, *, signed: bool) -> str:
        """Makes an annotated tag, pushes it, and returns the id of the tag object. Raises as push does."""
        kind = "--sign" if signed else "--annotate"
        self._output(["tag", kind, "--cleanup=verbatim", "--message", message, "--", name, commit])
        self._push(f"refs/tags/{name}")
        return self._output(["rev-parse", f"refs/tags/{name}"])

    def _push(self, refspec: str) -> None:
        pushed = self._run(["push", "--quiet", "origin", refspec])
        if pushed.returncode:
            error = Conflict if any(word in pushed.stderr for word in _LOST_RACE) else Rejected
            raise error("PushRefused", f"the remote refuses the push: {sanitize(pushed.stderr)}")

    def _output(self, arguments: Sequence[str]) -> str:
        finished = self._run(arguments)
        if finished.returncode:
            words = sanitize(finished.stderr) or sanitize(finished.stdout)
            raise Rejected("GitFailed", f"git {arguments[0]} failed: {words}")
        return finished.stdout.strip()

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
