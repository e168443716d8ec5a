"""Which directory names mean environments, in which order these come, and names that are made from paths."""

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
    """How late an environment of this name comes; None when the name says nothing: `eu`, `non-prod`."""
    words = _SEPARATOR.split(name.lower())
    if words[0] in {"non", "no", "not"}:
        return None
    return next((_RANK[word] for word in (words[0], words[-1]) if word in _RANK), None)


def position(directory: str) -> int | None:
    """Which segment of the path names an environment: the last one that is the name of one, or that stands right below
    `overlays/` and its like. None when none does.
    """
    segments = directory.split("/")
    spoken = [number for number, segment in enumerate(segments) if segment.lower() in _RANK]
    held = [number for number in range(1, len(segments)) if segments[number - 1] in _CONTAINERS]
    found = max((*spoken[-1:], *held[-1:]), default=None)
    if found is None or _SHARED & set(segments[:found]) or segments[found] in _SHARED:
        return None
    return found


def service_path(directory: str, at: int) -> tuple[str, ...]:
    """What the path says besides the environment: `("shop", "api")` of `apps/shop/overlays/dev/api`."""
    segments = directory.split("/")
    rest = [each for each in (*segments[:at], *segments[at + 1 :]) if each not in _CONTAINERS]
    return tuple(each for each in rest if each not in _NO_NAMES) or tuple(rest[-1:]) or ("app",)


def label(text: str) -> str:
    """A DNS label without dots: what environments, services and overlay directories may be called."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-") or "x"


def short_names(paths: Collection[tuple[str, ...]]) -> Mapping[tuple[str, ...], str]:
    """For each path the shortest end of it that no other one has, as a label."""
    wanted = sorted(set(paths))
    for length in range(1, max(map(len, wanted), default=0) + 1):
        named = {path: label("-".join(path[-length:])) for path in wanted}
        if len(set(named.values())) == len(named):
            return named
    return {path: f"{label('-'.join(path))[:55].strip('-')}-{number}" for number, path in enumerate(wanted)}


def predecessors(environments: Sequence[str]) -> Mapping[str, str | None]:
    """Environment -> the one that it comes after, by their names. Those that sound alike come after the same one."""
    ranks = {name: rank(name) or 0 for name in environments}
    found: dict[str, str | None] = {}
    for name in sorted(environments, key=lambda name: (ranks[name], name)):
        earlier = [other for other in environments if ranks[other] < ranks[name]]
        found[name] = min(
            earlier, key=lambda other: (-ranks[other], -_alike(name, other), len(other), other), default=None
        )
    return found


def _alike(one: str, other: str) -> int:
    """How many words two names have in common: `prod-eu` comes after `staging-eu`, not after `staging-us`."""
    return len(set(_SEPARATOR.split(one)) & set(_SEPARATOR.split(other)))
