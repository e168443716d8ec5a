"""What the environments are compared with: the directories that they share, as one kustomization."""

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitops.core.onboarding.discovery import Graph, reached

TRIAL = "lockstep-trial"
"""A directory that nobody has, to see whether something renders."""

_ROOTS = ("base", "reference", "lockstep-reference")
_HEAD = """\
# What the environments share: what `lockstep check` compares them with. It is not deployed by itself.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
"""


@dataclass(frozen=True, slots=True)
class ReferenceDirectory:
    """`path`: what `reference:` of pipeline.yaml says; `files`: what has to be written for it."""

    path: str
    files: Mapping[str, bytes] = field(default_factory=dict)


def shared(uses: Sequence[Sequence[str]], known: Graph) -> tuple[str, ...]:
    """The directories that several overlays use, without those that another one of them brings along. Components change
    what they are applied to: only those that all overlays use are among them.
    """
    counted = Counter(directory for each in uses for directory in each)
    enough = min(2, len(uses))
    found = {
        directory: None
        for each in uses
        for directory in each
        if counted[directory] >= (len(uses) if known[directory].is_component else enough)
    }
    brought = {other for each in found for other in reached(known, each)[1:]}
    return tuple(each for each in found if each not in brought)


def text(directory: str, parts: Sequence[str], known: Graph) -> bytes:
    """The kustomization of the directory `directory` that is made of these parts; of nothing when there are none."""
    lines = [_HEAD]
    for name, are_components in (("resources", False), ("components", True)):
        chosen = [each for each in parts if known[each].is_component == are_components]
        if chosen:
            lines.append(f"{name}:\n" + "".join(f"- {posixpath.relpath(each or '.', directory)}\n" for each in chosen))
    if not parts:
        lines.append("resources: []\n")
    return "".join(lines).encode()


def made(parts: Mapping[str, Sequence[str]], known: Graph) -> ReferenceDirectory:
    """`parts`: service (empty: all of the environment) -> what its overlays share."""
    [*alone] = parts.get("", ())
    if set(parts) == {""} and len(alone) == 1 and alone[0] and not known[alone[0]].is_component:
        return ReferenceDirectory(alone[0])
    for root in _ROOTS:
        places = {service: f"{root}/{service}".rstrip("/") for service in parts}
        if all(_fits(place, parts[service], known) for service, place in places.items()):
            break
    files = {
        f"{place}/kustomization.yaml": text(place, parts[service], known)
        for service, place in places.items()
        if list(parts[service]) != [place]
    }
    return ReferenceDirectory(root, files)


def _fits(place: str, parts: Sequence[str], known: Graph) -> bool:
    """True for the directory itself, and for a free one; a reference to a directory above is a cycle."""
    is_free = place not in known and not any(place.startswith(f"{each}/") or not each for each in parts)
    return is_free or list(parts) == [place]
