"""Writes commits in a clone and pushes them to the trunk.

One `git fast-import` writes the commits into a private ref; one push makes them real, by compare-and-swap on the trunk.
"""

import contextlib
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from gitops.adapters.git import damage
from gitops.adapters.git.clone import Clone
from gitops.adapters.git.history import CloneHistory
from gitops.adapters.git.process import LOCAL_LIMIT, Git, GitResult, sanitize
from gitops.adapters.git.refs import KEPT, check_revision
from gitops.core.config_repo.commits import NewCommit
from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable
from gitops.ports import Trees

OUTGOING = "refs/lockstep/outgoing"

# The words of git for a lost race: our own lease (stale info), or the remote's compare-and-swap.
_LOST_RACE = re.compile(
    r"stale info|fetch first|non-fast-forward|needs force|incorrect old value|failed to update ref|cannot lock ref"
    r"|failed to lock|reference already exists|fetch-first"
)
_STATUS = re.compile(r"^([ +\-*!=])\t[^\t]*\t(.*)$", re.MULTILINE)
_REASON = re.compile(r"\[(remote rejected|rejected|remote failure|no match)\](?: \((.*)\))?")
_UNUSABLE_PATH = re.compile(r"(?:^|/)(?:\.{0,2}|\.git)(?:/|$)|[\x00-\x1f\x7f]")


class PushOutcome(Enum):
    """YES: the refs are on the remote. UNKNOWN: the remote sent no answer."""

    YES = auto()
    LOST_RACE = auto()
    REFUSED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class PushVerdict:
    """`text` holds the reason if the push did not land, or if that is not known."""

    landed: PushOutcome
    text: str = ""


class TrunkWriter:
    """Implements the writing methods of ports.ConfigRepo. `trees` reads the same clone. Thread-safe."""

    def __init__(self, clone: Clone, trees: Trees, history: CloneHistory) -> None:
        self._clone = clone
        self._trees = trees
        self._history = history

    def commit(self, parent: str, commits: Sequence[NewCommit]) -> str:
        with self._clone.lock:
            self._require_head(parent)
            return self.publish(parent, self.write(parent, commits))

    def write(self, parent: str, commits: Sequence[NewCommit]) -> str:
        check_revision(parent)
        with self._clone.lock:
            self._clone.new_commits += len(commits)
            revision = self._import(self._clone.open(), parent, commits)
            for content in (content for commit in commits for content in commit.files.values()):
                if content is not None and len(content) <= self._clone.options.limits.largest_file:
                    self._clone.objects().add(content)
            return revision

    def publish(self, parent: str, revision: str) -> str:
        with self._clone.lock:
            self._require_head(parent)
            with self._report_push():
                return self._push(self._clone.open(), parent, revision)

    def keep(self, revisions: Collection[str]) -> None:
        for revision in revisions:
            check_revision(revision)
        with self._clone.lock:
            git = self._clone.open()
            arguments = ["push", "--porcelain", "--no-verify", "--end-of-options", "origin"]
            refspecs = [f"{revision}:{KEPT}{revision}" for revision in revisions]
            pushed = self._clone.remote.ask(git, [*arguments, *refspecs], limit=self._clone.options.limits.push)
            verdict = parse_verdict(pushed)
            if verdict.landed is PushOutcome.UNKNOWN:
                raise self._clone.remote.translate(verdict.text, "pushed to")
            if verdict.landed is not PushOutcome.YES:
                raise Rejected("PushRefused", f"the remote refuses {KEPT}*: {verdict.text}")
            updates = "".join(f"update {KEPT}{revision} {revision}\n" for revision in revisions)
            git.run(["update-ref", "--stdin"], limit=LOCAL_LIMIT, stdin=updates.encode())

    @contextlib.contextmanager
    def _report_push(self) -> Iterator[None]:
        """Reports the outcome and the time of one push to the observer."""
        began, outcome = time.monotonic(), "failed"
        try:
            yield
            outcome = "ok"
        except Conflict:
            outcome = "moved"
            raise
        except Rejected:
            outcome = "refused"
            raise
        finally:
            if self._clone.options.observer is not None:
                self._clone.options.observer.on_push(outcome, time.monotonic() - began)

    def _require_head(self, parent: str) -> None:
        check_revision(parent)
        self._clone.open()
        if parent != self._clone.head:
            raise Conflict(
                "TrunkMoved", f"{self._clone.trunk} is at {self._clone.head[:12]}, no longer at {parent[:12]}"
            )

    def _import(self, git: Git, parent: str, commits: Sequence[NewCommit]) -> str:
        tree = self._trees.tree(parent)

        def mode(path: str) -> str:
            blob = tree.get(path)
            return "100755" if blob is not None and blob.mode == "100755" else "100644"

        stream = import_stream(parent, commits, author=self._clone.options.author, mode=mode)
        arguments = ["fast-import", "--quiet", "--force", "--done", "--date-format=raw"]
        finished = git.run(arguments, limit=LOCAL_LIMIT, stdin=stream)
        if finished.code and "File exists" in finished.stderr:
            self._clone.remove_leftovers()
            finished = git.run(arguments, limit=LOCAL_LIMIT, stdin=stream)
        if finished.code:
            self._clone.replace_if_damaged(finished.stderr)
            raise Unavailable("GitFailed", f"the commit cannot be written: {sanitize(finished.stderr)}")
        return finished.stdout.decode().strip()

    def _push(self, git: Git, parent: str, revision: str) -> str:
        lease = f"--force-with-lease=refs/heads/{self._clone.trunk}:{parent}"
        target = f"{revision}:refs/heads/{self._clone.trunk}"
        arguments = ["push", "--porcelain", "--no-verify", lease, "--end-of-options", "origin", target]
        try:
            finished = self._clone.remote.ask(git, arguments, limit=self._clone.options.limits.push)
        except Unavailable as error:
            return self._confirm(git, revision, error)
        verdict = parse_verdict(finished)
        if verdict.landed is PushOutcome.LOST_RACE:
            raise Conflict("TrunkMoved", f"{self._clone.trunk} moved on the remote: {verdict.text}")
        if verdict.landed is PushOutcome.REFUSED:
            raise Rejected("PushRefused", f"the remote refuses commits on {self._clone.trunk}: {verdict.text}")
        if verdict.landed is PushOutcome.UNKNOWN:
            if damage.is_in_clone(git, finished.stderr):
                self._clone.replace_if_damaged(finished.stderr)
            return self._confirm(git, revision, self._clone.remote.translate(verdict.text, "pushed to"))
        with contextlib.suppress(Unavailable):  # the commit is on the remote: the next fetch moves the ref as well
            self._clone.move_head(git, revision)
        self._clone.head = revision
        return revision

    def _confirm(self, git: Git, revision: str, error: GitopsError) -> str:
        """Fetches the trunk after a push without an answer, which may have landed. Raises `error` if it did not."""
        with contextlib.suppress(Unavailable):
            if self._clone.fetch(git).code == 0:
                self._clone.advance(git)
                if self._history.is_ancestor(revision, self._clone.head):
                    return revision
        raise error


