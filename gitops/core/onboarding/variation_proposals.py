"""Proposes the fewest readable variations that cover the differences between environments today.

They are no more general than that: no preset, and no field that is equal everywhere.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops.core.config_repo.variations import ObjectPattern, Variation, ViolationSeverity
from gitops.core.contract.comparison.pod_paths import (
    CONTAINER_LISTS,
    NAMED_ITEMS,
    is_image_of_container,
    is_in_pod_template,
)
from gitops.core.contract.variations import rules
from gitops.core.contract.variations.field_patterns import one_line_pattern
from gitops.core.contract.variations.rules import VariationRule
from gitops.core.errors import Rejected
from gitops.core.images import reference as images
from gitops.core.onboarding.observed_differences import ObservedDifference
from gitops.core.ownership import fields
from gitops.core.sync.diff import ABSENT

_MOST_BY_NAME = 3
_ITEM = re.compile(rf"(.*/(?:{'|'.join(NAMED_ITEMS)})/[^/]+)/name")
_WHOLE = re.compile(
    r".*?/(?:resources|livenessProbe|readinessProbe|startupProbe|affinity|tolerations|nodeSelector|command|args"
    r"|topologySpreadConstraints|volumeMounts/[^/]+|volumes/[^/]+|envFrom|securityContext)(?=/|\Z)"
)
_MAPS = frozenset(CONTAINER_LISTS) | {"env", "volumes", "volumeMounts", "annotations", "labels", "matchLabels", "data"}
_DEEPEST = 3
_POSITION = re.compile(r"/\d+(?=/|\Z)")


@dataclass(slots=True)
class _Group:
    """Differences that one variation is to cover. `objects`: (kind, name)."""

    path: str
    objects: dict[tuple[str, str], None] = field(default_factory=dict)
    differences: list[ObservedDifference] = field(default_factory=list)


def propose_variations(
    found: Sequence[ObservedDifference],
    kinds: Mapping[str, Collection[str]],
    environments: Sequence[str],
    neutralize: Callable[[str, str], str],
) -> tuple[Variation, ...]:
    """Every difference is covered by at least one variation, and every variation covers one that no other does.

    `kinds`: kind -> the names of all its objects; `environments` in their order; `neutralize`: takes the names of an
    environment out of a text.
    """
    in_fields = [each for each in found if each.path]
    groups = _group(in_fields, _patterns(in_fields, neutralize))
    variations = _with_unique_names([_variation(group, kinds) for group in _join_kinds(groups)])
    objects = [each for each in found if not each.path]
    return _without_redundant((*variations, *_presence_variations(objects, environments)), found)


def guarding_variations(variations: Sequence[Variation], found: Collection[ObservedDifference]) -> tuple[str, ...]:
    """The names of variations about fields that guard an environment: roles, network policies, security contexts. These
    are the fields in which the standard preset forbids a difference.
    """
    strict = [
        rule
        for rule in rules.compile_variations((Variation(preset="standard"),))
        if rule.outcome is ViolationSeverity.FORBID
    ]
    guarding = [each for each in found if any(is_covered(each, rule) for rule in strict)]
    compiled = rules.compile_variations(variations)
    return tuple(rule.label for rule in compiled if any(is_covered(each, rule) for each in guarding))


def is_covered(difference: ObservedDifference, rule: VariationRule) -> bool:
    if not rule.selects(difference.ident) or not rule.applies(difference.environment):
        return False
    return rule.field is None if not difference.path else rule.covers(difference.path)


def _without_redundant(variations: Sequence[Variation], found: Collection[ObservedDifference]) -> tuple[Variation, ...]:
    compiled = dict(zip(range(len(variations)), rules.compile_variations(variations), strict=True))
    covering = [{number for number, rule in compiled.items() if is_covered(each, rule)} for each in found]
    kept = set(compiled)
    for number in sorted(compiled, key=lambda each: sum(each in numbers for numbers in covering)):
        if all(number not in numbers or len(numbers & kept) > 1 for numbers in covering):
            kept.discard(number)
    return tuple(variations[number] for number in sorted(kept))


# -- fields


def _patterns(
    found: Sequence[ObservedDifference], neutralize: Callable[[str, str], str]
) -> Mapping[tuple[str, str, str], str]:
    """(kind, name, path) of each difference -> the field of the variation for it."""
    items = {(each.ident.kind, each.ident.name, item[1]) for each in found if (item := _ITEM.fullmatch(each.path))}
    plain = {}
    for each in found:
        own = (each.ident.kind, each.ident.name)
        whole = next((at for at in _prefixes(each.path) if (*own, at) in items), None)
        plain[*own, each.path] = one_line_pattern(whole or _shorten(each.path, each.environment, neutralize))
    return _generalize(plain)


def _shorten(path: str, environment: str, neutralize: Callable[[str, str], str]) -> str:
    """The path up to a structure that people see as one; `*` for positions and for keys that name the environment."""
    whole = _WHOLE.match(path) if is_in_pod_template(path) else None
    segments = (whole.group() if whole else path).split("/")
    kept = ("*" if neutralize(each, environment) != each else each for each in segments)
    return _POSITION.sub("/*", "/".join(kept))


def _generalize(plain: Mapping[tuple[str, str, str], str]) -> dict[tuple[str, str, str], str]:
    """The patterns with `*` in place of several keys of one map, or containers, that differ in the same fields."""
    found = dict(plain)
    for _ in range(_DEEPEST):
        siblings: dict[tuple[str, str, str], set[str]] = {}
        for (kind, _, _), pattern in found.items():
            for above, key, below in _spots(pattern):
                siblings.setdefault((kind, above, below), set()).add(key)
        many = {
            spot
            for spot, keys in siblings.items()
            if len(keys) > _most_by_name(spot) or ("*" in keys and len(keys) > 1)
        }
        found = {own: _replace_key(own[0], pattern, many) for own, pattern in found.items()}
    return found


def _spots(pattern: str) -> Iterator[tuple[str, str, str]]:
    """(path above, key, path below) of each key in the path that belongs to a map with free keys.

    A whole container is no such key: `*` in its place would allow every difference of every container.
    """
    segments = pattern.split("/")
    for at in range(2, len(segments)):
        is_whole = at == len(segments) - 1
        if segments[at - 1] in _MAPS and not (is_whole and segments[at - 1] in CONTAINER_LISTS):
            yield "/".join(segments[:at]), segments[at], "/".join(segments[at + 1 :])


def _most_by_name(spot: tuple[str, str, str]) -> int:
    return 1 if spot[1].rpartition("/")[2] in CONTAINER_LISTS else _MOST_BY_NAME


def _replace_key(kind: str, pattern: str, many: Collection[tuple[str, str, str]]) -> str:
    for above, key, below in _spots(pattern):
        if key != "*" and (kind, above, below) in many:
            return "/".join(filter(None, (above, "*", below)))
    return pattern


def _group(found: Sequence[ObservedDifference], patterns: Mapping[tuple[str, str, str], str]) -> list[_Group]:
    groups: dict[tuple[str, str], _Group] = {}
    for each in found:
        path = patterns[each.ident.kind, each.ident.name, each.path]
        group = groups.setdefault((each.ident.kind, path), _Group(path))
        group.objects[each.ident.kind, each.ident.name] = None
        group.differences.append(each)
    return [groups[key] for key in sorted(groups)]


def _join_kinds(groups: Sequence[_Group]) -> list[_Group]:
    """One group for each path, of all kinds."""
    joined: dict[str, _Group] = {}
    for group in groups:
        into = joined.setdefault(group.path, _Group(group.path))
        into.objects.update(group.objects)
        into.differences += group.differences
    return list(joined.values())


def _variation(group: _Group, kinds: Mapping[str, Collection[str]]) -> Variation:
    named: dict[str, list[str]] = {}
    for kind, name in group.objects:
        named.setdefault(kind, []).append(name)
    whole = {kind for kind, names in named.items() if len(names) > _MOST_BY_NAME or len(names) >= len(kinds[kind])}
    kept: dict[str, Any] = {"kinds": tuple(sorted(named))}
    if whole != set(named):
        patterns = [(kind, "*") if kind in whole else (kind, name) for kind in named for name in sorted(named[kind])]
        objects = tuple(ObjectPattern(kind=kind, name=name) for kind, name in sorted(dict.fromkeys(patterns)))
        kept = {"objects": objects}
    return Variation(name=_name(group.path), field=group.path, schema=_schema(group), **kept)


def _with_unique_names(variations: Sequence[Variation]) -> list[Variation]:
    """The variations with their kinds in names that occur twice, and with a number if these are equal too."""
    names = Counter(each.name for each in variations)
    longer = [
        each.model_copy(update={"name": f"{each.name} of {', '.join(_kinds(each))}"}) if names[each.name] > 1 else each
        for each in variations
    ]
    met: Counter[str | None] = Counter()
    found = []
    for each in longer:
        met[each.name] += 1
        name = f"{each.name} ({met[each.name]})" if met[each.name] > 1 else each.name
        found.append(each.model_copy(update={"name": name}))
    return found


def _kinds(variation: Variation) -> list[str]:
    return sorted({*variation.kinds, *(each.kind for each in variation.objects)})


def _name(path: str) -> str:
    """A short name for the field: `env LOG_LEVEL`, `resources`, `data`, `pod labels tier`."""
    segments = [fields.last_name(f"/{each}") for each in path.removesuffix("/value").rstrip("/*").split("/")]
    last, above = segments[-1], segments[-2]
    of = "pod " if "template" in segments and "metadata" in segments else "selector " if "selector" in segments else ""
    return f"{of}{above} {last}" if above in _MAPS - {"matchLabels"} else f"{of}{last}"


def _schema(group: _Group) -> dict[str, Any] | None:
    """A schema for numbers, booleans and images that fits today's values; None for other values."""
    values = [value for each in group.differences for value in each.values if value is not ABSENT]
    if any(each.path != group.path for each in group.differences) and not is_image_of_container(group.path):
        return None
    if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return {"type": "integer", "minimum": min(1, *values)}
    if values and all(isinstance(value, bool) for value in values):
        return {"type": "boolean"}
    return _image_schema(values) if is_image_of_container(group.path) else None


