"""The environments of pipeline.yaml: their order, and how each is promoted to, synced and pruned."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gitops.core.images.registry_facts import ScanSeverity
from gitops.core.parsing.models import (
    Cron,
    Duration,
    Kind,
    Name,
    StrictModel,
    Timezone,
    require,
)


class DriftPolicy(StrEnum):
    HEAL = "heal"
    REPORT = "report"


class SyncMode(StrEnum):
    """`observe` shows plan and drift and writes nothing."""

    OBSERVE = "observe"
    APPLY = "apply"


class ForeignFieldPolicy(StrEnum):
    """What happens to fields that others added inside the parts of our objects that decide behaviour."""

    REPORT = "report"
    REMOVE = "remove"


NamePart = Annotated[str, require(re.compile(r"[a-z0-9.-]{0,63}"), "part of a name: lower-case letters, digits, `-`")]


class ScanPolicy(StrictModel):
    """The worst finding that is let through; `None` = no finding at all."""

    max: Literal["None", "Negligible", "Low", "Medium", "High", "Critical"]

    @property
    def limit(self) -> ScanSeverity:
        return ScanSeverity[self.max.upper()]


class Approvals(StrictModel):
    count: int = Field(ge=0, le=20)


class Window(StrictModel):
    """Open for `duration` from each time that `cron` (five fields) names in `timezone`."""

    cron: Cron
    duration: Duration
    timezone: Timezone = "UTC"


class Windows(StrictModel):
    allow: tuple[Window, ...] = ()
    deny: tuple[Window, ...] = ()


class RollbackPolicy(StrictModel):
    """A promotion is taken back by itself when it makes an overlay Degraded `within` that time."""

    within: Annotated[Duration, Field(gt=timedelta(0))]


class PromotePolicy(StrictModel):
    """When what the environment before has proven moves on: by itself (`proven`) or when a pushed tag asks. `rollback`:
    None = only a person goes back.
    """

    when: Literal["proven", "requested"]
    soak: Duration = timedelta(0)
    scan: ScanPolicy | None = None
    approvals: Approvals = Approvals(count=0)
    windows: Windows = Windows()
    settings: Literal["auto", "promote"] | None = None
    rollback: RollbackPolicy | None = None


class PrunePolicy(StrictModel):
    """`budget`: how many objects one pass may remove before it stops and asks."""

    enabled: bool = True
    budget: int = Field(default=10, ge=0)


class Allow(StrictModel):
    """Cluster-scoped kinds that the environment's overlays may hold."""

    cluster: tuple[Kind, ...] = ()


class SyncOptions(StrictModel):
    """`adopt`: tools whose objects are taken over when the overlay holds the same ones; `foreign`: None = the default
    of the environment's place in the order.
    """

    mode: SyncMode = SyncMode.APPLY
    prune: PrunePolicy = PrunePolicy()
    foreign: ForeignFieldPolicy | None = None
    allow: Allow = Allow()
    adopt: tuple[Literal["argocd", "flux", "helm", "fleet"], ...] = ()


class Environment(StrictModel):
    """`context`: the cluster by its name in the controller's configuration; None is the default one. `prefix` and
    `suffix` are what its overlays put around the names of objects.
    """

    namespace: Name
    prefix: NamePart = ""
    suffix: NamePart = ""
    after: Name | None = None
    images: Literal["newest"] | None = None
    promote: PromotePolicy | None = None
    drift: DriftPolicy = DriftPolicy.HEAL
    sync: SyncOptions = SyncOptions()
    context: str | None = None

    @model_validator(mode="after")
    def _place_in_the_order(self) -> "Environment":
        if self.promote is not None and self.after is None:
            raise ValueError("promote needs `after`: the environment that it promotes from")
        if self.images is not None and self.after is not None:
            raise ValueError(
                "images: newest belongs to an environment without `after`; the others get theirs by promotion"
            )
        return self
