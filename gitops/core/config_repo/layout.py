"""The overlays of a config repo: the directories of environments/ that have a kustomization."""

from collections.abc import Collection
from dataclasses import dataclass

from gitops.core.config_repo.pipeline import ENVIRONMENTS, FILE, PLATFORM, Pipeline, Platform
from gitops.core.errors import Rejected
from gitops.core.parsing import models

KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True, slots=True)
class Overlay:
    """The unit that is rendered, applied, pruned, promoted and shown: `dev`, `prod/print-api`, or `platform`.

    `path`: its directory in the config repo. `after`: the environment that its environment comes after. The platform
    has an empty namespace, and its environment is called `platform`.
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
        """The kustomization of the overlay: the place for messages that know no better one."""
        return f"{self.path}/{KUSTOMIZATION_FILES[0]}"


def overlays(pipeline: Pipeline, paths: Collection[str]) -> tuple[Overlay, ...]:
    """The overlays of a tree with these paths: the platform first, then in the order of the pipeline.

    If the directory of an environment has a kustomization, it is the one overlay of the environment. Else each child
    directory with a kustomization is an overlay. `problems` lists the directories that are left out.
    """
    found = [_platform_overlay(pipeline.platform)] if pipeline.platform else []
    for name in pipeline.order:
        declared = pipeline.environments[name]
        for path in sorted(_overlay_directories(name, paths)):
            overlay = path.removeprefix(f"{ENVIRONMENTS}/")
            if models.is_name(overlay.rpartition("/")[2]):
                found.append(Overlay(overlay, name, path, declared.namespace, declared.after))
    return tuple(found)


def kustomization(directory: str, paths: Collection[str]) -> str | None:
    """The path of the kustomization file directly in `directory`; None if `paths` has none."""
    return next((path for name in KUSTOMIZATION_FILES if (path := f"{directory}/{name}") in paths), None)


def problems(pipeline: Pipeline, paths: Collection[str]) -> tuple[Rejected, ...]:
    """Environments without an overlay, and directories that `overlays` left out: invalid names, not declared."""
    found = []
    for name in pipeline.order:
        directories = _overlay_directories(name, paths)
        if not directories:
            found.append(
                Rejected(
                    "NoOverlay", f"environments/{name}/ has no kustomization.yaml, so nothing is deployed; add one"
                )
            )
        found += [
            Rejected(
                "InvalidName", f"{path}: an overlay's directory must be named by a DNS label without dots; rename it"
            )
            for path in sorted(directories)
            if not models.is_name(path.rpartition("/")[2])
        ]
    children = {path.split("/")[1] for path in paths if path.startswith(f"{ENVIRONMENTS}/") and path.count("/") > 1}
    undeclared = sorted(children - set(pipeline.environments))
    found += [
        Rejected("NotDeclared", f"environments/{name}/ is not an environment of {FILE}; declare it there or remove it")
        for name in undeclared
    ]
    return tuple(found)


def _platform_overlay(platform: Platform) -> Overlay:
    return Overlay(PLATFORM, PLATFORM, platform.path, "")


def _overlay_directories(environment: str, paths: Collection[str]) -> set[str]:
    root = f"{ENVIRONMENTS}/{environment}"
    held = {path.rpartition("/")[0] for path in paths if path.startswith(root + "/") and _is_kustomization(path)}
    return {root} if root in held else {path for path in held if path.count("/") == 2}


def _is_kustomization(path: str) -> bool:
    return path.rpartition("/")[2] in KUSTOMIZATION_FILES
