"""The webhook endpoint: authenticates a request, parses it, passes its events on and answers.

The rules are elsewhere: auth.py authenticates, senders/ parses, and the committer behind ports.Inbox decides.

| answer | meaning                                                                                             |
|--------|-----------------------------------------------------------------------------------------------------|
| 200    | the change is pushed to the config repo, or none is needed; one sentence per event tells which      |
| 400    | the delivery is malformed; sending it again does not help                                           |
| 401    | not authentic, or unknown sender: both get the same answer                                          |
| 405    | not POST. No path redirects: Harbor and Gitea would follow with GET and count that as delivered     |
| 413    | the body is larger than this sender's limit                                                         |
| 415    | not JSON                                                                                            |
| 429    | over the rate limit; Retry-After                                                                    |
| 503    | not pushed in time; Retry-After. The committer continues, and the next attempt finds the change made |
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog
from flask import Blueprint, Response, g, jsonify, request
from structlog.contextvars import bind_contextvars, bound_contextvars
from werkzeug.exceptions import RequestEntityTooLarge

from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.core.image_updates.events import ConfigPushed, Event, Ignored, ImageDeleted, ImagePushed, ImageScanned
from gitops.core.parsing.git_urls import GitUrl, names_any
from gitops.ports import Clock, DeliveryObserver, Inbox, WebhookEvents
from webhooks import bodies
from webhooks.auth import Request
from webhooks.deliveries import Delivery
from webhooks.limits import Rate, Tally, TokenBucket
from webhooks.replays import Replays
from webhooks.sender import Sender, largest_body
from webhooks.senders.kinds import KINDS, MEBIBYTE

ARRIVED = "lockstep.arrived"
"""WSGI environ key: the time of the request's first byte, in monotonic seconds. A server that knows it sets it."""

_UNAUTHENTICATED = Rate(per_second=50, burst=200)
_RETRY_AFTER = 5.0
_NO_FORM = "send application/json: form bodies are not read; set the content type in the sender's webhook settings"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookInputs:
    """Everything that the endpoint needs from the rest of the controller.

    `inbox` takes in pushed images, `events` everything else. `repos` are the URLs of the one config repo. `deadline` is
    in seconds and counts from ARRIVED.
    """

    senders: Mapping[str, Sender]
    inbox: Inbox
    repos: frozenset[GitUrl]
    events: WebhookEvents
    observer: DeliveryObserver
    clock: Clock
    deadline: float = 2.5


def blueprint(inputs: WebhookInputs) -> Blueprint:
    """The route POST /hooks/<name>, where `name` is a configured sender."""
    routes = Blueprint("hooks", __name__)
    endpoint = _Endpoint(inputs)
    routes.add_url_rule("/hooks/<name>", "receive", endpoint.receive, methods=["POST"], provide_automatic_options=False)
    routes.after_request(endpoint.observe)
    return routes


