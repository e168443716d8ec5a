"""The section `environments` of pipeline.yaml: order, promotion, sync and pruning of each environment."""

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
    """`observe`: show plan and drift, write nothing."""

    OBSERVE = "observe"
    APPLY = "apply"


class ForeignFieldPolicy(StrEnum):
    """Foreign fields, which other managers added to spec, data or rules of our objects: `report` or `remove` them."""

    REPORT = "report"
    REMOVE = "remove"


NamePart = Annotated[str, require(re.compile(r"[a-z0-9.-]{0,63}"), "part of a name: lower-case letters, digits, `-`")]


class ScanPolicy(StrictModel):
    """`max`: the worst finding that the scan gate lets through. The value `None` means no finding at all."""

    max: Literal["None", "Negligible", "Low", "Medium", "High", "Critical"]

    @property
    def limit(self) -> ScanSeverity:
        return ScanSeverity[self.max.upper()]


class Approvals(StrictModel):
    count: int = Field(ge=0, le=20)


class Window(StrictModel):
    """Open for `duration` after each time that `cron` (five fields) names in `timezone`."""

    cron: Cron
    duration: Duration
    timezone: Timezone = "UTC"


class Windows(StrictModel):
    allow: tuple[Window, ...] = ()
    deny: tuple[Window, ...] = ()


class RollbackPolicy(StrictModel):
    """Auto rollback: a promotion is undone if the overlay becomes Degraded `within` this time after it."""

    within: Annotated[Duration, Field(gt=timedelta(0))]


class PromotePolicy(StrictModel):
    """The policy of promotions: `when` is `proven` (automatic) or `requested` (a pushed tag requests each one).
    `rollback`: None = only a person rolls back.
    """

    when: Literal["proven", "requested"]
    soak: Duration = timedelta(0)
    scan: ScanPolicy | None = None
    approvals: Approvals = Approvals(count=0)
    windows: Windows = Windows()
    settings: Literal["auto", "promote"] | None = None
    rollback: RollbackPolicy | None = None


class PrunePolicy(StrictModel):
    """`budget`: most objects that one pass may prune. A pass with more prunes none."""

    enabled: bool = True
    budget: int = Field(default=10, ge=0)


class Allow(StrictModel):
    """`cluster`: the cluster-scoped kinds that the overlays of the environment may hold."""

    cluster: tuple[Kind, ...] = ()


class SyncOptions(StrictModel):
    """`adopt`: the tools whose objects an overlay takes over if it has the same objects. `foreign`: None = the default,
    which depends on whether an environment comes after this one.
    """

    mode: SyncMode = SyncMode.APPLY
    prune: PrunePolicy = PrunePolicy()
    foreign: ForeignFieldPolicy | None = None
    allow: Allow = Allow()
    adopt: tuple[Literal["argocd", "flux", "helm", "fleet"], ...] = ()


class Environment(StrictModel):
    """`context`: the name of the cluster in the controller's configuration; None = the default cluster. `prefix` and
    `suffix`: text that the overlays add to the names of objects.
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
    def _check_after(self) -> "Environment":
        if self.promote is not None and self.after is None:
            raise ValueError("promote needs `after`: the environment that releases come from")
        if self.images is not None and self.after is not None:
            raise ValueError(
                "images: newest needs an environment without `after`; the others get their images by promotion"
            )
        return self
