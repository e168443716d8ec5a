"""The environments in the order of promotion, with the gates of each. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from gitops.core.config_repo.environments import PromotePolicy, SyncMode
from gitops.core.config_repo.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class PromotionRules:
    """The gates before an environment; times are in seconds. `scan` is the worst severity that passes, empty for any.
    `windows` tells whether promotion windows are declared. A promotion that turns Degraded within `rollback` is rolled
    back automatically; 0 means never.
    """

    when: str
    soak: float
    scan: str
    approvals: int
    windows: bool
    rollback: float


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """`after` is the environment before this one, empty for a first one. `observes`: differences are shown, nothing is
    written.
    """

    name: str
    after: str = ""
    promotion: PromotionRules | None = None
    observes: bool = False


def list_environments(pipeline: Pipeline | None, seen: Iterable[str]) -> tuple[EnvironmentSettings, ...]:
    """The environments of pipeline.yaml in its order, then those of `seen` that it does not declare, by name."""
    declared = tuple(_read_settings(pipeline, name) for name in pipeline.order) if pipeline else ()
    names = {environment.name for environment in declared}
    return (*declared, *(EnvironmentSettings(name) for name in sorted(set(seen) - names)))


def _read_settings(pipeline: Pipeline, name: str) -> EnvironmentSettings:
    environment = pipeline.environments[name]
    promotion = _read_rules(environment.promote) if environment.promote else None
    return EnvironmentSettings(name, environment.after or "", promotion, environment.sync.mode is SyncMode.OBSERVE)


def _read_rules(promote: PromotePolicy) -> PromotionRules:
    return PromotionRules(
        when=promote.when,
        soak=promote.soak.total_seconds(),
        scan=promote.scan.max if promote.scan else "",
        approvals=promote.approvals.count,
        windows=bool(promote.windows.allow or promote.windows.deny),
        rollback=promote.rollback.within.total_seconds() if promote.rollback else 0.0,
    )
