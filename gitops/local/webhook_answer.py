"""What the webhook door says, as sentences: one per event, or the one of a refusal."""

import json

_LONGEST = 500


def sentences(body: bytes) -> tuple[str, ...]:
    """The body as it is, when it is not the door's."""
    try:
        said = json.loads(body)
        return tuple(map(str, said["results"])) if "results" in said else (str(said["error"]["message"]),)
    except (ValueError, KeyError, TypeError):
        return (body.decode(errors="replace").strip()[:_LONGEST],)
