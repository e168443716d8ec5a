"""Reads environments, their order and services from the names of directories, and makes short names from paths."""

import re
from collections.abc import Collection, Mapping, Sequence

_RANKS = (
    ("local", "sandbox", "dev", "devel", "develop", "development"),
    ("ci", "int", "integration"),
    ("test", "testing", "tst", "qa", "sit", "load", "perf"),
    ("uat", "acc", "acceptance", "stage", "staging", "stg", "pre", "preprod", "preview"),
    ("prod", "production", "prd", "live"),
)
_RANK = {word: rank for rank, words in enumerate(_RANKS) for word in words}
_CONTAINERS = frozenset({"overlays", "overlay", "environments", "environment", "envs", "env", "stages", "clusters"})
_NO_NAMES = _CONTAINERS | {"kustomize", "deploy", "deployment", "k8s", "kubernetes", "manifests", "apps", "components"}
_SHARED = frozenset({"base", "bases", "common", "shared"})
_SEPARATOR = re.compile(r"[-_.]")
_LONGEST = 63


def rank(name: str) -> int | None:
    """The place of an environment of this name in the usual order, 0 = first; None for `eu`, `non-prod` and others."""
    words = _SEPARATOR.split(name.lower())
    if words[0] in {"non", "no", "not"}:
        return None
    return next((_RANK[word] for word in (words[0], words[-1]) if word in _RANK), None)


def position(directory: str) -> int | None:
    """The index of the path segment that names an environment: the last one that has the name of one, or that stands
    right below `overlays/` or a directory like it. None if there is none.
    """
    segments = directory.split("/")
    named = [number for number, segment in enumerate(segments) if segment.lower() in _RANK]
    contained = [number for number in range(1, len(segments)) if segments[number - 1] in _CONTAINERS]
    found = max((*named[-1:], *contained[-1:]), default=None)
    if found is None or _SHARED & set(segments[:found]) or segments[found] in _SHARED:
        return None
    return found


def service_path(directory: str, at: int) -> tuple[str, ...]:
    """The segments that name the service: `("shop", "api")` for `apps/shop/overlays/dev/api`. `at`: the index of the
    environment.
    """
    segments = directory.split("/")
    rest = [each for each in (*segments[:at], *segments[at + 1 :]) if each not in _CONTAINERS]
    return tuple(each for each in rest if each not in _NO_NAMES) or tuple(rest[-1:]) or ("app",)


def label(text: str) -> str:
    """A DNS label without dots: environments, services and overlay directories may have such names."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-") or "x"


def short_names(paths: Collection[tuple[str, ...]]) -> Mapping[tuple[str, ...], str]:
    """Path -> the shortest end of it that no other path has, as a label."""
    wanted = sorted(set(paths))
    for length in range(1, max(map(len, wanted), default=0) + 1):
        named = {path: label("-".join(path[-length:])) for path in wanted}
        if len(set(named.values())) == len(named):
            return named
    return {path: f"{label('-'.join(path))[:55].strip('-')}-{number}" for number, path in enumerate(wanted)}


def predecessors(environments: Sequence[str]) -> Mapping[str, str | None]:
    """Environment -> the one that it comes after, by their names.

    Environments of the same rank come after the same one.
    """
    ranks = {name: rank(name) or 0 for name in environments}
    found: dict[str, str | None] = {}
    for name in sorted(environments, key=lambda name: (ranks[name], name)):
        earlier = [other for other in environments if ranks[other] < ranks[name]]
        found[name] = min(
            earlier, key=lambda other: (-ranks[other], -_common_words(name, other), len(other), other), default=None
        )
    return found


def _common_words(one: str, other: str) -> int:
    """The number of words that two names share: `prod-eu` comes after `staging-eu`, not after `staging-us`."""
    return len(set(_SEPARATOR.split(one)) & set(_SEPARATOR.split(other)))
