"""The config repo's host: who we are to it, how it proves itself, and what its refusals mean.

Only a command that speaks to the host gets credentials. A token goes into a header that git sends to this one host and
port: by an environment variable, so that it stands in no URL, no argument, no file and no credential cache. Redirects
are never followed. ssh reads nobody's configuration, asks no agent, and accepts the pinned host keys alone.
"""

import base64
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from gitops.adapters.git import refusals as git_refusals
from gitops.adapters.git.process import Git, GitResult, is_local, shown
from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.runtime.secret_files import SecretFiles

_NOBODY = (
    "-F/dev/null",
    "-oBatchMode=yes",
    "-oStrictHostKeyChecking=yes",
    "-oGlobalKnownHostsFile=/dev/null",
    "-oUpdateHostKeys=no",
    "-oIdentityAgent=none",
    "-oIdentitiesOnly=yes",
    "-oPreferredAuthentications=publickey",
    "-oClearAllForwardings=yes",
    "-oConnectTimeout=10",
    "-oServerAliveInterval=10",
    "-oServerAliveCountMax=2",
)
_NO_ROOM = re.compile(r"No space left|Disk quota exceeded")
_TOO_MUCH = re.compile(r"File too large|died of signal 25")  # 25 = SIGXFSZ
PARTIAL = {"remote.origin.promisor": "true", "remote.origin.partialclonefilter": "blob:none"}
"""For commands that must know that objects are left out on purpose. The others do without: where git knows, it takes
seconds to say that an object is missing, since it looks for whoever promised it first.
"""
_HIDDEN = "…"


@dataclass(frozen=True, slots=True)
class GitAccess:
    """`token` is the password of `username` on an https host, `ca_file` holds the certificates that prove the host
    instead of the system's, `proxy` is the URL of what lies in between. `key` and `known_hosts`: files of a private key
    and of an ssh host's public keys.
    """

    username: str = "git"
    token: SecretFiles | None = None
    ca_file: Path | None = None
    proxy: str = ""
    key: Path | None = None
    known_hosts: Path | None = None

    def forms(self) -> Sequence[str]:
        """Every form in which the token could show; nothing that is told anybody may hold one."""
        return [form for value in (self.token() if self.token else ()) for form in _forms(self.username, value)]


@dataclass(frozen=True, slots=True)
class GitRemote:
    """`where` names it in messages."""

    url: str
    access: GitAccess
    where: str

    def ask(self, git: Git, arguments: Sequence[str], *, limit: float, stdin: bytes = b"") -> GitResult:
        """Runs a command that speaks to the host, with the credentials of this moment; its output repeats none of them.

        Raises: Unavailable(CredentialsMissing, GitTimeout).
        """
        if is_local(self.url):
            local = replace(git, protocols="file", settings={**git.settings, **PARTIAL})
            return local.run(arguments, limit=limit, stdin=stdin)
        token = self._token()
        settings = {**git.settings, **PARTIAL, **self._settings(token)}
        environment = {**git.environment, "GIT_SSH_COMMAND": self._ssh(), "GIT_SSH_VARIANT": "ssh"}
        remote = replace(git, protocols=self._protocol, settings=settings, environment=environment)
        finished = remote.run(arguments, limit=limit, stdin=stdin)
        return _without(finished, _forms(self.access.username, token)) if token else finished

    def trouble(self, stderr: str, verb: str) -> GitopsError:
        """What git's complaint means. `verb`: what the remote cannot be, `fetched` or `pushed to`."""
        if "couldn't find remote ref" in stderr:
            return Rejected("TrunkGone", f"{self.where}: the remote has no such branch; what it last held stays in use")
        refusal = git_refusals.find(stderr.replace(self.url, ""))
        if refusal is not None:
            said = refusal.sentence.format(asked=self._asked, identity=self._identity)
            told = f" ({words})" if (words := git_refusals.words(stderr)) else ""
            return Unavailable(refusal.reason, f"{self.where} cannot be {verb}: {said}{told}")
        if "object-format" in stderr or "mismatched algorithms" in stderr:
            return Rejected(
                "Sha256Repository", f"{self.where}: repositories with SHA-256 object names are not supported"
            )
        if is_too_much(stderr):
            said = "the host sends more than one exchange may bring; does it allow partial clones?"
            return Unavailable("FetchTooLarge", f"{self.where} cannot be {verb}: {said} (uploadpack.allowFilter)")
        reason = "DiskFull" if _NO_ROOM.search(stderr) else "RemoteUnavailable"
        return Unavailable(reason, f"{self.where} cannot be {verb}: {shown(stderr)}")

    @property
    def _protocol(self) -> str:
        return "https" if self.url.startswith("https:") else "ssh"

    @property
    def _identity(self) -> str:
        if self.access.key:
            return f"the key {self.access.key}"
        return f"the token of {self.access.username}" if self.access.token else "a visitor without credentials"

    @property
    def _asked(self) -> str:
        if self.access.token or self.access.key:
            return f"the host does not accept {self._identity}"
        return "the host asks for a log-in"

    def _token(self) -> bytes:
        if self.access.token is None:
            return b""
        values = self.access.token()
        if not values:
            missing = ", ".join(self.access.token.missing())
            raise Unavailable("CredentialsMissing", f"{self.where}: {missing} is empty or cannot be read")
        return values[0]

    def _settings(self, token: bytes) -> Mapping[str, str]:
        settings = {"http.followRedirects": "false", "http.sslVerify": "true", "http.proxy": self.access.proxy}
        if self.access.ca_file:
            settings["http.sslCAInfo"] = str(self.access.ca_file.absolute())
        if token:
            host = urlsplit(self.url)
            settings[f"http.{host.scheme}://{host.netloc}/.extraHeader"] = _header(self.access.username, token)
        return settings

    def _ssh(self) -> str:
        files = {"UserKnownHostsFile": self.access.known_hosts, "IdentityFile": self.access.key}
        given = [f'-o{name}="{file.absolute() if file else "/dev/null"}"' for name, file in files.items()]
        return shlex.join(["ssh", *_NOBODY, *given])


def is_too_much(stderr: str) -> bool:
    """Whether git ended because what it received grew above the cap."""
    return _TOO_MUCH.search(stderr) is not None


def _header(username: str, token: bytes) -> str:
    return f"Authorization: Basic {_basic(username, token)}"


def _basic(username: str, token: bytes) -> str:
    return base64.b64encode(username.encode() + b":" + token).decode()


def _forms(username: str, token: bytes) -> Sequence[str]:
    """What must not be repeated: some hosts and proxies put into their answer what they were sent."""
    plain = token.decode(errors="replace")
    return [plain, quote(token, safe=""), base64.b64encode(token).decode(), _basic(username, token)]


def _without(finished: GitResult, secrets: Sequence[str]) -> GitResult:
    stdout, stderr = finished.stdout, finished.stderr
    for secret in secrets:
        stdout = stdout.replace(secret.encode(), _HIDDEN.encode())
        stderr = stderr.replace(secret, _HIDDEN)
    return GitResult(finished.code, stdout, stderr)
