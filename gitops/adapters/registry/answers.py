"""Reads the answers of a registry, and turns failures into Rejected or Unavailable.

People see these messages, and some registries repeat the credentials that they received. So none of them is passed on.
"""

import json
from typing import Any

from gitops.adapters.registry.exchange import RegistryAccess, RegistryCall, RegistryResponse
from gitops.core.errors import GitopsError, Rejected, Unavailable

_LONGEST_WORDS = 300


class RegistryAnswers:
    """The answers of one registry. Thread-safe."""

    def __init__(self, access: RegistryAccess) -> None:
        self._access = access

    def parse_json(self, call: RegistryCall, answer: RegistryResponse) -> Any:
        """Raises: Rejected(BadAnswer) if the body is not JSON."""
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self.bad_answer(call, "is not JSON; is that the registry's URL?") from None

    def bad_answer(self, call: RegistryCall, why: str) -> Rejected:
        """`why` continues a sentence about the answer."""
        return Rejected("BadAnswer", f"{self._access.host}: {call.about}: the answer {why}")

    def translate(self, call: RegistryCall, answer: RegistryResponse) -> GitopsError:
        """Translates an answer that is not a success into the error to raise."""
        about, status = f"{self._access.host}: {call.about}", answer.status
        words = self._redact(_words(answer.body), answer)
        if status == 401:
            return Rejected("Unauthorized", f"{about}: the registry takes no such user name and password{words}")
        if status == 403:
            return Rejected("Forbidden", f"{about}: the registry's user may not read that{words}")
        if status == 404:
            return Rejected("NotFound", f"{about}: the registry does not have it{words}")
        if status == 429 or status >= 500:
            reason = "TooManyRequests" if status == 429 else "RegistryFailed"
            return Unavailable(reason, f"{about}: HTTP {status}{words}", retry_after=_retry_after(answer))
        hint = "; it redirects: is that the registry's URL?" if 300 <= status < 400 else ""
        return Rejected("BadAnswer", f"{about}: HTTP {status}{words}{hint}")

    def too_slow(self, call: RegistryCall) -> Unavailable:
        message = f"{self._access.host}: {call.about}: the answer took longer than {self._access.seconds:g} s"
        return Unavailable("Timeout", message)

    def unreachable(self, call: RegistryCall, error: Exception) -> Unavailable:
        """The error of an unanswered request. It names only the type, because the text would hold the whole URL."""
        kind = type(getattr(error, "reason", None) or error).__name__
        hint = "; does caFile name the authority that signed its certificate?" if "SSL" in kind else ""
        url = self._access.url.rstrip("/") + "/"
        return Unavailable(
            "RegistryUnreachable", f"{self._access.host}: {call.about}: no answer from {url} ({kind}){hint}"
        )

    def _redact(self, words: str, answer: RegistryResponse) -> str:
        """Removes our credentials from the registry's words, and cuts them to length."""
        secrets = [answer.authorization.rpartition(" ")[2], *(self._access.credentials() or ())[1:]]
        for secret in filter(None, secrets):
            words = words.replace(secret, "***")
        return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…)"


def _words(body: bytes) -> str:
    """The registry's error messages, on one line in brackets; empty if it sent none."""
    try:
        errors = json.loads(body)["errors"]
        messages = "; ".join(str(each.get("message") or each.get("code")) for each in errors[:3])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    printable = "".join(c if c.isprintable() else " " for c in messages)
    return f" ({printable})" if printable.strip() else ""


def _retry_after(answer: RegistryResponse) -> float | None:
    try:
        return min(max(0.0, float(answer.headers["retry-after"])), 3600.0)
    except (KeyError, ValueError):  # RFC 9110 also allows a date; then the caller's backoff decides
        return None
