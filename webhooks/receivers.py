"""The webhook door: authenticate, read, hand in, answer. Who may send, what it means and what comes of it is decided
elsewhere.

| answer | meaning                                                                                             |
|--------|-----------------------------------------------------------------------------------------------------|
| 200    | durable on the remote, or needs nothing; one sentence per event says which                          |
| 400    | the delivery is wrong and will stay so                                                              |
| 401    | not authentic, or no such sender: the same answer                                                   |
| 405    | not POST. A path here never redirects: Harbor and Gitea follow as GET and count that as delivered   |
| 413    | more than is read from this sender                                                                  |
| 415    | not JSON                                                                                            |
| 429    | too many; Retry-After                                                                               |
| 503    | not durable in time; Retry-After. The work goes on, and a second attempt finds it done              |
"""

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog
from flask import Blueprint, Response, g, jsonify, request
from structlog.contextvars import bind_contextvars, bound_contextvars
from werkzeug.exceptions import RequestEntityTooLarge

from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.core.image_updates.events import ConfigPushed, Event, Ignored, ImageDeleted, ImagePushed, ImageScanned
from gitops.core.parsing.git_urls import GitUrl, names_any
from gitops.ports import Inbox
from webhooks import bodies
from webhooks.auth import Request
from webhooks.deliveries import Delivery
from webhooks.limits import Clock, Rate, Tally, TokenBucket
from webhooks.replays import Replays
from webhooks.senders import KINDS, MEBIBYTE, Sender, largest_body

ARRIVED = "lockstep.arrived"
"""WSGI environ key: when the request's first byte was read, in the clock's seconds. A server that knows it sets it."""

_STRANGERS = Rate(per_second=50, burst=200)
_RETRY_AFTER = 5.0
_NO_FORM = "send application/json: form bodies are not read; the content type is a setting of the webhook at its sender"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """What the receivers work with.

    `repos` are the names of the one config repo. `on_config_push` says in a sentence what comes of a push to it,
    `on_registry_news` of a scan or a deletion; `on_source_push` of a push to a repository that a service is built from,
    None for all others. None of them waits for anybody. `observe` is told (sender's name, HTTP status, seconds) of each
    answer; the name is empty when nobody was recognised. `now` is in seconds since 1970. `deadline` is in seconds and
    counts from ARRIVED.
    """

    senders: Mapping[str, Sender]
    inbox: Inbox
    repos: frozenset[GitUrl]
    on_config_push: Callable[[ConfigPushed], str]
    on_registry_news: Callable[[ImageScanned | ImageDeleted], str]
    observe: Callable[[str, int, float], None]
    clock: Clock
    now: Callable[[], float]
    deadline: float = 2.5
    on_source_push: Callable[[ConfigPushed], str | None] = lambda _event: None


def blueprint(door: Door) -> Blueprint:
    """One URL for every configured sender: POST /hooks/<name>."""
    routes = Blueprint("hooks", __name__)
    reception = _Reception(door)
    routes.add_url_rule(
        "/hooks/<name>", "receive", reception.receive, methods=["POST"], provide_automatic_options=False
    )
    routes.after_request(reception.observe)
    return routes


