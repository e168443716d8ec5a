"""From a pushed image to an edit of an overlay, or to the sentence that says why there is none.

Events come twice, late and in any order, so their arrival decides nothing. The tag policy decides which image is newer,
and between two pushes of equal rank the registry's own push time.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.services import TagPolicy
from gitops.core.image_updates import tag_policy
from gitops.core.image_updates.events import Ignored, ImagePushed
from gitops.core.images.reference import Image, is_digest, is_name, is_tag
from gitops.core.parsing import models

CAUSE_TRAILER = "Lockstep-Cause"
DIGEST_TRAILER = "Lockstep-Digest"
IMAGE_TRAILER = "Lockstep-Image"
PUSHED_AT_TRAILER = "Lockstep-Pushed-At"
REVISION_TRAILER = "Lockstep-Source-Revision"
SERVICE_TRAILER = "Lockstep-Service"

SAME_PUSH = timedelta(seconds=60)
"""Push times of one digest within this distance count as one push."""

_MOST_TEXT = 200
_BRACKETS = str.maketrans("[]{}", "()()")


@dataclass(frozen=True, slots=True)
class ImageCandidate:
    """A pushed image that a service follows, under the name that the manifests use. `is_exact`: as of the event."""

    service: str
    image: Image
    pushed_at: datetime
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class ChangeTarget:
    """The place in the config repo for a candidate."""

    environment: str
    overlay: str
    service: str


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """One image that Lockstep wrote to an overlay before, by the commit's trailers."""

    digest: str
    pushed_at: datetime


@dataclass(frozen=True, slots=True)
class DeployedImage:
    """The image that an overlay declares now. `written`: Lockstep's commits for this image, newest first; `edited_at`:
    the newest commit of a person to the overlay's file.
    """

    image: Image | None
    written: tuple[WrittenImage, ...] = ()
    edited_at: datetime | None = None

    @property
    def pushed_at(self) -> datetime | None:
        """The time when the registry got the deployed image; for an image that a person wrote, the commit time."""
        if self.image is None or self.image.digest is None:
            return None
        known = (written.pushed_at for written in self.written if written.digest == self.image.digest)
        return next(known, self.edited_at)


@dataclass(frozen=True, slots=True)
class Change:
    """One edit of desired state: the overlay's image becomes `image`. `cause` says what asked for it."""

    target: ChangeTarget
    image: Image
    was: Image | None
    pushed_at: datetime
    cause: str


def candidate(event: ImagePushed, pipeline: Pipeline) -> ImageCandidate | Ignored:
    """Registry host or alias -> the name in the manifests -> the service that follows it."""
    if event.tag.startswith("sha256:"):
        return Ignored("pushed by digest, without a tag to follow")
    if not (is_name(event.image) and is_tag(event.tag) and is_digest(event.digest)):
        return Ignored(f"{one_line(event.image)}:{one_line(event.tag)} is not a valid image reference")
    name = canonical(event.image, pipeline)
    service = next((key for key, service in pipeline.services.items() if service.image == name), None)
    if service is None:
        return Ignored(_unknown(name, pipeline))
    policy = pipeline.services[service].tags
    if tag_policy.rank(policy, event.tag) is None:
        return Ignored(f"{service}: tag {event.tag} is outside {tag_policy.describe(policy)}")
    return ImageCandidate(service, Image(name, event.tag, event.digest), event.pushed_at, event.is_exact)


def canonical(image: str, pipeline: Pipeline) -> str:
    """The name by which manifests call an image that a registry calls by a host of its own."""
    host, slash, path = image.partition("/")
    for registry in pipeline.registries:
        if host.lower() in {alias.lower() for alias in (registry.host, *registry.aliases)}:
            return f"{registry.host}{slash}{path}"
    return image


def targets(
    found: ImageCandidate, pipeline: Pipeline, overlays: Sequence[Overlay], declaring: Collection[str]
) -> tuple[ChangeTarget, ...] | Ignored:
    """The overlays of every environment that takes new images: those whose `images` name the image (`declaring`, by
    overlay name); where none does, the environment's only overlay or the one named like the service.
    """
    following = [name for name in pipeline.order if pipeline.environments[name].images is not None]
    if not following:
        return Ignored("no environment has `images: newest`; new images enter by promotion only")
    places = [
        ChangeTarget(environment, overlay.name, found.service)
        for environment in following
        for overlay in _places(environment, found.service, overlays, declaring)
    ]
    return tuple(places) or Ignored(
        f"no overlay of {', '.join(following)} deploys {found.service}: "
        f"add environments/{following[0]}/{found.service}/kustomization.yaml"
    )


def decide(found: ImageCandidate, target: ChangeTarget, deployed: DeployedImage, policy: TagPolicy) -> Ignored | None:
    """Returns None if the candidate is to be written; else the reason why not."""
    now, new = deployed.image, found.image
    where = f"{target.overlay}: {found.service}"
    if now is not None and (now.tag, now.digest) == (new.tag, new.digest):
        return Ignored(f"{where} is at {new.tag} ({new.short_digest}) already")
    if _was_written(found, deployed.written):
        return Ignored(f"{where}: this push of {new.tag} was written before and has been replaced since")
    height = _height(found, deployed, policy)
    if height < 0 and now is not None:
        return Ignored(f"{where}: {new.tag} is older than {now.tag or now.short_digest}, which is deployed")
    if height == 0 and deployed.pushed_at is not None and found.pushed_at < deployed.pushed_at:
        return Ignored(f"{where}: superseded: the deployed image is newer than this push of {new.tag}")
    return None


