"""Real git remotes in a temporary directory, and a person who pushes to them with a clone of their own."""

import subprocess
from pathlib import Path

_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.org",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.org",
}


def git(directory: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git as a person would. Return its output; fail on an exit code other than 0."""
    finished = subprocess.run(
        ["git", "-C", str(directory), *arguments], env=_ENVIRONMENT, input=stdin, capture_output=True, check=False
    )
    assert finished.returncode == 0, (arguments, finished.stderr.decode())
    return finished.stdout.decode(errors="replace").strip()


def command_lines(below: Path) -> list[str]:
    """List the git processes of the controller whose clone lies below this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"HOME={below}/".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


class Remote:
    """A bare repository with the features of git hosts: partial clones, pushes with compare-and-swap."""

    def __init__(self, directory: Path, files: dict[str, bytes] | None = None) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        git(directory, "init", "--quiet", "--bare", "--initial-branch=main")
        git(directory, "config", "uploadpack.allowFilter", "true")
        if files is not None:
            self.write(files, "the first commit")

    @property
    def url(self) -> str:
        return f"file://{self.directory}"

    def head(self, branch: str = "main") -> str:
        return git(self.directory, "rev-parse", f"refs/heads/{branch}")

    def read(self, path: str, revision: str = "main") -> bytes:
        return subprocess.run(
            ["git", "-C", str(self.directory), "show", f"{revision}:{path}"],
            env=_ENVIRONMENT,
            capture_output=True,
            check=True,
        ).stdout

    def subjects(self) -> list[str]:
        """List the subjects of the trunk's commits, newest first."""
        return git(self.directory, "log", "--format=%s", "main").splitlines()

    def write(self, files: dict[str, bytes], message: str, *, start: str | None = "refs/heads/main") -> str:
        """Commit on the server itself. With `start` None the commit has no parent (a force-push)."""
        known = start is not None and git(self.directory, "for-each-ref", start) != ""
        stream = b"commit refs/heads/main\ncommitter A Person <person@example.org> 1700000000 +0000\n"
        stream += b"data %d\n%s\n" % (len(message.encode()), message.encode())
        stream += f"from {git(self.directory, 'rev-parse', start or '')}\n".encode() if known else b"deleteall\n"
        for path, content in files.items():
            stream += b'M 100644 inline "%s"\ndata %d\n%s\n' % (path.encode(), len(content), content)
        git(self.directory, "fast-import", "--quiet", "--force", stdin=stream)
        return self.head()

    def hook(self, name: str, script: str) -> Path:
        hook = self.directory / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\n" + script)
        hook.chmod(0o755)
        return hook
