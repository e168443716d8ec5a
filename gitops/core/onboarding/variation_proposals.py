"""The fewest readable variations that cover what environments differ in today. Nothing more general than that is meant:
no preset, no field that differs nowhere.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops.core.config_repo.variations import ObjectPattern, Variation, ViolationSeverity
from gitops.core.contract.variations import field_patterns as paths
from gitops.core.contract.variations import rules
from gitops.core.contract.variations.rules import VariationRule
from gitops.core.errors import Rejected
from gitops.core.images import reference as images
from gitops.core.onboarding.observed_differences import Finding
from gitops.core.ownership import fields
from gitops.core.sync.diff import ABSENT

_MOST_BY_NAME = 3
_IMAGE = re.compile(r".*/(?:containers|initContainers)/[^/]+/image")
_ITEM = re.compile(r"(.*/(?:containers|initContainers|volumes|env)/[^/]+)/name")
_WHOLE = re.compile(
    r".*?/(?:resources|livenessProbe|readinessProbe|startupProbe|affinity|tolerations|nodeSelector|command|args"
    r"|topologySpreadConstraints|volumeMounts/[^/]+|volumes/[^/]+|envFrom|securityContext)(?=/|\Z)"
)
_PODS = re.compile(r"/spec/(?:jobTemplate/spec/)?template/spec/")
_CONTAINERS = frozenset({"containers", "initContainers"})
_MAPS = _CONTAINERS | {"env", "volumes", "volumeMounts", "annotations", "labels", "matchLabels", "data"}
_DEEPEST = 3
_POSITION = re.compile(r"/\d+(?=/|\Z)")


@dataclass(slots=True)
class _Group:
    """Findings that one variation is to cover. `objects`: (kind, name)."""

    path: str
    objects: dict[tuple[str, str], None] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def proposed(
    found: Sequence[Finding],
    kinds: Mapping[str, Collection[str]],
    environments: Sequence[str],
    neutral: Callable[[str, str], str],
) -> tuple[Variation, ...]:
    """`kinds`: all objects by kind; `environments` in their order; `neutral`: takes an environment's own names out of a
    text.

    Every finding is covered by at least one variation, and no variation can be left out.
    """
    in_fields = [each for each in found if each.path]
    groups = _grouped(in_fields, _patterns(in_fields, neutral))
    variations = _told_apart([_variation(group, kinds) for group in _joined(groups)])
    objects = [each for each in found if not each.path]
    return _needed((*variations, *_presences(objects, environments)), found)


def guards(variations: Sequence[Variation], found: Collection[Finding]) -> tuple[str, ...]:
    """Names of those that let differ what guards an environment: roles, network policies, security contexts. It is what
    the standard preset forbids.
    """
    strict = [
        rule for rule in rules.compiled((Variation(preset="standard"),)) if rule.outcome is ViolationSeverity.FORBID
    ]
    guarding = [each for each in found if any(covers(rule, each) for rule in strict)]
    compiled = rules.compiled(variations)
    return tuple(rule.label for rule in compiled if any(covers(rule, each) for each in guarding))


def covers(rule: VariationRule, finding: Finding) -> bool:
    """True when the rule lets this difference through."""
    if not rule.selects(finding.ident) or not rule.applies(finding.environment):
        return False
    return rule.field is None if not finding.path else rule.covers(finding.path)


def _needed(variations: Sequence[Variation], found: Collection[Finding]) -> tuple[Variation, ...]:
    compiled = dict(zip(range(len(variations)), rules.compiled(variations), strict=True))
    covering = [{number for number, rule in compiled.items() if covers(rule, each)} for each in found]
    kept = set(compiled)
    for number in sorted(compiled, key=lambda each: sum(each in numbers for numbers in covering)):
        if all(number not in numbers or len(numbers & kept) > 1 for numbers in covering):
            kept.discard(number)
    return tuple(variations[number] for number in sorted(kept))


# -- fields


def _patterns(found: Sequence[Finding], neutral: Callable[[str, str], str]) -> Mapping[tuple[str, str, str], str]:
    """(kind, name, path) of each finding -> the field of the variation for it."""
    items = {(each.ident.kind, each.ident.name, item[1]) for each in found if (item := _ITEM.fullmatch(each.path))}
    plain = {}
    for each in found:
        own = (each.ident.kind, each.ident.name)
        whole = next((at for at in _prefixes(each.path) if (*own, at) in items), None)
        plain[*own, each.path] = paths.writable(whole or _cut(each.path, each.environment, neutral))
    return _starred(plain)


def _cut(path: str, environment: str, neutral: Callable[[str, str], str]) -> str:
    """Whole structures that people think of as one thing; `*` for positions and for keys that name the environment."""
    whole = _WHOLE.match(path) if _PODS.match(path) else None
    segments = (whole.group() if whole else path).split("/")
    kept = ("*" if neutral(each, environment) != each else each for each in segments)
    return _POSITION.sub("/*", "/".join(kept))


def _starred(plain: Mapping[tuple[str, str, str], str]) -> dict[tuple[str, str, str], str]:
    """`*` where more than a few keys of one map, or several containers, share what is below them."""
    found = dict(plain)
    for _ in range(_DEEPEST):
        siblings: dict[tuple[str, str, str], set[str]] = {}
        for (kind, _, _), pattern in found.items():
            for above, key, below in _spots(pattern):
                siblings.setdefault((kind, above, below), set()).add(key)
        many = {spot for spot, keys in siblings.items() if len(keys) > _most(spot) or ("*" in keys and len(keys) > 1)}
        found = {own: _star(own[0], pattern, many) for own, pattern in found.items()}
    return found


def _spots(pattern: str) -> Iterator[tuple[str, str, str]]:
    """(what is above, key, what is below) of each key of a map in the path that people fill as they like. A whole
    container is no such key: `*` in its place would let through all of every container.
    """
    segments = pattern.split("/")
    for at in range(2, len(segments)):
        is_whole = at == len(segments) - 1
        if segments[at - 1] in _MAPS and not (is_whole and segments[at - 1] in _CONTAINERS):
            yield "/".join(segments[:at]), segments[at], "/".join(segments[at + 1 :])


def _most(spot: tuple[str, str, str]) -> int:
    return 1 if spot[1].rpartition("/")[2] in _CONTAINERS else _MOST_BY_NAME


def _star(kind: str, pattern: str, many: Collection[tuple[str, str, str]]) -> str:
    for above, key, below in _spots(pattern):
        if key != "*" and (kind, above, below) in many:
            return "/".join(filter(None, (above, "*", below)))
    return pattern


def _grouped(found: Sequence[Finding], patterns: Mapping[tuple[str, str, str], str]) -> list[_Group]:
    groups: dict[tuple[str, str], _Group] = {}
    for each in found:
        path = patterns[each.ident.kind, each.ident.name, each.path]
        group = groups.setdefault((each.ident.kind, path), _Group(path))
        group.objects[each.ident.kind, each.ident.name] = None
        group.findings.append(each)
    return [groups[key] for key in sorted(groups)]


def _joined(groups: Sequence[_Group]) -> list[_Group]:
    """One group for one path, of whatever kinds."""
    joined: dict[str, _Group] = {}
    for group in groups:
        into = joined.setdefault(group.path, _Group(group.path))
        into.objects.update(group.objects)
        into.findings += group.findings
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


def _told_apart(variations: Sequence[Variation]) -> list[Variation]:
    """With the kinds in the names that several would have, and a number if these are the same too."""
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
    """What people would call the field: `env LOG_LEVEL`, `resources`, `data`, `pod labels tier`."""
    segments = [fields.last_name(f"/{each}") for each in path.removesuffix("/value").rstrip("/*").split("/")]
    last, above = segments[-1], segments[-2]
    of = "pod " if "template" in segments and "metadata" in segments else "selector " if "selector" in segments else ""
    return f"{of}{above} {last}" if above in _MAPS - {"matchLabels"} else f"{of}{last}"


def _schema(group: _Group) -> dict[str, Any] | None:
    """What today's values have in common, where that is plainly what the field is for."""
    values = [value for each in group.findings for value in each.values if value is not ABSENT]
    if any(each.path != group.path for each in group.findings) and not _IMAGE.fullmatch(group.path):
        return None
    if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return {"type": "integer", "minimum": min(1, *values)}
    if values and all(isinstance(value, bool) for value in values):
        return {"type": "boolean"}
    return _image_schema(values) if _IMAGE.fullmatch(group.path) else None


def _image_schema(values: Collection[Any]) -> dict[str, Any] | None:
    """Tags may differ, repositories may not; None when they do."""
    try:
        known = sorted({images.parse(str(value)).name for value in values})
    except Rejected:
        return None
    names = "|".join(re.escape(name).replace(r"\-", "-") for name in known)
    return {"type": "string", "pattern": f"^({names})([:@]|$)"} if known else None


def _prefixes(path: str) -> list[str]:
    """The path and those above it, the longest first."""
    segments = path.split("/")
    return ["/".join(segments[:end]) for end in range(len(segments), 1, -1)]


# -- objects


def _presences(found: Collection[Finding], environments: Sequence[str]) -> list[Variation]:
    """One for each set of environments, apart for objects that base lacks and objects that they lack."""
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
