"""URLs of git repositories and names of refs, as webhooks and people write them. Comparing needs no network."""

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
    """Identity of a repository: two URLs that name the same one are equal. http and https are one `family`; a scheme's
    default port is empty; user, `.git`, a trailing slash and the case of the host are dropped.
    """

    family: str
    host: str
    port: str
    path: str

    def __str__(self) -> str:
        """`git.example/team/config`, or the path of a repository on disk."""
        port = f":{self.port}" if self.port else ""
        return f"{self.host}{port}/{self.path}"


def parse(url: str) -> GitUrl | None:
    """Parses `https://`, `ssh://`, `git://` and `file://` URLs, `user@host:path` and absolute paths; else None.

    Also None: a host outside ASCII, a second `@`, a backslash, and `.`, `..` or an empty segment in the path.
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
    """True if git may be called with this URL: https without a user, ssh (also `git@host:path`) or an absolute path.

    False for options, `ext::` and other remote helpers, protocols without authentication of the host, and passwords.
    """
    known = _GIT_SCP.fullmatch(url) or _GIT_URL.fullmatch(url) or _GIT_PATH.fullmatch(url)
    return known is not None and "::" not in url


def is_on_disk(url: str) -> bool:
    return _GIT_PATH.fullmatch(url) is not None


def names_any(urls: Iterable[str], repos: Collection[GitUrl]) -> bool:
    """True if one of the URLs names one of the repositories."""
    return any(parse(url) in repos for url in urls)


def is_ref(name: str) -> bool:
    """True for the full name of a branch or tag by the rules of git check-ref-format. Stricter than git: no segment
    starts with `-`, no character is invisible, and the name has at most 255 characters.

    https://git-scm.com/docs/git-check-ref-format
    """
    if not name.startswith(("refs/heads/", "refs/tags/")) or len(name) > _LONGEST_REF or not name.isprintable():
        return False
    if _NOT_IN_REFS.search(name) or name.endswith((".", "/")):
        return False
    return not any(segment.startswith((".", "-")) or segment.endswith(".lock") for segment in name.split("/"))
