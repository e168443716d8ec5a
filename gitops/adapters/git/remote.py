"""The config repo's host: our credentials, its certificate or host keys, and the meaning of its errors.

Only a command that speaks to the host gets credentials. git sends a token as a header to this one host and port. The
header reaches git in an environment variable, so the token is in no URL, argument, file or credential cache. git
follows no redirect. ssh reads no user's configuration, asks no agent, and accepts the pinned host keys only.
"""

import base64
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from gitops.adapters.git import refusals as git_refusals
from gitops.adapters.git.process import Git, GitResult, is_local, sanitize
from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.runtime.secret_files import SecretFiles

_SSH_OPTIONS = (
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
_DISK_FULL = re.compile(r"No space left|Disk quota exceeded")
_ABOVE_CAP = re.compile(r"File too large|died of signal 25")  # 25 = SIGXFSZ
PARTIAL = {"remote.origin.promisor": "true", "remote.origin.partialclonefilter": "blob:none"}
"""Settings of commands that must know that the clone is partial. Other commands go without them: with these settings
git takes seconds to report a missing object, because it looks for a promisor remote first.
"""
_HIDDEN = "…"


@dataclass(frozen=True, slots=True)
class GitAccess:
    """The credentials for one host, and the proof of its identity.

    https: `token` is the password of `username`, `ca_file` (PEM) replaces the system's authorities, `proxy` is a URL.
    ssh: `key` is the file of a private key, `known_hosts` the file of the host's public keys.
    """

    username: str = "git"
    token: SecretFiles | None = None
    ca_file: Path | None = None
    proxy: str = ""
    key: Path | None = None
    known_hosts: Path | None = None

    def secret_forms(self) -> Sequence[str]:
        """Every form in which a token could appear. Logs, pages and messages must hold none of them."""
        return [form for value in (self.token() if self.token else ()) for form in _forms(self.username, value)]


@dataclass(frozen=True, slots=True)
class GitRemote:
    """One repository on a host. `where` names it in messages."""

    url: str
    access: GitAccess
    where: str

    def ask(self, git: Git, arguments: Sequence[str], *, limit: float, stdin: bytes = b"") -> GitResult:
        """Runs a command that speaks to the host, with the present credentials, and cuts them out of its output.

        Raises: Unavailable(CredentialsMissing, GitTimeout).
        """
        if is_local(self.url):
            local = replace(git, protocols="file", settings={**git.settings, **PARTIAL})
            return local.run(arguments, limit=limit, stdin=stdin)
        token = self._read_token()
        settings = {**git.settings, **PARTIAL, **self._settings(token)}
        environment = {**git.environment, "GIT_SSH_COMMAND": self._ssh_command(), "GIT_SSH_VARIANT": "ssh"}
        remote = replace(git, protocols=self._protocol, settings=settings, environment=environment)
        finished = remote.run(arguments, limit=limit, stdin=stdin)
        return _redact(finished, _forms(self.access.username, token)) if token else finished

    def translate(self, stderr: str, verb: str) -> GitopsError:
        """Translates git's stderr into the error to raise. `verb` is what failed: `fetched` or `pushed to`."""
        if "couldn't find remote ref" in stderr:
            return Rejected(
                "TrunkGone", f"{self.where}: the remote has no such branch; the last known head stays in use"
            )
        refusal = git_refusals.find(stderr.replace(self.url, ""))
        if refusal is not None:
            sentence = refusal.sentence.format(login=self._login, identity=self._identity)
            quoted = f" ({words})" if (words := git_refusals.quote_words(stderr)) else ""
            return Unavailable(refusal.reason, f"{self.where} cannot be {verb}: {sentence}{quoted}")
        if "object-format" in stderr or "mismatched algorithms" in stderr:
            return Rejected(
                "Sha256Repository", f"{self.where}: repositories with SHA-256 object names are not supported"
            )
        if is_above_cap(stderr):
            advice = "the host sends more than the limit; allow partial clones there (uploadpack.allowFilter)"
            return Unavailable("FetchTooLarge", f"{self.where} cannot be {verb}: {advice}")
        reason = "DiskFull" if _DISK_FULL.search(stderr) else "RemoteUnavailable"
        return Unavailable(reason, f"{self.where} cannot be {verb}: {sanitize(stderr)}")

    @property
    def _protocol(self) -> str:
        return "https" if self.url.startswith("https:") else "ssh"

    @property
    def _identity(self) -> str:
        if self.access.key:
            return f"the key {self.access.key}"
        return f"the token of {self.access.username}" if self.access.token else "a client without credentials"

    @property
    def _login(self) -> str:
        if self.access.token or self.access.key:
            return f"the host does not accept {self._identity}"
        return "the host asks for a log-in"

    def _read_token(self) -> bytes:
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

    def _ssh_command(self) -> str:
        files = {"UserKnownHostsFile": self.access.known_hosts, "IdentityFile": self.access.key}
        given = [f'-o{name}="{file.absolute() if file else "/dev/null"}"' for name, file in files.items()]
        return shlex.join(["ssh", *_SSH_OPTIONS, *given])


def is_above_cap(stderr: str) -> bool:
    """True if git ended because a file that it received grew above Git.largest_output."""
    return _ABOVE_CAP.search(stderr) is not None


def _header(username: str, token: bytes) -> str:
    return f"Authorization: Basic {_basic(username, token)}"


def _basic(username: str, token: bytes) -> str:
    return base64.b64encode(username.encode() + b":" + token).decode()


def _forms(username: str, token: bytes) -> Sequence[str]:
    """The forms of a token that messages must not repeat: some hosts and proxies echo what they received."""
    plain = token.decode(errors="replace")
    return [plain, quote(token, safe=""), base64.b64encode(token).decode(), _basic(username, token)]


def _redact(finished: GitResult, secrets: Sequence[str]) -> GitResult:
    stdout, stderr = finished.stdout, finished.stderr
    for secret in secrets:
        stdout = stdout.replace(secret.encode(), _HIDDEN.encode())
        stderr = stderr.replace(secret, _HIDDEN)
    return GitResult(finished.code, stdout, stderr)
