"""environments/pipeline.yaml: services, environments and their order, and the variations between environments.

This module checks the form of the file. core/contract enforces `variations`, core/promotion enforces `promote`.
"""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field, model_validator

from gitops.core.config_repo.environments import Environment, ForeignFieldPolicy
from gitops.core.config_repo.services import RegistryPolicy, Service
from gitops.core.config_repo.variations import Variation
from gitops.core.parsing import models
from gitops.core.parsing.models import (
    Duration,
    Kind,
    Name,
    RepoPath,
    StrictModel,
    error_at,
)

FILE = "environments/pipeline.yaml"
ENVIRONMENTS = "environments"
PLATFORM = "platform"


class Platform(StrictModel):
    """The overlay of objects that exist once in a cluster: always at the trunk's head, never pruned. `kinds`: the kinds
    that it may hold besides roles, role bindings, service accounts, quotas and limit ranges.
    """

    path: RepoPath = "base/platform"
    kinds: tuple[Kind, ...] = ()


class RequestPolicy(StrictModel):
    ttl: Duration = timedelta(hours=24)


class Pipeline(StrictModel):
    trunk: str = "main"
    platform: Platform | None = None
    reference: RepoPath = "base"
    registries: tuple[RegistryPolicy, ...] = ()
    services: dict[Name, Service] = Field(default_factory=dict)
    environments: dict[Name, Environment] = Field(min_length=1)
    variations: tuple[Variation, ...] = ()
    request: RequestPolicy = RequestPolicy()

    @property
    def order(self) -> tuple[str, ...]:
        """The environments, each behind its `after`; otherwise in the order of the file."""
        return _sort_by_after(self.environments)

    def following(self, environment: str) -> tuple[str, ...]:
        """The environments whose `after` is this environment."""
        return tuple(name for name, other in self.environments.items() if other.after == environment)

    def foreign(self, environment: str) -> ForeignFieldPolicy:
        """The policy for foreign fields. Default: `remove` if no environment comes after this one, else `report`."""
        return self.environments[environment].sync.foreign or (
            ForeignFieldPolicy.REPORT if self.following(environment) else ForeignFieldPolicy.REMOVE
        )

    @model_validator(mode="after")
    def _check_consistency(self) -> "Pipeline":
        if PLATFORM in self.environments and self.platform is not None:
            raise error_at(
                f"`{PLATFORM}` is the name of the platform overlay; rename this environment", "environments", PLATFORM
            )
        _require_known(self)
        _require_own_namespaces(self.environments)
        _require_one_image_each(self.services)
        _sort_by_after(self.environments)
        return self


def parse(text: bytes, file: str = FILE, *, checked: bool = False) -> Pipeline:
    """Parses pipeline.yaml. `checked`: the same text was parsed before without an error.

    Raises: Rejected(InvalidPipeline, InvalidYaml, LimitExceeded) with file, line and what is wrong.
    """
    return models.read(text, file, Pipeline, "InvalidPipeline", checked=checked)


def _sort_by_after(environments: Mapping[str, Environment]) -> tuple[str, ...]:
    placed: dict[str, None] = {}
    while len(placed) < len(environments):
        ready = [
            name
            for name, environment in environments.items()
            if name not in placed and (environment.after is None or environment.after in placed)
        ]
        if not ready:
            rest = ", ".join(name for name in environments if name not in placed)
            raise error_at(f"`after` forms a cycle: {rest}", "environments", rest.split(",")[0], "after")
        placed.update(dict.fromkeys(ready))
    return tuple(placed)


def _require_known(pipeline: Pipeline) -> None:
    known = pipeline.environments
    for name, environment in known.items():
        if environment.after is not None and environment.after not in known:
            message = f"{name} comes after `{environment.after}`, which is not declared"
            raise error_at(message, "environments", name, "after")
    for number, variation in enumerate(pipeline.variations):
        unknown = [name for name in variation.environments if name not in known]
        if unknown:
            raise error_at(f"no environment is called {', '.join(unknown)}", "variations", number, "environments")


def _require_own_namespaces(environments: Mapping[str, Environment]) -> None:
    owners: dict[tuple[str | None, str], str] = {}
    for name, environment in environments.items():
        other = owners.setdefault((environment.context, environment.namespace), name)
        if other != name:
            message = f"{other} and {name} share the namespace {environment.namespace}"
            raise error_at(message, "environments", name, "namespace")


def _require_one_image_each(services: Mapping[str, Service]) -> None:
    owners: dict[str, str] = {}
    for name, service in services.items():
        other = owners.setdefault(service.image, name)
        if other != name:
            raise error_at(f"{other} and {name} have the same image", "services", name, "image")
