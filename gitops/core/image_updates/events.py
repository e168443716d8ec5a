"""Events that webhooks report. An event is never trusted as state: it only causes a commit or a look at a name."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ImagePushed:
    """A registry has a new artifact under a tag.

    `image` is the repository as the registry calls itself, host included; `digest` is `sha256:...`;
    `pushed_at` is the registry's own time (aware, UTC), the only order between two pushes that is trusted. `is_exact`:
    False for an image found in a registry without push times; `pushed_at` is when it was found, then.
    """

    image: str
    tag: str
    digest: str
    pushed_at: datetime
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class ConfigPushed:
    """A git host has a new head of one ref. Only a hint: the config repo is fetched, without using the payload.

    `urls` are every URL by which the payload names the repository; `ref` is a full ref name, None when the host does
    not say which refs moved; `after` is the new object id, None when the ref was deleted or the host does not say.
    """

    urls: tuple[str, ...]
    ref: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ImageScanned:
    """A registry finished, stopped or failed a scan. Only a hint: the registry is asked for the result."""

    image: str
    digest: str


@dataclass(frozen=True, slots=True)
class ImageDeleted:
    """A registry no longer has an artifact. `tag` is one of those that it had, or None."""

    image: str
    digest: str
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """An authentic delivery that asks for nothing. Answered with 200 and the reason: a sender that gets an error
    would only send it again, or switch the webhook off.
    """

    reason: str


Event = ImagePushed | ConfigPushed | ImageScanned | ImageDeleted
