"""Names of git repositories and refs, as strangers write them. Comparing never resolves, fetches or decodes."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_URL = re.compile(rf"(?P<scheme>https?|ssh|git)://(?:[^@/]*@)?{_HOST}(?::(?P<port>[0-9]{{1,5}}))?/(?P<path>[^?#\s]+)")
_SCP = re.compile(rf"(?:[A-Za-z0-9][A-Za-z0-9._-]*@)?{_HOST}:(?P<path>(?!//)[^?#:\s-][^?#:\s]*)")
_FILE = re.compile(r"(?:file://(?:localhost)?)?(?P<path>/[^?#]+)")
_GIT_HOST = r"[A-Za-z0-9\[][A-Za-z0-9.:\]-]*"
_GIT_USER = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_GIT_SCP = re.compile(rf"{_GIT_USER}@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9._~/][A-Za-z0-9._~/-]*")
_GIT_URL = re.compile(rf"(?:https://{_GIT_HOST}|ssh://(?:{_GIT_USER}@)?{_GIT_HOST})/[^\s$\\;|&<>`'\"]+")
_GIT_PATH = re.compile(r"(?:file://)?/[^\x00-\x1f\x7f]*")
_PORTS = {"http": "80", "https": "443", "ssh": "22", "git": "9418"}
_FAMILIES = {"https": "http"}
_LONGEST_URL = 2048
_LONGEST_REF = 255
_NOT_IN_REFS = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


@dataclass(frozen=True, slots=True, order=True)
class GitUrl:
    """What makes two URLs name the same repository: http and https count as one family, a scheme's default port as
    none, and neither user, `.git`, trailing slash nor the host's case counts at all.
    """

    family: str
    host: str
    port: str
    path: str

    def __str__(self) -> str:
        """For people: `git.example/team/config`, or the path of a repository on disk."""
        port = f":{self.port}" if self.port else ""
        return f"{self.host}{port}/{self.path}"


def parse(url: str) -> GitUrl | None:
    """`https://`, `ssh://`, `git://` and `file://` URLs, `user@host:path` and absolute paths; None for all else.

    A host outside ASCII, a second `@`, a backslash, or `.`, `..` or an empty segment in the path is all else.
    """
    if len(url) > _LONGEST_URL or not url.isprintable() or "\\" in url:
        return None
    if match := _URL.fullmatch(url):
        scheme, port = match["scheme"], match["port"] or ""
        place = (_FAMILIES.get(scheme, scheme), match["host"].lower(), "" if port == _PORTS[scheme] else port)
    elif match := _FILE.fullmatch(url):
        place = ("file", "", "")
    elif match := _SCP.fullmatch(url):
        place = ("ssh", match["host"].lower(), "")
    else:
        return None
    path = match["path"].removeprefix("/").removesuffix("/").removesuffix(".git")
    if any(segment in {"", ".", ".."} for segment in path.split("/")):
        return None
    return GitUrl(*place, path)


def is_for_git(url: str) -> bool:
    """Whether git may be given a URL: https without a user, ssh (also `git@host:path`) or an absolute path.

    Not options, `ext::` and other helpers, protocols that prove nothing, or a password.
    """
    known = _GIT_SCP.fullmatch(url) or _GIT_URL.fullmatch(url) or _GIT_PATH.fullmatch(url)
    return known is not None and "::" not in url


def is_on_disk(url: str) -> bool:
    return _GIT_PATH.fullmatch(url) is not None


def names_any(urls: Iterable[str], repos: Collection[GitUrl]) -> bool:
    """True when one of the URLs names one of the repositories."""
    return any(parse(url) in repos for url in urls)


def is_ref(name: str) -> bool:
    """True for the full name of a branch or tag by the rules of git check-ref-format; beyond them no segment may
    start with `-`, none may hold invisible characters, and 255 characters are enough.

    https://git-scm.com/docs/git-check-ref-format
    """
    if not name.startswith(("refs/heads/", "refs/tags/")) or len(name) > _LONGEST_REF or not name.isprintable():
        return False
    if _NOT_IN_REFS.search(name) or name.endswith((".", "/")):
        return False
    return not any(segment.startswith((".", "-")) or segment.endswith(".lock") for segment in name.split("/"))