def parse_verdict(push: GitResult) -> PushVerdict:
    """Reads the status line of each ref; the first ref that did not land decides.

    UNKNOWN means that the connection broke before the remote answered. The text is then git's stderr as it came.
    """
    found = _STATUS.findall(push.stdout.decode(errors="replace"))
    if not found:
        return PushVerdict(PushOutcome.UNKNOWN, push.stderr)
    flag, summary = next((status for status in found if status[0] == "!"), found[0])
    if flag != "!":
        return PushVerdict(PushOutcome.YES)
    found_reason = _REASON.search(summary)
    kind, reason = found_reason.groups() if found_reason else ("", summary)
    if kind in {"remote failure", "no match"}:
        return PushVerdict(PushOutcome.UNKNOWN, f"{reason}\n{push.stderr}")
    if _LOST_RACE.search(reason or ""):
        return PushVerdict(PushOutcome.LOST_RACE, sanitize(reason))
    return PushVerdict(PushOutcome.REFUSED, sanitize(f"{reason}: {_remote_words(push.stderr)}"))


def import_stream(parent: str, commits: Sequence[NewCommit], *, author: str, mode: Callable[[str], str]) -> bytes:
    """Writes the commits as a chain on top of `parent`; git prints the id of the last one.

    Author time and committer time are `authored_at`, so that the same edit of the same parent has the same id. `mode`
    returns the git mode of a path.
    """
    parts = [f"reset {OUTGOING}\nfrom {parent}\n\n".encode()]
    for mark, commit in enumerate(commits, start=1):
        when = f"{author} {int(commit.authored_at.timestamp())} +0000"
        message = commit.message.encode()
        parts.append(f"commit {OUTGOING}\nmark :{mark}\nauthor {when}\ncommitter {when}\n".encode())
        parts.append(b"data %d\n%s\n" % (len(message), message))
        for path, content in commit.files.items():
            parts.append(_file_command(path, content, mode))
    parts.append(f"get-mark :{len(commits)}\ndone\n".encode())
    return b"".join(parts)


def _file_command(path: str, content: bytes | None, mode: Callable[[str], str]) -> bytes:
    if not path or _UNUSABLE_PATH.search(path):
        raise Rejected(
            "BadPath", f"{path!r} cannot be written: use a relative path without `..` and without control characters"
        )
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if content is None:
        return f"D {quoted}\n".encode()
    return f"M {mode(path)} inline {quoted}\ndata {len(content)}\n".encode() + content + b"\n"


def _remote_words(stderr: str) -> str:
    lines = [line.removeprefix("remote:").strip() for line in stderr.splitlines() if line.startswith("remote:")]
    return " ".join(line for line in lines if line) or "the host gave no reason"
