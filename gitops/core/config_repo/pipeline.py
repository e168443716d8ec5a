"""environments/pipeline.yaml: which images are followed, which environments there are, in which order, and in what they
may differ. `variations` and `promote` are checked here for their form; who enforces them is elsewhere.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from gitops.core.config_repo.variations import Variation
from gitops.core.errors import Rejected
from gitops.core.images import reference as images
from gitops.core.images.registry_facts import ScanSeverity
from gitops.core.parsing import models as schema
from gitops.core.parsing import regex as expressions
from gitops.core.parsing.models import (
    Cron,
    Duration,
    Expression,
    ImageName,
    Kind,
    Name,
    OneOrMore,
    RepoPath,
    RepoUrl,
    StrictModel,
    Timezone,
    misfit,
    require,
)

FILE = "environments/pipeline.yaml"
ENVIRONMENTS = "environments"
PLATFORM = "platform"
KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_COMPARATOR = re.compile(r"(?:>=|<=|!=|=|>|<|\^|~)?\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")


class TagOrder(StrEnum):
    """What "newest" means among the tags that match a pattern; `pushed` is the registry's push time."""

    PUSHED = "pushed"
    NUMERIC = "numeric"
    ALPHABETICAL = "alphabetical"


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


class TagPolicy(StrictModel):
    """Which tags of an image are candidates, and which of them is the newest: exactly one of `semver` (a range),
    `pattern` (a regular expression for whole tags, with `order`) and `follow` (one moving tag, pinned by digest).
    """

    semver: str | None = None
    pattern: Annotated[Expression, Field(max_length=200)] | None = None
    order: TagOrder | None = None
    follow: str | None = None

    @model_validator(mode="after")
    def _one_policy(self, info: ValidationInfo) -> "TagPolicy":
        if [self.semver, self.pattern, self.follow].count(None) != 2:
            raise ValueError("needs exactly one of semver, pattern, follow")
        if self.order is not None and self.pattern is None:
            raise ValueError("order belongs to a pattern; semver and follow have their own")
        is_numeric = self.order is TagOrder.NUMERIC and not schema.is_checked(info)
        if is_numeric and expressions.groups(self.pattern or "") != 1:
            raise ValueError("order: numeric needs a pattern with exactly one group, around the number")
        if self.follow is not None and not images.is_tag(self.follow):
            raise ValueError("follow must be a tag")
        if self.semver is not None and not all(map(_COMPARATOR.fullmatch, self.semver.split() or [""])):
            raise ValueError('semver must be a range such as ">=1.4 <2"')
        return self


class SweepPolicy(StrictModel):
    every: Duration


class RegistryPolicy(StrictModel):
    """`host` as the manifests say it; `aliases` as the registry calls itself in its webhooks."""

    host: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    sweep: SweepPolicy | None = None


class Service(StrictModel):
    """`source`: the repository that the image is built from, or several. Nothing is ever fetched from there: pushes to
    it are shown, and its commits are linked to.
    """

    image: ImageName
    tags: TagPolicy
    source: Annotated[tuple[RepoUrl, ...], Field(min_length=1, max_length=10), OneOrMore] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return self.source or ()


class Platform(StrictModel):
    """What exists once in a cluster: an overlay of its own, always at the trunk's head, never pruned. `kinds` are those
    that it may hold besides roles, role bindings, service accounts, quotas and limit ranges.
    """

    path: RepoPath = "base/platform"
    kinds: tuple[Kind, ...] = ()


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
            raise misfit(
                f"`{PLATFORM}` is the name of the platform overlay; call it otherwise", "environments", PLATFORM
            )
        _require_known(self)
        _require_own_namespaces(self.environments)
        _require_one_image_each(self.services)
        _ordered(self.environments)
        return self


@dataclass(frozen=True, slots=True)
class Overlay:
    """The unit that is rendered, applied, pruned, promoted and shown: `dev`, `prod/print-api`, or `platform`.

    `path` is its directory in the config repo, `after` the environment that its environment comes after. The platform
    has no namespace of its own (empty), and counts as an environment called `platform`.
    """

    name: str
    environment: str
    path: str
    namespace: str
    after: str | None = None

    @property
    def is_platform(self) -> bool:
        return self.environment == PLATFORM and not self.namespace

    @property
    def file(self) -> str:
        """What a message points at when no better place is known."""
        return f"{self.path}/{KUSTOMIZATION_FILES[0]}"


