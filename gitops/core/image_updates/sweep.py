"""Sweeps as values: which image of a registry a service's tag policy would take. Pure.

A webhook may be lost; the registry itself is the truth. So a sweep makes the event that the newest
push would have made, and the same rules decide about it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.services import Service, TagPolicy
from gitops.core.errors import Rejected
from gitops.core.image_updates import tag_policy
from gitops.core.image_updates.events import ImagePushed
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import TaggedImage
from gitops.core.parsing.models import format_duration

EVERY = timedelta(minutes=5)
"""The default interval between sweeps of a registry."""
SHORTEST = timedelta(seconds=30)
"""The shortest time between two sweeps; pipeline.yaml cannot set less."""

_BEGINNING = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class SweptService:
    """The image of one service that a sweep found, and the outcome in a sentence."""

    service: str
    image: Image | None
    outcome: str
    is_trouble: bool = False


@dataclass(frozen=True, slots=True)
class RegistryState:
    """The state of one registry's sweeps. `swept_at`: the end of the last one that reached it; `failing_since`: since
    when none does, with `reason` and `message`; a registry that lockstep.yaml does not know has only these two.
    `notes`: troubles of single services.
    """

    host: str
    every: timedelta = EVERY
    swept_at: datetime | None = None
    failing_since: datetime | None = None
    reason: str = ""
    message: str = ""
    notes: tuple[str, ...] = field(default=())


def every(pipeline: Pipeline, host: str) -> timedelta:
    declared = next((each for each in pipeline.registries if each.host == host), None)
    wanted = declared.sweep.every if declared is not None and declared.sweep is not None else EVERY
    return max(wanted, SHORTEST)


def services(pipeline: Pipeline, host: str) -> Mapping[str, Service]:
    """The services whose image is in this registry."""
    return {name: each for name, each in pipeline.services.items() if host_of(each.image) == host}


def host_of(image: str) -> str:
    """The registry's host, as the manifests call it."""
    return image.partition("/")[0]


def unknown(pipeline: Pipeline, known: Collection[str]) -> tuple[RegistryState, ...]:
    """Registries that pipeline.yaml wants swept but that lockstep.yaml does not know."""
    asked = {each.host: each.sweep.every for each in pipeline.registries if each.sweep and each.host not in known}
    return tuple(
        RegistryState(
            host,
            wanted,
            reason="RegistryUnknown",
            message=f"to be swept every {format_duration(wanted)} (pipeline.yaml), but lockstep.yaml has no "
            f"registries.{host}: pushes whose webhook was lost are not found",
        )
        for host, wanted in sorted(asked.items())
    )


def choose(policy: TagPolicy, found: Sequence[TaggedImage]) -> TaggedImage | None:
    """The tag that the policy takes; None when it follows none of them.

    Raises: Rejected(NoPushTimes) when only push times could tell, and the registry has none.
    """
    ranked = [(rank, each) for each in found if (rank := tag_policy.rank(policy, each.tag)) is not None]
    if len(ranked) > 1 and any(isinstance(rank, str) and not rank and each.pushed_at is None for rank, each in ranked):
        raise Rejected(
            "NoPushTimes",
            "its tags are ordered by push time (order: pushed), which a registry of kind oci does not have: "
            "use semver, order: numeric, order: alphabetical or follow",
        )

    def compare(one: tuple[tag_policy.Rank, TaggedImage], other: tuple[tag_policy.Rank, TaggedImage]) -> int:
        by_rank = tag_policy.compare(one[0], other[0])
        at, other_at = (each[1].pushed_at or _BEGINNING for each in (one, other))
        return by_rank or (at > other_at) - (at < other_at)

    return max(ranked, key=cmp_to_key(compare))[1] if ranked else None


def event(image: str, found: TaggedImage, now: datetime) -> ImagePushed:
    """The event that a webhook would have brought. `now`: a time before the registry was asked."""
    return ImagePushed(image, found.tag, found.digest, found.pushed_at or now, is_exact=found.pushed_at is not None)


def is_declared(found: Image, declared: Collection[Image]) -> bool:
    """True when all overlays that follow the image have it already. `declared`: the images that they declare."""
    return bool(declared) and all((each.tag, each.digest) == (found.tag, found.digest) for each in declared)
