"""What goes to `git fast-import`, and what comes back from `git push --porcelain`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from gitops.adapters.git.process import GitResult, shown
from gitops.core.errors import Rejected
from gitops.ports import NewCommit

OUTGOING = "refs/lockstep/outgoing"

# What git says when somebody else was faster: our own lease (stale info), or the remote's compare-and-swap.
_LOST_RACE = re.compile(
    r"stale info|fetch first|non-fast-forward|needs force|incorrect old value|failed to update ref|cannot lock ref"
    r"|failed to lock|reference already exists|fetch-first"
)
_STATUS = re.compile(r"^([ +\-*!=])\t[^\t]*\t(.*)$", re.MULTILINE)
_REASON = re.compile(r"\[(remote rejected|rejected|remote failure|no match)\](?: \((.*)\))?")
_UNUSABLE_PATH = re.compile(r"(?:^|/)(?:\.{0,2}|\.git)(?:/|$)|[\x00-\x1f\x7f]")


class PushOutcome(Enum):
    """What is known of a push."""

    YES = auto()
    LOST_RACE = auto()
    REFUSED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class PushVerdict:
    landed: PushOutcome
    text: str = ""


def verdict(push: GitResult) -> PushVerdict:
    """Reads the status line of each ref: the first that did not land counts. UNKNOWN: the connection broke before the
    remote said anything; the text is then git's own, as it came.
    """
    found = _STATUS.findall(push.stdout.decode(errors="replace"))
    if not found:
        return PushVerdict(PushOutcome.UNKNOWN, push.stderr)
    flag, summary = next((status for status in found if status[0] == "!"), found[0])
    if flag != "!":
        return PushVerdict(PushOutcome.YES)
    told = _REASON.search(summary)
    kind, reason = told.groups() if told else ("", summary)
    if kind in {"remote failure", "no match"}:
        return PushVerdict(PushOutcome.UNKNOWN, f"{reason}\n{push.stderr}")
    if _LOST_RACE.search(reason or ""):
        return PushVerdict(PushOutcome.LOST_RACE, shown(reason))
    return PushVerdict(PushOutcome.REFUSED, shown(f"{reason}: {_said_by_remote(push.stderr)}"))


def import_stream(parent: str, commits: Sequence[NewCommit], *, author: str, mode: Callable[[str], str]) -> bytes:
    """The commits one after another on top of `parent`; git answers with the id of the last one.

    Author and committer time are the commit's own, so that the same edit of the same parent has the same id.
    """
    parts = [f"reset {OUTGOING}\nfrom {parent}\n\n".encode()]
    for mark, commit in enumerate(commits, start=1):
        when = f"{author} {int(commit.authored_at.timestamp())} +0000"
        message = commit.message.encode()
        parts.append(f"commit {OUTGOING}\nmark :{mark}\nauthor {when}\ncommitter {when}\n".encode())
        parts.append(b"data %d\n%s\n" % (len(message), message))
        for path, content in commit.files.items():
            parts.append(_file(path, content, mode))
    parts.append(f"get-mark :{len(commits)}\ndone\n".encode())
    return b"".join(parts)


def _file(path: str, content: bytes | None, mode: Callable[[str], str]) -> bytes:
    if not path or _UNUSABLE_PATH.search(path):
        raise Rejected("BadPath", f"{path!r} cannot be written: paths are relative, without `..` or control characters")
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if content is None:
        return f"D {quoted}\n".encode()
    return f"M {mode(path)} inline {quoted}\ndata {len(content)}\n".encode() + content + b"\n"


def _said_by_remote(stderr: str) -> str:
    lines = [line.removeprefix("remote:").strip() for line in stderr.splitlines() if line.startswith("remote:")]
    return " ".join(line for line in lines if line) or "the host gave no reason"
