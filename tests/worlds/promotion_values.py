"""Literal values for the tests of the promotion rules: two services, three commits, one target overlay."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.config_repo.release import Rejection, Release
from gitops.core.images.reference import Image
from gitops.core.promotion.inputs import PromotionSource, PromotionTarget
from gitops.core.promotion.proof import Proof
from gitops.core.promotion.requests import SignedTag
from gitops.core.revision import Revision

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
SOAK = timedelta(minutes=10)
OLD, NEW, NEWEST = "1" * 40, "2" * 40, "3" * 40


@dataclass(frozen=True, slots=True)
class ClosuresByBase:
    """Implements BaseClosures with a literal."""

    known: Mapping[str, Mapping[str, str]]

    def at(self, base: str) -> Mapping[str, str]:
        return self.known.get(base, {})


@dataclass(frozen=True, slots=True)
class NewServicesByBase:
    """Implements NewServices with a literal."""

    known: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def at(self, base: str) -> frozenset[str]:
        return self.known.get(base, frozenset())


class OrderOfNames:
    """CommitOrder of commits whose ids grow with time."""

    def is_later(self, commit: str, than: str) -> bool:
        return commit > than


@dataclass(frozen=True, slots=True)
class TaggedAt:
    """TaggedCommit of commits whose ids grow with time."""

    commit: str

    def includes(self, revision: Revision) -> bool:
        return revision.base <= self.commit


def image(service: str, number: int) -> Image:
    return Image(f"harbor.example/shop/{service}", f"1.{number}", f"sha256:{ord(service[0]):032x}{number:032x}")


def proof(
    service: str, number: int, *, base: str = OLD, files: str = "a", minutes: float = 10, ran: bool = True
) -> Proof:
    healthy = NOW if minutes >= 0 else None
    return Proof(
        service, image(service, number), files, "own", Revision(base, base), max(minutes, 0) * 60, healthy, ran
    )


def source(*proofs: Proof, closures: Mapping[str, Mapping[str, str]] | None = None) -> PromotionSource:
    by_service = {name: [each for each in proofs if each.service == name] for name in ("order", "print")}
    known = ClosuresByBase(closures or {OLD: {"order": "a", "print": "a"}})
    return PromotionSource("dev", NOW, by_service, known, frozenset({"order", "print"}))


def target(locked: Mapping[str, int] | None = None, *rejected: Rejection, **changes: object) -> PromotionTarget:
    at = {"order": 1, "print": 1} if locked is None else locked
    images = {service: image(service, number) for service, number in at.items()}
    release = Release(base=OLD, overlay=OLD, waived="adoption", rejected=rejected)
    return replace(PromotionTarget("test", release, images, images, OrderOfNames()), **changes)  # type: ignore[arg-type]


def policy(**fields: object) -> PromotePolicy:
    return PromotePolicy.model_validate_json(json.dumps({"when": "proven", **fields}))


def tag(message: str = "out with it\n", **fields: object) -> SignedTag:
    known = SignedTag("promote/prod/friday", "f" * 40, NEW, True, "promote/prod/friday", NOW, message)  # noqa: FBT003
    return replace(known, **fields)  # type: ignore[arg-type]
