"""The sentences in an answer of the webhook endpoint: one for each event, or the message of a refusal."""

import json

_LONGEST = 500


def sentences(body: bytes) -> tuple[str, ...]:
    """Falls back to the body itself (500 characters) if it is not an answer of the endpoint."""
    try:
        answer = json.loads(body)
        return tuple(map(str, answer["results"])) if "results" in answer else (str(answer["error"]["message"]),)
    except (ValueError, KeyError, TypeError):
        return (body.decode(errors="replace").strip()[:_LONGEST],)
