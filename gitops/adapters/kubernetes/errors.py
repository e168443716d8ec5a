"""Translates failures of an API server into Rejected, Conflict or Unavailable.

A server's message may repeat the request. For Secrets nothing of the message is passed on; for other objects only the
dumps of whole values are removed (the template of an immutable Job holds every environment variable).
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
"""The value of an environment variable or a map entry in a message; the field's name and the complaint stay."""
_MISTYPED_VALUE = re.compile(r"&value\.valueUnstructured\{Value:.*\}", re.DOTALL)
_TRANSIENT = ("not yet ready to handle request", "not allowed while custom resource definition is terminating")
# Server-side apply answers 500 without a reason for these, though only the manifest is wrong
# (structuredmerge/typeconverter.go, fieldmanager.go return plain errors).
_BAD_MANIFEST = ("failed to create typed patch object", "failed to convert new object")
_STATIC_FIELDS = frozenset({"data", "stringData", "type", "immutable", "metadata.name", "metadata.labels"})


@dataclass(frozen=True, slots=True)
class ApiFailure:
    """An answer that is not a success. `about` names the object or path; `confidential` is True for Secrets."""

    status: int
    content: bytes
    about: str
    headers: Mapping[str, str] = field(default_factory=dict)
    confidential: bool = False


def translate(failure: ApiFailure) -> GitopsError:
    """Translates a failure into the error to raise."""
    status_object = _status_object(failure.content)
    reason = str(status_object.get("reason") or "") or _REASONS.get(failure.status, f"Http{failure.status}")
    message = f"{failure.about}: {_describe(failure, status_object, reason)}"
    if _is_transient(failure.status, status_object):
        return Unavailable(reason, message, retry_after=_retry_after(failure, status_object))
    if failure.status in (409, 410):
        return Conflict(reason, message)
    if failure.status == 404 and not status_object.get("details"):
        return Rejected("NoMatches", f"{failure.about}: the server does not serve this kind; is its CRD installed?")
    return Rejected("Invalid" if failure.status == 500 else reason, message)


def unreachable(about: str, error: Exception) -> Unavailable:
    """The error of an unanswered request. `error` is a urllib3 or TLS error, whose text names host and port only."""
    detail = re.sub(r"<[^>]* at 0x[0-9a-f]+>|\(?object at 0x[0-9a-f]+\)?", "", str(error)).strip(": ")
    return Unavailable(
        "Unreachable", f"{about}: the API server did not answer ({type(error).__name__}: {detail[:300]})"
    )


def _is_transient(status: int, status_object: Mapping[str, Any]) -> bool:
    """True if the same request may succeed later."""
    message = str(status_object.get("message") or "")
    details = status_object.get("details") or {}
    if status == 500:
        return not message.startswith(_BAD_MANIFEST)
    if status == 403:
        causes = {cause.get("reason") for cause in details.get("causes") or ()}
        return "NamespaceTerminating" in causes or any(phrase in message for phrase in _TRANSIENT)
    if status == 409:  # two requests updated a quota at the same time; no object of ours has changed
        return details.get("kind") == "resourcequotas"
    return status in (401, 408, 429) or status > 500


def _describe(failure: ApiFailure, status_object: Mapping[str, Any], reason: str) -> str:
    if failure.confidential:
        fields = _list_fields(status_object)
        return f"refused ({reason}{fields}); the server's words are withheld, they may hold secret values"
    message = str(status_object.get("message") or "") or failure.content[:300].decode(errors="replace").strip()
    message = _DUMPED_VALUE.sub("…", message)
    message = _ECHOED_VALUE.sub("…", message)
    message = _MISTYPED_VALUE.sub("another type", message)
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"


def _list_fields(status_object: Mapping[str, Any]) -> str:
    causes = (status_object.get("details") or {}).get("causes") or ()
    fields = {str(cause.get("field") or "").partition("[")[0] for cause in causes} & _STATIC_FIELDS
    return f" at {', '.join(sorted(fields))}" if fields else ""


def _retry_after(failure: ApiFailure, status_object: Mapping[str, Any]) -> float | None:
    header = next((value for name, value in failure.headers.items() if name.lower() == "retry-after"), None)
    seconds = header or (status_object.get("details") or {}).get("retryAfterSeconds")
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
