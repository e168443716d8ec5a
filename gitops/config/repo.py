"""`repo.credentials` of lockstep.yaml: how Lockstep and the config repo's host authenticate each other."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from gitops.config.fields import AnchoredPath, SecretSource, Section
from gitops.core.parsing import git_urls

PROXY = r"^https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?$"
"""No password: it would have to be hidden in as many places as the token."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f%\"'$`\\]")


def _require_plain(path: Path) -> Path:
    if _UNSAFE.search(str(path)):
        raise ValueError(
            "ssh cannot be given this path: write one without quotes, `%`, `$`, `\\` and control characters"
        )
    return path


SshPath = Annotated[AnchoredPath, AfterValidator(_require_plain)]


class RepoCredentials(Section):
    """The credentials of the config repo. For https: `token`, sent as the password of `username` (most hosts accept any
    name with a token). For ssh: `key`, the file of a private key without a passphrase, and `knownHosts`, the file with
    the host's public keys; every other key of the host is refused. Lockstep reads the files again for each command, so
    rotation needs no restart.
    """

    username: Annotated[str, Field(pattern=r"^[^:\x00-\x1f\x7f]{1,255}$")] = "git"
    token: SecretSource | None = None
    key: SshPath | None = None
    known_hosts: SshPath | None = None


def require_fit(url: str, credentials: RepoCredentials | None, https: Mapping[str, object]) -> None:
    """Checks that the credentials fit the URL's transport. `https`: the other fields that are for https alone, None if
    they are not set.

    Raises: ValueError if the transport cannot use a field that is set, or needs one that is not.
    """
    given = credentials or RepoCredentials()
    parsed = git_urls.parse(url)
    is_https, is_ssh = url.startswith("https://"), parsed is not None and parsed.family == "ssh"
    if is_ssh and not (given.key and given.known_hosts):
        raise ValueError(
            "an ssh URL needs `credentials: {key: …, knownHosts: …}`: the files of a private key and of the host's keys"
        )
    if given.token and not is_https:
        raise ValueError("`credentials.token` belongs to an https:// URL")
    if (given.key or given.known_hosts) and not is_ssh:
        raise ValueError("`credentials.key` and `credentials.knownHosts` belong to an ssh URL")
    for name, value in https.items():
        if value is not None and not is_https:
            raise ValueError(f"`{name}` belongs to an https:// URL")


def missing_access(credentials: RepoCredentials | None, ca_file: Path | None) -> Iterator[tuple[tuple[str, ...], str]]:
    """The files and variables that `repo` names and that cannot be used: field path below `repo`, and the reason."""
    given = credentials or RepoCredentials()
    for missing in given.token.current().missing() if given.token else ():
        yield ("credentials", "token"), f"{missing} is empty or cannot be read; put the token there"
    files = ((("credentials", "key"), given.key), (("credentials", "knownHosts"), given.known_hosts))
    for where, file in (*files, (("caFile",), ca_file)):
        if file is not None and not _has_content(file):
            yield where, f"file {file} is empty or cannot be read"


def _has_content(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(1) != b""
    except OSError:
        return False
