"""The sections `services` and `registries` of pipeline.yaml: images, and the tags of them that are followed."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationInfo, model_validator

from gitops.core.images import reference as images
from gitops.core.parsing import models, regex
from gitops.core.parsing.models import (
    Duration,
    Expression,
    ImageName,
    OneOrMore,
    RepoUrl,
    StrictModel,
)

_COMPARATOR = re.compile(r"(?:>=|<=|!=|=|>|<|\^|~)?\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")


class TagOrder(StrEnum):
    """The order that decides which matching tag is newest. `pushed`: by the registry's push time."""

    PUSHED = "pushed"
    NUMERIC = "numeric"
    ALPHABETICAL = "alphabetical"


class TagPolicy(StrictModel):
    """The tags of an image that are candidates, and their order. Exactly one of `semver` (a range), `pattern` (a
    regular expression for whole tags, with `order`) and `follow` (one moving tag, pinned by digest).
    """

    semver: str | None = None
    pattern: Annotated[Expression, Field(max_length=200)] | None = None
    order: TagOrder | None = None
    follow: str | None = None

    @model_validator(mode="after")
    def _check_policy(self, info: ValidationInfo) -> "TagPolicy":
        if [self.semver, self.pattern, self.follow].count(None) != 2:
            raise ValueError("needs exactly one of semver, pattern, follow")
        if self.order is not None and self.pattern is None:
            raise ValueError("order needs a pattern; semver and follow have an order of their own")
        is_numeric = self.order is TagOrder.NUMERIC and not models.is_checked(info)
        if is_numeric and regex.groups(self.pattern or "") != 1:
            raise ValueError("order: numeric needs a pattern with exactly one group, around the number")
        if self.follow is not None and not images.is_tag(self.follow):
            raise ValueError("follow must be a tag")
        if self.semver is not None and not all(map(_COMPARATOR.fullmatch, self.semver.split() or [""])):
            raise ValueError('semver must be a range such as ">=1.4 <2"')
        return self


class SweepPolicy(StrictModel):
    every: Duration


class RegistryPolicy(StrictModel):
    """`host`: the name of the registry in manifests. `aliases`: its names in its own webhooks."""

    host: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    sweep: SweepPolicy | None = None


class Service(StrictModel):
    """`source`: the git repository that the image is built from, or several. Lockstep never fetches from it: the page
    shows pushes to it and links to its commits.
    """

    image: ImageName
    tags: TagPolicy
    source: Annotated[tuple[RepoUrl, ...], Field(min_length=1, max_length=10), OneOrMore] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return self.source or ()
