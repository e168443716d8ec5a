"""The reference that environments are compared with: the directories that they share, as one kustomization."""

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitops.core.onboarding.discovery import Graph, reachable

TRIAL = "lockstep-trial"
"""A directory name that no repository uses, for a trial render of the shared directories."""

_ROOTS = ("base", "reference", "lockstep-reference")
_HEAD = """\
# The shared part of the environments: `lockstep check` compares them with it. It is not deployed by itself.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
"""


@dataclass(frozen=True, slots=True)
class ReferenceDirectory:
    """`path`: the value of `reference:` in pipeline.yaml; `files`: path -> content of the files to write for it."""

    path: str
    files: Mapping[str, bytes] = field(default_factory=dict)


def find_shared(uses: Sequence[Sequence[str]], known: Graph) -> tuple[str, ...]:
    """The directories that several overlays use, without those that another one of them refers to.

    A component changes the objects that it is applied to, so it must be used by all overlays. `uses`: for each overlay
    the directories that it uses.
    """
    counted = Counter(directory for each in uses for directory in each)
    enough = min(2, len(uses))
    found = {
        directory: None
        for each in uses
        for directory in each
        if counted[directory] >= (len(uses) if known[directory].is_component else enough)
    }
    referred = {other for each in found for other in reachable(known, each)[1:]}
    return tuple(each for each in found if each not in referred)


def kustomization_text(directory: str, parts: Sequence[str], known: Graph) -> bytes:
    """The kustomization.yaml of `directory`, which refers to these parts; with empty resources if there are none."""
    lines = [_HEAD]
    for name, are_components in (("resources", False), ("components", True)):
        chosen = [each for each in parts if known[each].is_component == are_components]
        if chosen:
            lines.append(f"{name}:\n" + "".join(f"- {posixpath.relpath(each or '.', directory)}\n" for each in chosen))
    if not parts:
        lines.append("resources: []\n")
    return "".join(lines).encode()


def build_reference(parts: Mapping[str, Sequence[str]], known: Graph) -> ReferenceDirectory:
    """The reference: the one shared directory if there is only one, else new kustomizations in a free directory.

    `parts`: service (empty: the whole environment) -> the directories that its overlays share.
    """
    [*alone] = parts.get("", ())
    if set(parts) == {""} and len(alone) == 1 and alone[0] and not known[alone[0]].is_component:
        return ReferenceDirectory(alone[0])
    for root in _ROOTS:
        places = {service: f"{root}/{service}".rstrip("/") for service in parts}
        if all(_fits(place, parts[service], known) for service, place in places.items()):
            break
    files = {
        f"{place}/kustomization.yaml": kustomization_text(place, parts[service], known)
        for service, place in places.items()
        if list(parts[service]) != [place]
    }
    return ReferenceDirectory(root, files)


def _fits(place: str, parts: Sequence[str], known: Graph) -> bool:
    """True if `place` is the only part, or is free and below no part: a reference to a directory above is a cycle."""
    is_free = place not in known and not any(place.startswith(f"{each}/") or not each for each in parts)
    return is_free or list(parts) == [place]
