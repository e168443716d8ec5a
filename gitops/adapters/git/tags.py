"""Tags of the remote, each with its message and the identity that signed it.

Only SSH signatures count. git checks them against an allowed-signers file that lies outside the repository:
https://git-scm.com/docs/git-config#Documentation/git-config.txt-gpgsshallowedSignersFile
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitops.adapters.git import dates as git_dates
from gitops.adapters.git.process import LOCAL_LIMIT, Git, sanitize
from gitops.core.errors import Unavailable
from gitops.core.promotion.requests import SignedTag

_HELD = "refs/lockstep/tags/"
_MOST_TAGS = 500
_LONGEST_MESSAGE = 8192
_FIELDS = (
    "%(refname)%00%(objectname)%00%(objecttype)%00%(*objecttype)%00%(*objectname)%00%(tag)%00%(taggerdate:unix)%00"
    "%(taggername)%00%(contents)%00%01"
)
_SIGNATURE = re.compile(r"^-----BEGIN ([A-Z ]+)-----$", re.MULTILINE)
_GOOD = re.compile(r'^Good "git" signature for (.+) with \S+ key SHA256:', re.MULTILINE)


@dataclass(slots=True)
class Tags:
    """Reads tags. `allowed_signers` is the file; without it no signature counts.

    A verified signature is remembered until the file changes or the tag is gone.
    """

    allowed_signers: Path | None = None
    _allowed: bytes = b""
    _verified: dict[str, str | None] = field(default_factory=dict)

    def fetch_arguments(self, prefixes: Sequence[str], filtered: str) -> Sequence[str]:
        """The arguments of the git command that mirrors the remote's tags below these prefixes. `filtered` is its
        --filter option.
        """
        arguments = ["fetch", "--quiet", "--force", "--prune", "--no-tags", "--no-write-fetch-head", filtered]
        refspecs = [f"+refs/tags/{prefix}*:{_HELD}{prefix}*" for prefix in prefixes]
        return [*arguments, "--end-of-options", "origin", *refspecs]

    def read(self, git: Git, prefixes: Sequence[str]) -> tuple[SignedTag, ...]:
        """Reads the newest tags of the last fetch. Raises: Unavailable(GitFailed)."""
        patterns = [_HELD + prefix for prefix in prefixes]
        arguments = ["for-each-ref", f"--count={_MOST_TAGS}", "--sort=-creatordate", f"--format={_FIELDS}"]
        finished = git.run([*arguments, *patterns], limit=LOCAL_LIMIT)
        if finished.code:
            raise Unavailable("GitFailed", f"the tags cannot be read: {sanitize(finished.stderr)}")
        self._reread_signers()
        records = finished.stdout.decode(errors="replace").split("\0\1")
        tags = tuple(self._parse(git, record.lstrip("\n")) for record in records if record.strip())
        present = {tag.id for tag in tags}
        self._verified = {tag: signer for tag, signer in self._verified.items() if tag in present}
        return tags

    def _parse(self, git: Git, record: str) -> SignedTag:
        ref, object_id, kind, target_kind, target, name_inside, seconds, tagger, contents = record.split("\0", 8)
        name = ref.removeprefix(_HELD)
        if kind != "tag" or target_kind != "commit":
            return SignedTag(name, object_id, object_id, is_annotated=False)
        signature = _SIGNATURE.search(contents)
        return SignedTag(
            name=name,
            id=object_id,
            commit=target,
            is_annotated=True,
            name_inside=name_inside,
            tagged_at=git_dates.parse(seconds),
            message=(contents[: signature.start()] if signature else contents)[:_LONGEST_MESSAGE],
            tagger=sanitize(tagger),
            signer=self._find_signer(git, object_id) if signature and signature[1] == "SSH SIGNATURE" else None,
        )

    def _reread_signers(self) -> None:
        try:
            allowed = self.allowed_signers.read_bytes() if self.allowed_signers else b""
        except OSError:
            allowed = b""
        if allowed != self._allowed:
            self._allowed, self._verified = allowed, {}

    def _find_signer(self, git: Git, tag: str) -> str | None:
        if not self._allowed:
            return None
        if tag not in self._verified:
            self._verified[tag] = self._verify(git, tag)
        return self._verified[tag]

    def _verify(self, git: Git, tag: str) -> str | None:
        setting = f"gpg.ssh.allowedSignersFile={self.allowed_signers}"
        finished = git.run(["-c", setting, "verify-tag", "--end-of-options", tag], limit=LOCAL_LIMIT)
        good = _GOOD.search(finished.stderr)
        return sanitize(good[1]) if finished.code == 0 and good else None