def _image_schema(values: Collection[Any]) -> dict[str, Any] | None:
    """A schema that allows any tag of today's repositories; None if a value is no image."""
    try:
        known = sorted({images.parse(str(value)).name for value in values})
    except Rejected:
        return None
    names = "|".join(re.escape(name).replace(r"\-", "-") for name in known)
    return {"type": "string", "pattern": f"^({names})([:@]|$)"} if known else None


def _prefixes(path: str) -> list[str]:
    """The path and the paths above it, the longest first."""
    segments = path.split("/")
    return ["/".join(segments[:end]) for end in range(len(segments), 1, -1)]


# -- objects


def _presence_variations(found: Collection[ObservedDifference], environments: Sequence[str]) -> list[Variation]:
    """A variation for each set of environments: one for objects that base lacks, one for objects that they lack."""
    where: dict[tuple[bool, str, str], set[str]] = {}
    for each in found:
        where.setdefault((each.extra, each.ident.kind, each.ident.name), set()).add(each.environment)
    sets: dict[tuple[str, tuple[str, ...]], list[ObjectPattern]] = {}
    for (extra, kind, name), there in sorted(where.items(), key=lambda item: item[0]):
        listed = tuple(each for each in environments if each in there)
        called = f"{'only' if extra else 'not'} in {' and '.join(listed)}"
        if extra and len(listed) == len(environments):
            called, listed = "in every environment", ()
        sets.setdefault((called, listed), []).append(ObjectPattern(kind=kind, name=name))
    return [
        Variation(name=called, objects=tuple(objects), environments=listed)
        for (called, listed), objects in sets.items()
    ]
