"""The answers of an API server that are no success -> Rejected, Conflict, Unavailable.

What a server says may repeat what it was sent: of a Secret nothing of it is passed on, of other objects everything but
the dumps of whole values (the template of an immutable Job holds every environment variable).
https://kubernetes.io/docs/reference/using-api/api-concepts/ and staging/src/k8s.io/apimachinery/pkg/api/errors.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable

_LONGEST_MESSAGE = 1500
_DUMPED_VALUE = re.compile(r"(?<=Invalid value: )[{\[].*[}\]](?=: )", re.DOTALL)
_ECHOED_VALUE = re.compile(r'(?<=value: Invalid value: ").*?(?=": )|(?<=\]: Invalid value: ").*?(?=": )')
"""What the server echoes of an env variable's or a map entry's value; the field's name and the complaint stay."""
_MISTYPED_VALUE = re.compile(r"&value\.valueUnstructured\{Value:.*\}", re.DOTALL)
_PASSING = ("not yet ready to handle request", "not allowed while custom resource definition is terminating")
# Server-side apply answers these with 500 and no reason, though nothing but the manifest is wrong
# (structuredmerge/typeconverter.go, fieldmanager.go return plain errors).
_BAD_MANIFEST = ("failed to create typed patch object", "failed to convert new object")
_STATIC_FIELDS = frozenset({"data", "stringData", "type", "immutable", "metadata.name", "metadata.labels"})


@dataclass(frozen=True, slots=True)
class ApiFailure:
    """One unsuccessful answer. `about` names the object or path for people; `confidential` when it is about Secrets."""

    status: int
    content: bytes
    about: str
    headers: Mapping[str, str] = field(default_factory=dict)
    confidential: bool = False


def translate(failure: ApiFailure) -> GitopsError:
    """What the caller should raise."""
    said = _status_object(failure.content)
    reason = str(said.get("reason") or "") or _REASONS.get(failure.status, f"Http{failure.status}")
    message = f"{failure.about}: {_words(failure, said, reason)}"
    if _is_passing(failure.status, said):
        return Unavailable(reason, message, retry_after=_retry_after(failure, said))
    if failure.status in (409, 410):
        return Conflict(reason, message)
    if failure.status == 404 and not said.get("details"):
        return Rejected("NoMatches", f"{failure.about}: the server does not serve this kind; is its CRD installed?")
    return Rejected("Invalid" if failure.status == 500 else reason, message)


def unreachable(about: str, error: Exception) -> Unavailable:
    """For a request that got no answer. `error` is a urllib3 or TLS error; its text names host and port only."""
    detail = re.sub(r"<[^>]* at 0x[0-9a-f]+>|\(?object at 0x[0-9a-f]+\)?", "", str(error)).strip(": ")
    return Unavailable(
        "Unreachable", f"{about}: the API server did not answer ({type(error).__name__}: {detail[:300]})"
    )


def _is_passing(status: int, said: Mapping[str, Any]) -> bool:
    """True when the same request may well succeed later, with nobody changing it."""
    message = str(said.get("message") or "")
    details = said.get("details") or {}
    if status == 500:
        return not message.startswith(_BAD_MANIFEST)
    if status == 403:
        causes = {cause.get("reason") for cause in details.get("causes") or ()}
        return "NamespaceTerminating" in causes or any(phrase in message for phrase in _PASSING)
    if status == 409:  # two requests met at a quota's counter; neither is about a changed object of ours
        return details.get("kind") == "resourcequotas"
    return status in (401, 408, 429) or status > 500


def _words(failure: ApiFailure, said: Mapping[str, Any], reason: str) -> str:
    if failure.confidential:
        return f"refused ({reason}{_named_fields(said)}); the server's words are withheld, they may hold secret values"
    message = str(said.get("message") or "") or failure.content[:300].decode(errors="replace").strip()
    message = _DUMPED_VALUE.sub("…", message)
    message = _ECHOED_VALUE.sub("…", message)
    message = _MISTYPED_VALUE.sub("another type", message)
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"


def _named_fields(said: Mapping[str, Any]) -> str:
    causes = (said.get("details") or {}).get("causes") or ()
    fields = {str(cause.get("field") or "").partition("[")[0] for cause in causes} & _STATIC_FIELDS
    return f" at {', '.join(sorted(fields))}" if fields else ""


def _retry_after(failure: ApiFailure, said: Mapping[str, Any]) -> float | None:
    header = next((value for name, value in failure.headers.items() if name.lower() == "retry-after"), None)
    seconds = header or (said.get("details") or {}).get("retryAfterSeconds")
    try:
        return max(0.0, float(seconds)) if seconds is not None else None
    except ValueError:  # RFC 9110 also allows a date; no API server sends one
        return None


def _status_object(content: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" else {}


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