class _Endpoint:
    def __init__(self, inputs: WebhookInputs) -> None:
        self._inputs = inputs
        self._largest = largest_body(inputs.senders)
        self._unauthenticated = TokenBucket(_UNAUTHENTICATED, inputs.clock)
        self._buckets = {name: TokenBucket(sender.rate, inputs.clock) for name, sender in inputs.senders.items()}
        self._tally = Tally(inputs.clock)
        self._replays = Replays()
        # An unknown sender name takes the same time and gets the same answer as a wrong secret.
        self._unknown = Sender("", KINDS["github"], _UnknownSecret(), MEBIBYTE, _UNAUTHENTICATED)

    def receive(self, name: str) -> Response:
        sender = self._inputs.senders.get(name, self._unknown)
        headers = {key.lower(): value for key, value in request.headers}
        body = self._read()
        received = Request(headers, body, self._inputs.clock.now().timestamp())
        if not sender.is_authentic(received):
            return self._refuse_unauthenticated()
        g.sender = sender.name
        with bound_contextvars(sender=sender.name, delivery=bodies.fingerprint(body)):
            return self._receive_authentic(sender, received)

    def observe(self, response: Response) -> Response:
        seconds = max(0.0, self._inputs.clock.monotonic() - self._note_arrival())
        self._inputs.observer.delivery_answered(g.get("sender", ""), response.status_code, seconds)
        return response

    def _read(self) -> bytes:
        # The server may refuse larger bodies earlier; this check holds behind any server. werkzeug silently truncates a
        # chunked body at the limit, so one byte more than the limit is read.
        request.max_content_length = self._largest + 1
        body = request.get_data(cache=False)
        if len(body) > self._largest:
            raise RequestEntityTooLarge
        return body

    def _receive_authentic(self, sender: Sender, received: Request) -> Response:
        if len(received.body) > sender.largest_body:
            raise RequestEntityTooLarge
        if not _is_json(received.headers.get("content-type", "")):
            return self._log_refusal(_refusal(415, "UnsupportedMediaType", _NO_FORM))
        if wait := self._buckets[sender.name].take():
            return self._log_refusal(
                _refusal(429, "TooManyRequests", f"sender {sender.name} is over its rate limit", wait)
            )
        try:
            delivery = sender.kind.parse(received.headers, received.body)
            if delivery.signed_id is not None and not sender.signs_id(received):
                delivery = replace(delivery, signed_id=None)
            bind_contextvars(delivery=delivery.id or bodies.fingerprint(received.body))
            return self._accept(delivery, bodies.fingerprint(received.body))
        except Rejected as error:
            return self._log_refusal(_refusal(400, error.reason, str(error)))
        except Unavailable as error:
            return self._log_refusal(_refusal(503, error.reason, str(error), error.retry_after or _RETRY_AFTER))

    def _accept(self, delivery: Delivery, fingerprint: str) -> Response:
        is_known = self._replays.knows(g.sender, fingerprint)
        if delivery.signed_id is not None and self._replays.knows(g.sender, delivery.signed_id):
            is_known, results = True, ["this webhook-id was answered before: nothing was done again"]
        elif isinstance(delivery.content, Ignored):
            results = [delivery.content.reason]
        else:
            results = self._pass_on(delivery.content)
        self._replays.remember(g.sender, fingerprint, delivery.signed_id)
        if not is_known:
            _log.info("delivery answered", results=results)
        elif count := self._tally.due(f"{g.sender} again"):
            _log.info("deliveries came again", count=count, results=results)
        return jsonify(results=results)

    def _pass_on(self, events: tuple[Event, ...]) -> list[str]:
        """Returns one sentence for each event. All events of a delivery are of one type, so their order is kept."""
        pushed = [event for event in events if isinstance(event, ImagePushed)]
        try:
            results = [self._pass_on_other(event) for event in events if not isinstance(event, ImagePushed)]
            return results + (self._commit(pushed) if pushed else [])
        except Unavailable:
            raise
        except GitopsError as error:
            # The delivery is valid. The fault is in the config repo or its pipeline.yaml, and a person may mend it
            # before the sender tries again.
            raise Unavailable(error.reason, error.message) from error

    def _commit(self, pushed: list[ImagePushed]) -> list[str]:
        left = self._inputs.deadline - (self._inputs.clock.monotonic() - self._note_arrival())
        if left <= 0:
            raise Unavailable("DeadlineExceeded", "the delivery waited too long for a free thread")
        delivery = structlog.contextvars.get_contextvars()["delivery"]
        return list(self._inputs.inbox.accept(pushed, delivery=delivery, deadline=left))

    def _pass_on_other(self, event: ConfigPushed | ImageScanned | ImageDeleted) -> str:
        if not isinstance(event, ConfigPushed):
            return self._inputs.events.registry_news(event)
        if not names_any(event.urls, self._inputs.repos):
            sentence = self._inputs.events.source_pushed(event)
            return sentence or "the push is to another repository than the config repo"
        return self._inputs.events.config_pushed(event)

    def _note_arrival(self) -> float:
        arrived: float = request.environ.setdefault(ARRIVED, self._inputs.clock.monotonic())
        return arrived

    def _refuse_unauthenticated(self) -> Response:
        if wait := self._unauthenticated.take():
            answer = _refusal(429, "TooManyRequests", "too many requests without a valid secret", wait)
        else:
            answer = _refusal(401, "Unauthorized", "unknown sender, or the secret or signature is wrong")
        if count := self._tally.due("unauthenticated"):
            _log.warning("unauthenticated requests refused", count=count, last_from=request.remote_addr)
        return answer

    def _log_refusal(self, answer: Response) -> Response:
        if count := self._tally.due(f"{g.sender} {answer.status_code}"):
            _log.warning(
                "delivery refused", status=answer.status_code, count=count, answer=answer.get_data(as_text=True)
            )
        return answer


@dataclass(frozen=True, slots=True)
class _UnknownSecret:
    """Implements ports.WebhookSecrets: a random secret, which no sender has."""

    value: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def read(self) -> Sequence[bytes]:
        return (self.value,)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _refusal(status: int, reason: str, message: str, retry_after: float | None = None) -> Response:
    answer = jsonify(error={"reason": reason, "message": message})
    answer.status_code = status
    if retry_after is not None:
        answer.headers["Retry-After"] = str(math.ceil(retry_after))
    return answer