class _Reception:
    def __init__(self, door: Door) -> None:
        self._door = door
        self._largest = largest_body(door.senders)
        self._strangers = TokenBucket(_STRANGERS, door.clock)
        self._buckets = {name: TokenBucket(sender.rate, door.clock) for name, sender in door.senders.items()}
        self._tally = Tally(door.clock)
        self._replays = Replays()
        # Whoever asks for a name that does not exist costs and gets what a wrong secret costs and gets.
        nobodys_secret = (secrets.token_bytes(32),)
        self._nobody = Sender("", KINDS["github"], lambda: nobodys_secret, MEBIBYTE, _STRANGERS)

    def receive(self, name: str) -> Response:
        sender = self._door.senders.get(name, self._nobody)
        headers = {key.lower(): value for key, value in request.headers}
        body = self._read()
        asked = Request(headers, body, self._door.now())
        if not sender.is_authentic(asked):
            return self._refuse_stranger()
        g.sender = sender.name
        with bound_contextvars(sender=sender.name, delivery=bodies.fingerprint(body)):
            return self._receive_authentic(sender, asked)

    def observe(self, response: Response) -> Response:
        seconds = max(0.0, self._door.clock() - self._arrived())
        self._door.observe(g.get("sender", ""), response.status_code, seconds)
        return response

    def _read(self) -> bytes:
        # A server may have refused more already; this holds behind any server. A chunked body is cut off at the limit
        # without a word, hence the one byte more.
        request.max_content_length = self._largest + 1
        body = request.get_data(cache=False)
        if len(body) > self._largest:
            raise RequestEntityTooLarge
        return body

    def _receive_authentic(self, sender: Sender, asked: Request) -> Response:
        if len(asked.body) > sender.largest_body:
            raise RequestEntityTooLarge
        if not _is_json(asked.headers.get("content-type", "")):
            return self._note(_refusal(415, "UnsupportedMediaType", _NO_FORM))
        if wait := self._buckets[sender.name].take():
            return self._note(_refusal(429, "TooManyRequests", f"sender {sender.name} is over its rate", wait))
        try:
            delivery = sender.kind.parse(asked.headers, asked.body)
            if delivery.signed_id is not None and not sender.signs_id(asked):
                delivery = replace(delivery, signed_id=None)
            bind_contextvars(delivery=delivery.id or bodies.fingerprint(asked.body))
            return self._accept(delivery, bodies.fingerprint(asked.body))
        except Rejected as error:
            return self._note(_refusal(400, error.reason, str(error)))
        except Unavailable as error:
            return self._note(_refusal(503, error.reason, str(error), error.retry_after or _RETRY_AFTER))

    def _accept(self, delivery: Delivery, fingerprint: str) -> Response:
        is_known = self._replays.knows(g.sender, fingerprint)
        if delivery.signed_id is not None and self._replays.knows(g.sender, delivery.signed_id):
            is_known, results = True, ["answered before under the same webhook-id: nothing was done again"]
        elif isinstance(delivery.content, Ignored):
            results = [delivery.content.reason]
        else:
            results = self._hand_in(delivery.content)
        self._replays.remember(g.sender, fingerprint, delivery.signed_id)
        if not is_known:
            _log.info("delivery answered", results=results)
        elif count := self._tally.due(f"{g.sender} again"):
            _log.info("deliveries came again", count=count, results=results)
        return jsonify(results=results)

    def _hand_in(self, events: tuple[Event, ...]) -> list[str]:
        """What comes of each. The events of one delivery are of one type, so the order is theirs."""
        pushed = [event for event in events if isinstance(event, ImagePushed)]
        try:
            results = [self._pass_on(event) for event in events if not isinstance(event, ImagePushed)]
            return results + (self._commit(pushed) if pushed else [])
        except Unavailable:
            raise
        except GitopsError as error:
            # The delivery is sound; what refused it is on our side, and a person may mend it before the next attempt.
            raise Unavailable(error.reason, error.message) from error

    def _commit(self, pushed: list[ImagePushed]) -> list[str]:
        left = self._door.deadline - (self._door.clock() - self._arrived())
        if left <= 0:
            raise Unavailable("DeadlineExceeded", "the delivery waited too long for its turn")
        delivery = structlog.contextvars.get_contextvars()["delivery"]
        return list(self._door.inbox.accept(pushed, delivery=delivery, deadline=left))

    def _pass_on(self, event: ConfigPushed | ImageScanned | ImageDeleted) -> str:
        if not isinstance(event, ConfigPushed):
            return self._door.on_registry_news(event)
        if not names_any(event.urls, self._door.repos):
            told = self._door.on_source_push(event)
            return told or "the push is to another repository than the config repo"
        return self._door.on_config_push(event)

    def _arrived(self) -> float:
        arrived: float = request.environ.setdefault(ARRIVED, self._door.clock())
        return arrived

    def _refuse_stranger(self) -> Response:
        if wait := self._strangers.take():
            answer = _refusal(429, "TooManyRequests", "too many requests without a valid secret", wait)
        else:
            answer = _refusal(401, "Unauthorized", "no such sender, or the secret or signature is wrong")
        if count := self._tally.due("stranger"):
            _log.warning("refused strangers", count=count, last_from=request.remote_addr)
        return answer

    def _note(self, answer: Response) -> Response:
        if count := self._tally.due(f"{g.sender} {answer.status_code}"):
            _log.warning(
                "delivery refused", status=answer.status_code, count=count, answer=answer.get_data(as_text=True)
            )
        return answer


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _refusal(status: int, reason: str, message: str, retry_after: float | None = None) -> Response:
    answer = jsonify(error={"reason": reason, "message": message})
    answer.status_code = status
    if retry_after is not None:
        answer.headers["Retry-After"] = str(math.ceil(retry_after))
    return answer
