"""The environments in the order in which a change passes them, and how it gets in. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from gitops.core.config_repo.environments import PromotePolicy, SyncMode
from gitops.core.config_repo.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class PromotionSettings:
    """Times in seconds. `scan` is the worst severity let through, empty for any; `windows`: are there opening times;
    `rollback`: a promotion that turns Degraded within that time is taken back by itself, 0 = never.
    """

    when: str
    soak: float
    scan: str
    approvals: int
    windows: bool
    rollback: float


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """`after` is the environment before this one, empty for a first one; `observes`: shows differences, writes none."""

    name: str
    after: str = ""
    promotion: PromotionSettings | None = None
    observes: bool = False


def stages(pipeline: Pipeline | None, seen: Iterable[str]) -> tuple[EnvironmentSettings, ...]:
    """The environments of the pipeline in its order; those that only the ledger knows come last, by name."""
    listed = tuple(_stage(pipeline, name) for name in pipeline.order) if pipeline else ()
    names = {stage.name for stage in listed}
    return (*listed, *(EnvironmentSettings(name) for name in sorted(set(seen) - names)))


def _stage(pipeline: Pipeline, name: str) -> EnvironmentSettings:
    environment = pipeline.environments[name]
    promotion = _promotion(environment.promote) if environment.promote else None
    return EnvironmentSettings(name, environment.after or "", promotion, environment.sync.mode is SyncMode.OBSERVE)


def _promotion(promote: PromotePolicy) -> PromotionSettings:
    return PromotionSettings(
        when=promote.when,
        soak=promote.soak.total_seconds(),
        scan=promote.scan.max if promote.scan else "",
        approvals=promote.approvals.count,
        windows=bool(promote.windows.allow or promote.windows.deny),
        rollback=promote.rollback.within.total_seconds() if promote.rollback else 0.0,
    )
