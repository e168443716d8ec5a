"""Makes text from git, the cluster and webhook senders safe to show: it may be long, misleading or hostile.

HTML escaping is not done here; the templates do it (autoescape).
"""

import re
from urllib.parse import urlsplit

SHORT = 300
LONG = 2_000
MASK = "***"

# Characters that are invisible or move other text around: C0 and C1 controls, zero-width and bidirectional marks
# (https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing), line separators, tags, lone surrogates.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff0-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_BREAKS = re.compile(r"[ \t]*(?:\r\n|\r|\n)[ \t]*")
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_UNFINISHED = re.compile(r"(?<=://)[^/\s]*\Z")


def clean(text: str, limit: int = SHORT) -> str:
    """Cuts the text to `limit` characters plus `…`, keeps line breaks, shows invisible characters as U+FFFD and masks
    credentials in URLs.
    """
    cut = text[: limit * 2]
    if len(cut) < len(text):
        cut = _UNFINISHED.sub(f"{MASK}@", cut)
    lines = _BREAKS.split(_USERINFO.sub(f"{MASK}@", cut.replace("\t", " ")))
    shown = "\n".join(_INVISIBLE.sub("\ufffd", line) for line in lines).strip()
    return shown if len(shown) <= limit and len(text) <= limit * 2 else f"{shown[:limit].rstrip()}…"


def web_address(text: str) -> str:
    """`text` if it is safe as a link: an absolute http or https URL without credentials. Otherwise empty."""
    if _INVISIBLE.search(text) or len(text) > LONG or any(character in text for character in ' "<>\\'):
        return ""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    except ValueError:
        return ""
    return text if valid else ""