def is_pushed_again(found: ImageCandidate, deployed: DeployedImage) -> bool:
    """True when the deployed image was pushed again later than was known: its tag had moved away and came back."""
    now = deployed.image
    if now is None or (now.tag, now.digest) != (found.image.tag, found.image.digest) or not found.is_exact:
        return False
    return deployed.pushed_at is not None and found.pushed_at > deployed.pushed_at


def ignore_unused(target: ChangeTarget, image: Image, used: Collection[str] | None) -> Ignored | None:
    """The reason to leave out a change of an image that no container uses. `used` None: not known yet, so it may."""
    if used is None or image.name in used:
        return None
    return Ignored(f"no container of overlay {target.overlay} uses image {image.name}")


def commit_message(change: Change, revision: str = "") -> str:
    """Subject, body and trailers. Text from outside is one line without control characters or brackets.
    `revision`: the commit that the image was built from, if that is known.
    """
    target, image = change.target, change.image
    was = f"\nBefore: {one_line(str(change.was))}" if change.was is not None else ""
    trailers = {
        "Lockstep-Environment": target.environment,
        SERVICE_TRAILER: target.service,
        IMAGE_TRAILER: f"{image.name}:{image.tag}",
        DIGEST_TRAILER: image.digest or "",
        CAUSE_TRAILER: change.cause,
        PUSHED_AT_TRAILER: change.pushed_at.astimezone(UTC).isoformat(),
        **({REVISION_TRAILER: revision} if revision else {}),
    }
    lines = "\n".join(f"{key}: {one_line(value)}" for key, value in trailers.items())
    subject = f"{target.environment}: {target.service} {image.tag} (sha256:{image.short_digest})"
    return f"{one_line(subject)}\n\nImage: {one_line(str(image))}{was}\n\n{lines}\n"


def read_written(trailers: Iterable[Mapping[str, str]]) -> dict[str, tuple[WrittenImage, ...]]:
    """Image -> what Lockstep wrote for it, by the trailers of commits, newest first. Invalid trailers are left out."""
    found: dict[str, tuple[WrittenImage, ...]] = {}
    for commit in trailers:
        name, digest = commit.get(IMAGE_TRAILER, "").rpartition(":")[0], commit.get(DIGEST_TRAILER, "")
        at = models.parse_moment(commit.get(PUSHED_AT_TRAILER, ""))
        if is_digest(digest) and at is not None:
            found[name] = (*found.get(name, ()), WrittenImage(digest, at))
    return found


def one_line(text: str) -> str:
    """Text from outside, fit for a commit message: no control or formatting characters, no line breaks, no brackets
    that a CI system could read as a command (`[skip ci]`), at most 200 characters.
    """
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * _MOST_TEXT])
    return re.sub(r"\*{2,}", "*", " ".join(printable.split()).translate(_BRACKETS))[:_MOST_TEXT]


def _unknown(name: str, pipeline: Pipeline) -> str:
    host = name.partition("/")[0]
    if pipeline.registries and host not in {registry.host for registry in pipeline.registries}:
        return f"registry {host} is not declared: add it to `registries` of pipeline.yaml, or to a registry's aliases"
    return f"no service of pipeline.yaml has the image {name}"


def _places(environment: str, service: str, overlays: Sequence[Overlay], declaring: Collection[str]) -> list[Overlay]:
    own = [overlay for overlay in overlays if overlay.environment == environment and not overlay.is_platform]
    if len(own) == 1 and own[0].name == environment:
        return own
    naming = [overlay for overlay in own if overlay.name in declaring]
    return naming or [overlay for overlay in own if overlay.name == f"{environment}/{service}"]


def _was_written(found: ImageCandidate, written: Sequence[WrittenImage]) -> bool:
    """True when this very push was written here before. A webhook and the registry's API report its time by two clock
    readings; another image written in between makes it another push. Without push times a tag that came back looks like
    one that never moved: a digest that was written before counts as the same push.
    """
    own = [each.pushed_at for each in written if each.digest == found.image.digest]
    if not found.is_exact:
        return bool(own)
    others = [each.pushed_at for each in written if each.digest != found.image.digest]

    def is_same(at: datetime) -> bool:
        early, late = sorted((at, found.pushed_at))
        return late - early <= SAME_PUSH and not any(early <= other <= late for other in others)

    return found.pushed_at in own or any(map(is_same, own))


def _height(found: ImageCandidate, deployed: DeployedImage, policy: TagPolicy) -> int:
    """-1, 0 or 1: the tag policy ranks the candidate below, level with or above the deployed image."""
    if deployed.image is None or deployed.image.tag is None:
        return 1
    new, now = tag_policy.rank(policy, found.image.tag or ""), tag_policy.rank(policy, deployed.image.tag)
    if new is None or now is None:
        return 1
    return tag_policy.compare(new, now)
