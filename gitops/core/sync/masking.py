"""Masks credentials outside Secrets: a password in a ConfigMap, a token in a container's environment, user information
in a URL.

Such values are recognised by the names of their fields. Neither Kubernetes nor git keeps them secret; masking keeps
them off pages, logs and Events, which more people read.
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
"""Names have a bound and begin at a word boundary, so that a long text is searched in linear time."""
_USER = re.compile(r"(?<=://)[^/@\s'\"]+@")


def is_credential(path: str) -> bool:
    """True if the name of the field says that its value is a credential, or if the name is not in the path.

    `path`: as in ownership.fields.
    """
    above, _, last = path.rpartition("/")
    if last == "value" and above.rpartition("/")[0].endswith("/env"):
        return bool(_POSITION.search(path) or _SUSPECT.search(fields.last_name(above)))
    name = fields.last_name(path)
    return bool(_SUSPECT.search(name) if _FREE.match(path) else _FIELD.search(name))


def without_credentials(text: str) -> str:
    """Masks the values that a text assigns to such names (`password: x`, `--token=x`, `"apiKey": "x"`), and user
    information in URLs.
    """
    return _USER.sub(f"{MASK}@", _ASSIGNED.sub(rf"\g<name>{MASK}", text))
