"""Which images are the team's own, and which of their tags are followed: from what runs where today."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import semver

from gitops.core.config_repo.services import Service, TagOrder, TagPolicy
from gitops.core.images import reference as images
from gitops.core.images.reference import Image
from gitops.core.onboarding import directory_names as names

_DIGITS = re.compile(r"\d+")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_LEAST_RANDOM = 10
_LONGEST_SHAPE = 150
_MOVING = frozenset({"latest", "main", "master", "stable", "edge", "nightly", "develop", "trunk"})


@dataclass(frozen=True, slots=True)
class ServiceProposal:
    """`tracked`: services whose images are pinned by digest everywhere; `loose`: those that would be services if they
    were, since the contract wants every image of a service pinned.
    """

    tracked: Mapping[str, Service] = field(default_factory=dict)
    loose: Mapping[str, Service] = field(default_factory=dict)


def proposed(used: Sequence[Collection[Image]], overridden: Collection[str]) -> ServiceProposal:
    """`used`: the images of each environment, in order; `overridden`: names that an overlay's `images` speaks of.

    An image whose tag or digest is not the same everywhere, or that an overlay sets, is a service.
    """
    versions: dict[str, list[Image]] = {}
    for each in used:
        for image in sorted(each, key=str):
            versions.setdefault(image.name, []).append(image)
    ours = {name: found for name, found in versions.items() if name in overridden or len(set(found)) > 1}
    called = names.short_names([tuple(name.split("/")) for name in ours])
    services = {
        called[tuple(name.split("/"))]: (Service(image=name, tags=policy([each.tag or "" for each in found])), found)
        for name, found in sorted(ours.items())
        if images.is_name(name)
    }
    pinned = {name for name, (_, found) in services.items() if all(image.digest for image in found)}
    return ServiceProposal(
        {name: service for name, (service, _) in services.items() if name in pinned},
        {name: service for name, (service, _) in services.items() if name not in pinned},
    )


def policy(tags: Sequence[str]) -> TagPolicy:
    """A policy that follows the first of these tags, those of the first environment, and what looks like it."""
    known = [tag for tag in tags if tag]
    if known and all(_version(tag) for tag in known):
        return TagPolicy(semver=_range([version for tag in known if (version := _version(tag))]))
    first = known[0] if known else "latest"
    if first in _MOVING or (names.rank(first) is not None and not _DIGITS.search(first)):
        return TagPolicy(follow=first)
    shape = _shape(first)
    return TagPolicy(pattern=f"^{shape if len(shape) <= _LONGEST_SHAPE else '.+'}$", order=TagOrder.PUSHED)


def _version(tag: str) -> semver.Version | None:
    try:
        found = semver.Version.parse(tag.removeprefix("v"))
    except ValueError:
        return None
    return None if found.prerelease else found


def _range(versions: Sequence[semver.Version]) -> str:
    lowest, highest = min(versions), max(versions)
    return f">={lowest.major}.{lowest.minor if lowest.major else 0} <{highest.major + 1}"


def _shape(tag: str) -> str:
    """The tag as a pattern: commit ids and numbers may be others."""
    parts = re.split(r"([._-])", tag)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    if _COMMIT.fullmatch(part) and not part.isdigit():
        return "[0-9a-f]{7,40}"
    if len(part) >= _LEAST_RANDOM and re.search(r"\d.*[A-Za-z].*\d", part) and part.isalnum():
        return "[0-9A-Za-z]+"
    return r"\d+".join(each.replace(".", r"\.") for each in _DIGITS.split(part))
