"""Proposes services: the images that a team builds itself, and which of their tags to follow, from what runs today."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import semver

from gitops.core.config_repo.services import Service, TagOrder, TagPolicy
from gitops.core.images import reference as images
from gitops.core.images.reference import Image
from gitops.core.onboarding import directory_names

_DIGITS = re.compile(r"\d+")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_LEAST_RANDOM = 10
_LONGEST_PATTERN = 150
_MOVING = frozenset({"latest", "main", "master", "stable", "edge", "nightly", "develop", "trunk"})


@dataclass(frozen=True, slots=True)
class ServiceProposal:
    """`tracked`: services whose images have a digest in every environment; `loose`: those whose images have not, so
    that the contract would refuse them as services.
    """

    tracked: Mapping[str, Service] = field(default_factory=dict)
    loose: Mapping[str, Service] = field(default_factory=dict)


def propose_services(used: Sequence[Collection[Image]], overridden: Collection[str]) -> ServiceProposal:
    """An image is a service if an overlay sets it, or if its tag or digest differs between environments.

    `used`: the images of each environment, in order; `overridden`: the names of images that overlays set by `images:`.
    """
    versions: dict[str, list[Image]] = {}
    for each in used:
        for image in sorted(each, key=str):
            versions.setdefault(image.name, []).append(image)
    ours = {name: found for name, found in versions.items() if name in overridden or len(set(found)) > 1}
    called = directory_names.short_names([tuple(name.split("/")) for name in ours])
    services = {
        called[tuple(name.split("/"))]: (
            Service(image=name, tags=propose_tag_policy([each.tag or "" for each in found])),
            found,
        )
        for name, found in sorted(ours.items())
        if images.is_name(name)
    }
    pinned = {name for name, (_, found) in services.items() if all(image.digest for image in found)}
    return ServiceProposal(
        {name: service for name, (service, _) in services.items() if name in pinned},
        {name: service for name, (service, _) in services.items() if name not in pinned},
    )


def propose_tag_policy(tags: Sequence[str]) -> TagPolicy:
    """A policy for the first of these tags, which is that of the first environment, and for tags of the same form."""
    known = [tag for tag in tags if tag]
    if known and all(_parse_version(tag) for tag in known):
        return TagPolicy(semver=_semver_range([version for tag in known if (version := _parse_version(tag))]))
    first = known[0] if known else "latest"
    if first in _MOVING or (directory_names.rank(first) is not None and not _DIGITS.search(first)):
        return TagPolicy(follow=first)
    pattern = _tag_pattern(first)
    return TagPolicy(pattern=f"^{pattern if len(pattern) <= _LONGEST_PATTERN else '.+'}$", order=TagOrder.PUSHED)


def _parse_version(tag: str) -> semver.Version | None:
    try:
        found = semver.Version.parse(tag.removeprefix("v"))
    except ValueError:
        return None
    return None if found.prerelease else found


def _semver_range(versions: Sequence[semver.Version]) -> str:
    lowest, highest = min(versions), max(versions)
    return f">={lowest.major}.{lowest.minor if lowest.major else 0} <{highest.major + 1}"


def _tag_pattern(tag: str) -> str:
    """A pattern for tags of the same form: other numbers and other commit ids."""
    parts = re.split(r"([._-])", tag)
    return "".join(_part_pattern(part) for part in parts)


def _part_pattern(part: str) -> str:
    if _COMMIT.fullmatch(part) and not part.isdigit():
        return "[0-9a-f]{7,40}"
    if len(part) >= _LEAST_RANDOM and re.search(r"\d.*[A-Za-z].*\d", part) and part.isalnum():
        return "[0-9A-Za-z]+"
    return r"\d+".join(each.replace(".", r"\.") for each in _DIGITS.split(part))
