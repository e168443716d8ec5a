"""Failures of an API server become errors that say what happens next. Bodies were recorded from 1.36 and shortened."""

import json
from typing import Any

import pytest

from gitops.adapters.kubernetes.errors import ApiFailure, translate
from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable


def failure(status: int, said: dict[str, Any] | bytes, *, confidential: bool = False, **headers: str) -> ApiFailure:
    content = said if isinstance(said, bytes) else json.dumps({"kind": "Status", "code": status, **said}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ApiFailure(status, content, "ConfigMap dev/settings", named, confidential=confidential)


QUOTA = {"message": "Operation cannot be fulfilled on resourcequotas", "details": {"kind": "resourcequotas"}}
TERMINATING = {
    "message": "unable to create new content in namespace dev because it is being terminated",
    "reason": "Forbidden",
    "details": {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]},
}
TERMINATING_CRD = 'things.x "a" is forbidden: create not allowed while custom resource definition is terminating'
OVER_QUOTA = {"message": "exceeded quota: env, requested: cpu=2", "reason": "Forbidden", "details": {"kind": "pods"}}


@pytest.mark.parametrize(
    ("given", "kind", "reason"),
    [
        (failure(400, {"message": "no", "reason": "BadRequest"}), Rejected, "BadRequest"),
        (failure(401, {"message": "Unauthorized", "reason": "Unauthorized"}), Unavailable, "Unauthorized"),
        (failure(403, OVER_QUOTA), Rejected, "Forbidden"),
        (failure(403, TERMINATING), Unavailable, "Forbidden"),
        (failure(403, {"message": "is forbidden: not yet ready to handle request"}), Unavailable, "Forbidden"),
        (failure(403, {"message": TERMINATING_CRD, "reason": "Forbidden"}), Unavailable, "Forbidden"),
        (failure(404, b"404 page not found"), Rejected, "NoMatches"),
        (failure(404, {"reason": "NotFound", "details": {}}), Rejected, "NoMatches"),
        (failure(404, {"reason": "NotFound", "details": {"kind": "namespaces"}}), Rejected, "NotFound"),
        (failure(409, {"reason": "Conflict", "details": {"kind": "configmaps"}}), Conflict, "Conflict"),
        (failure(409, {"reason": "AlreadyExists", "details": {"kind": "configmaps"}}), Conflict, "AlreadyExists"),
        (failure(409, {"reason": "Conflict", **QUOTA}), Unavailable, "Conflict"),
        (failure(410, {"reason": "Expired"}), Conflict, "Expired"),
        (failure(413, b"<html>too large</html>"), Rejected, "RequestEntityTooLarge"),
        (failure(422, {"reason": "Invalid", "details": {"kind": "ConfigMap"}}), Rejected, "Invalid"),
        (failure(429, b""), Unavailable, "TooManyRequests"),
        (failure(500, {"message": "failed to create typed patch object (…): .dota"}), Rejected, "Invalid"),
        (
            failure(500, {"message": 'failed calling webhook "w"', "reason": "InternalError"}),
            Unavailable,
            "InternalError",
        ),
        (failure(500, {"message": "etcdserver: request timed out"}), Unavailable, "InternalError"),
        (failure(502, b"<html>Bad gateway</html>"), Unavailable, "Http502"),
        (failure(503, b""), Unavailable, "ServiceUnavailable"),
        (failure(504, {"reason": "Timeout"}), Unavailable, "Timeout"),
    ],
)
def test_api_failure_becomes_the_right_error_and_reason(
    given: ApiFailure, kind: type[GitopsError], reason: str
) -> None:
    error = translate(given)
    assert (type(error), error.reason) == (kind, reason)
    assert "ConfigMap dev/settings" in error.message


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (failure(429, b"", Retry_After="3"), 3.0),
        (failure(503, {"details": {"retryAfterSeconds": 7}}), 7.0),
        (failure(429, b"", Retry_After="Mon, 23 Nov 2026 12:00:00 GMT"), None),
        (failure(503, b""), None),
    ],
)
def test_api_failure_has_the_time_of_retry_after(given: ApiFailure, seconds: float | None) -> None:
    error = translate(given)
    assert isinstance(error, Unavailable)
    assert error.retry_after == seconds


def test_api_failure_of_a_secret_names_only_its_fields() -> None:
    causes = [
        {"field": "data[hunter2]", "message": "Invalid value: hunter2"},
        {"field": "type", "message": "hunter2"},
        {"field": "hunter2"},
    ]
    said = {"reason": "Invalid", "message": "hunter2", "details": {"causes": causes}}
    message = translate(failure(422, said, confidential=True)).message
    assert "hunter2" not in message
    assert "at data, type" in message


def test_api_failure_message_is_cut_and_has_no_dump() -> None:
    said = {"message": 'a: Invalid value: {"x": {"y": "hunter2"}}: is immutable' + "!" * 5000, "reason": "Invalid"}
    message = translate(failure(422, said)).message
    assert "a: Invalid value: …: is immutable!!!" in message
    assert len(message) < 2000