def parse(text: bytes, file: str = FILE, *, checked: bool = False) -> Pipeline:
    """`checked`: this very text was parsed before.

    Raises: Rejected(InvalidPipeline, InvalidYaml, LimitExceeded) with file, line and what is wrong.
    """
    return schema.read(text, file, Pipeline, "InvalidPipeline", checked=checked)


def overlays(pipeline: Pipeline, paths: Collection[str]) -> tuple[Overlay, ...]:
    """The overlays of a tree, in the order of the pipeline, the platform first.

    An environment whose own directory has a kustomization is one overlay; else each child directory that has one is.
    Directories that cannot be an overlay are left out; `misfits` says why.
    """
    found = [_platform_overlay(pipeline.platform)] if pipeline.platform else []
    for name in pipeline.order:
        declared = pipeline.environments[name]
        for path in sorted(_overlay_directories(name, paths)):
            overlay = path.removeprefix(f"{ENVIRONMENTS}/")
            if schema.is_name(overlay.rpartition("/")[2]):
                found.append(Overlay(overlay, name, path, declared.namespace, declared.after))
    return tuple(found)


def kustomization(directory: str, paths: Collection[str]) -> str | None:
    """The path of the kustomization that lies in a directory itself; None when none of these paths is."""
    return next((path for name in KUSTOMIZATION_FILES if (path := f"{directory}/{name}") in paths), None)


def misfits(pipeline: Pipeline, paths: Collection[str]) -> tuple[Rejected, ...]:
    """What `overlays` left out, to be shown: no overlay for an environment, unusable names, undeclared directories."""
    found = []
    for name in pipeline.order:
        directories = _overlay_directories(name, paths)
        if not directories:
            found.append(
                Rejected("NoOverlay", f"environments/{name}/ has no kustomization.yaml, so nothing is deployed")
            )
        found += [
            Rejected("InvalidName", f"{path}: the name of an overlay's directory must be a DNS label without dots")
            for path in sorted(directories)
            if not schema.is_name(path.rpartition("/")[2])
        ]
    children = {path.split("/")[1] for path in paths if path.startswith(f"{ENVIRONMENTS}/") and path.count("/") > 1}
    undeclared = sorted(children - set(pipeline.environments))
    found += [Rejected("NotDeclared", f"environments/{name}/ is not an environment of {FILE}") for name in undeclared]
    return tuple(found)


def _platform_overlay(platform: Platform) -> Overlay:
    return Overlay(PLATFORM, PLATFORM, platform.path, "")


def _overlay_directories(environment: str, paths: Collection[str]) -> set[str]:
    root = f"{ENVIRONMENTS}/{environment}"
    held = {path.rpartition("/")[0] for path in paths if path.startswith(root + "/") and _is_kustomization(path)}
    return {root} if root in held else {path for path in held if path.count("/") == 2}


def _is_kustomization(path: str) -> bool:
    return path.rpartition("/")[2] in KUSTOMIZATION_FILES


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
            raise misfit(
                f"these come after each other in a circle: {rest}", "environments", rest.split(",")[0], "after"
            )
        placed.update(dict.fromkeys(ready))
    return tuple(placed)


def _require_known(pipeline: Pipeline) -> None:
    known = pipeline.environments
    for name, environment in known.items():
        if environment.after is not None and environment.after not in known:
            message = f"{name} comes after `{environment.after}`, which is not declared"
            raise misfit(message, "environments", name, "after")
    for number, variation in enumerate(pipeline.variations):
        unknown = [name for name in variation.environments if name not in known]
        if unknown:
            raise misfit(f"no environment is called {', '.join(unknown)}", "variations", number, "environments")


def _require_own_namespaces(environments: Mapping[str, Environment]) -> None:
    owners: dict[tuple[str | None, str], str] = {}
    for name, environment in environments.items():
        other = owners.setdefault((environment.context, environment.namespace), name)
        if other != name:
            message = f"{other} and {name} share the namespace {environment.namespace}"
            raise misfit(message, "environments", name, "namespace")


def _require_one_image_each(services: Mapping[str, Service]) -> None:
    owners: dict[str, str] = {}
    for name, service in services.items():
        other = owners.setdefault(service.image, name)
        if other != name:
            raise misfit(f"{other} and {name} have the same image", "services", name, "image")
