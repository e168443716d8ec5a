"""Which tags of an image are followed, and which of two is the newer one.

Ranges follow node-semver: space means "and"; `^1.4`, `~1.4`, a part left out (`1`, `=1.4`, `>1.4`) stand for
everything they cover; a pre-release matches only where the range names a pre-release of the same version.
https://github.com/npm/node-semver#ranges
"""

import re
from dataclasses import dataclass

import semver

from gitops.core.config_repo.services import TagOrder, TagPolicy
from gitops.core.parsing import regex

_COMPARATOR = re.compile(
    r"(?P<operator>>=|<=|!=|=|>|<|\^|~)?(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:\.(?P<patch>\d+))?"
    r"(?:-(?P<prerelease>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_LONGEST_TAG = 128

Rank = semver.Version | int | str
"""The rank of a tag in its policy; two ranks of one policy compare. Empty strings are level: the push time decides."""


@dataclass(frozen=True, slots=True)
class _Comparator:
    """One bound of a range: `low` is the first version that the written number covers, `high` the first behind it."""

    operator: str
    low: semver.Version
    high: semver.Version
    is_whole: bool

    def holds(self, version: semver.Version) -> bool:
        covers = version == self.low if self.is_whole else self.low <= version < self.high
        verdicts = {
            ">=": version >= self.low,
            "<": version < self.low,
            ">": version > self.low and not covers,
            "<=": version < self.low or covers,
            "!=": not covers,
            "^": self.low <= version < self.high,
            "~": self.low <= version < self.high,
        }
        return verdicts.get(self.operator, covers)


def rank(policy: TagPolicy, tag: str) -> Rank | None:
    """The rank of a tag under the policy; None if the policy does not follow this tag."""
    if len(tag) > _LONGEST_TAG:
        return None
    if policy.semver is not None:
        return _semver_rank(policy.semver, tag)
    if policy.follow is not None:
        return "" if tag == policy.follow else None
    return _pattern_rank(policy, tag)


def describe(policy: TagPolicy) -> str:
    """The policy as a reader of pipeline.yaml wrote it: `semver ">=1.4 <2"`."""
    kind = "semver" if policy.semver is not None else "follow" if policy.follow is not None else "pattern"
    return f'{kind} "{getattr(policy, kind)}"'


def compare(new: Rank, old: Rank) -> int:
    """-1, 0 or 1: is `new` below, level with or above `old`. Ranks of different policies are level."""
    if isinstance(new, semver.Version) and isinstance(old, semver.Version):
        return new.compare(old)
    if isinstance(new, int) and isinstance(old, int):
        return (new > old) - (new < old)
    if isinstance(new, str) and isinstance(old, str):
        return (new > old) - (new < old)
    return 0


def _semver_rank(range_: str, tag: str) -> semver.Version | None:
    try:
        version = semver.Version.parse(tag.removeprefix("v"))
    except ValueError:
        return None
    comparators = [_COMPARATOR.fullmatch(word) for word in range_.split()]
    if not all(_comparator(match).holds(version) for match in comparators if match):
        return None
    if version.prerelease and not any(_names_prerelease(match, version) for match in comparators if match):
        return None
    return version


def _comparator(match: re.Match[str]) -> _Comparator:
    operator = match["operator"] or "="
    major, minor, patch = int(match["major"]), match["minor"], match["patch"]
    low = semver.Version(major, int(minor or 0), int(patch or 0), match["prerelease"])
    if minor is None or (operator == "^" and low.major > 0):
        high = semver.Version(major + 1)
    elif patch is None or operator == "~" or (operator == "^" and low.minor > 0):
        high = semver.Version(major, int(minor) + 1)
    else:
        high = semver.Version(major, int(minor), int(patch) + 1)
    return _Comparator(operator, low, high, is_whole=patch is not None)


def _names_prerelease(match: re.Match[str], version: semver.Version) -> bool:
    named = (match["major"], match["minor"], match["patch"])
    return bool(match["prerelease"]) and named == (str(version.major), str(version.minor), str(version.patch))


def _pattern_rank(policy: TagPolicy, tag: str) -> Rank | None:
    found = regex.whole(policy.pattern or "", tag)
    if found is None:
        return None
    if policy.order is TagOrder.NUMERIC:
        number = found[0]
        return int(number) if number is not None and number.isascii() and number.isdigit() else None
    return tag if policy.order is TagOrder.ALPHABETICAL else ""
