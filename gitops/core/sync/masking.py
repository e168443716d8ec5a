"""What is shown of values outside Secrets that are credentials all the same: a password in a ConfigMap, a token in a
container's environment, user information in a URL.

They can only be told by their names. Kubernetes does not keep such values secret, and neither does git: this keeps
them off pages, logs and Events, where more people look.
"""

import re

from gitops.core.ownership import fields

MASK = "***"
_WORDS = r"passw(?:or)?d|passphrase|secret|token|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key"
_SUSPECT = re.compile(rf"{_WORDS}|(?<![a-z])(?:pwd|pass)(?![a-z])", re.IGNORECASE)
_FIELD = re.compile(rf"(?:{_WORDS})$", re.IGNORECASE)
_FREE = re.compile(r"^/(?:data|binaryData|metadata/annotations)/")
_POSITION = re.compile(r"/env/\d+/value$")
_NAME = rf"[\w.-]{{0,100}}(?:{_WORDS})[\w.-]{{0,100}}"
_ASSIGNED = re.compile(
    rf"(?P<name>(?<![\w.-])(?:{_NAME}[\"']?[ \t]*[:=][ \t]*|-{_NAME}[ \t]+))"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,;&}\]]+)",
    re.IGNORECASE,
)
"""Names are bounded and begin where a word does: so a megabyte of letters is read once."""
_USER = re.compile(r"(?<=://)[^/@\s'\"]+@")


def is_credential(path: str) -> bool:
    """True for a field whose value is a credential by its name, and for one whose name is not known: `path` as in
    core.ownership.fields.
    """
    above, _, last = path.rpartition("/")
    if last == "value" and above.rpartition("/")[0].endswith("/env"):
        return bool(_POSITION.search(path) or _SUSPECT.search(fields.last_name(above)))
    name = fields.last_name(path)
    return bool(_SUSPECT.search(name) if _FREE.match(path) else _FIELD.search(name))


def without_credentials(text: str) -> str:
    """A text without the values that it assigns to such names (`password: x`, `--token=x`, `"apiKey": "x"`), and
    without user information in URLs.
    """
    return _USER.sub(f"{MASK}@", _ASSIGNED.sub(rf"\g<name>{MASK}", text))
