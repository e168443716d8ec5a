"""environments/pipeline.yaml: which images are followed, which environments there are, in which order, and in what they
may differ. `variations` and `promote` are checked here for their form; who enforces them is elsewhere.
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
    """What exists once in a cluster: an overlay of its own, always at the trunk's head, never pruned. `kinds` are those
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
        """Environments, each behind the one it comes after; else as written. Several may come after the same one."""
        return _ordered(self.environments)

    def following(self, environment: str) -> tuple[str, ...]:
        """The environments that come directly after this one."""
        return tuple(name for name, other in self.environments.items() if other.after == environment)

    def foreign(self, environment: str) -> ForeignFieldPolicy:
        """What happens to foreign fields: removed by default where nothing comes after, reported elsewhere."""
        return self.environments[environment].sync.foreign or (
            ForeignFieldPolicy.REPORT if self.following(environment) else ForeignFieldPolicy.REMOVE
        )

    @model_validator(mode="after")
    def _fits_together(self) -> "Pipeline":
        if PLATFORM in self.environments and self.platform is not None:
            raise error_at(
                f"`{PLATFORM}` is the name of the platform overlay; call it otherwise", "environments", PLATFORM
            )
        _require_known(self)
        _require_own_namespaces(self.environments)
        _require_one_image_each(self.services)
        _ordered(self.environments)
        return self


def parse(text: bytes, file: str = FILE, *, checked: bool = False) -> Pipeline:
    """`checked`: this very text was parsed before.

    Raises: Rejected(InvalidPipeline, InvalidYaml, LimitExceeded) with file, line and what is wrong.
    """
    return models.read(text, file, Pipeline, "InvalidPipeline", checked=checked)


def _ordered(environments: Mapping[str, Environment]) -> tuple[str, ...]:
    placed: dict[str, None] = {}
    while len(placed) < len(environments):
        ready = [
            name
            for name, environment in environments.items()
            if name not in placed and (environment.after is None or environment.after in placed)
        ]
        if not ready:
            rest = ", ".join(name for name in environments if name not in placed)
            raise error_at(
                f"these come after each other in a circle: {rest}", "environments", rest.split(",")[0], "after"
            )
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
