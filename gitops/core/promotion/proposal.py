"""What moves from one environment to the next: decided from proofs, never from what merely runs. Whether it may be
written now is another question (gates.py). Whoever asks reads everything else: proofs, release, tags, clocks.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gitops.core.config_repo.release import Evidence, Release
from gitops.core.images.reference import Image
from gitops.core.promotion.proof import Proof
from gitops.core.revision import Revision


@dataclass(frozen=True, slots=True)
class PromotionSource:
    """What the environment before offers. `proofs`: by service, the newest key first; `at`: as of when; `steady`:
    services whose clock runs. `closures`: base revision -> what each service would reach of it, hashed as in proofs.
    """

    environment: str
    at: datetime
    proofs: Mapping[str, Sequence[Proof]]
    closures: Callable[[str], Mapping[str, str]]
    steady: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PromotionTarget:
    """The overlay that would change. `locked`: service -> image of the release that it runs; `written`: the same as the
    trunk's head has it; `settings`: a hash of the head's settings, which `pending` tells to be other than the locked
    ones. `is_later(a, b)`: commit a comes after b. `lacks(base)`: services that the head's overlay would run with this
    base though its kustomization names no image for them: they came new into base. `others`: services that other
    overlays of the environment name and this one does not, so that it has no part in what they have proven.
    """

    overlay: str
    release: Release
    locked: Mapping[str, Image]
    written: Mapping[str, Image]
    is_later: Callable[[str, str], bool]
    settings: str = ""
    pending: bool = False
    lacks: Callable[[str], frozenset[str]] = field(default=lambda _base: frozenset())
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PromotionTerms:
    """What counts as proven. `services`: only these, and digests alone; empty = all, and base. `digests`: of these
    services nothing but this. `includes`: False for what came after the commit that somebody tagged. `waived`: why less
    is asked for than pipeline.yaml says, in a person's words.
    """

    soak: timedelta
    needs_run: bool = True
    services: frozenset[str] = frozenset()
    digests: Mapping[str, str] = field(default_factory=dict)
    waived: str = ""
    includes: Callable[[Revision], bool] = field(default=lambda _revision: True)

    def accepts(self, proof: Proof, release: Release) -> bool:
        rejected = release.has_rejected(proof.service, proof.image.digest or "", proof.closure)
        is_wanted = self.digests.get(proof.service, proof.image.digest) == proof.image.digest
        is_proven = proof.is_proven(self.soak, needs_run=self.needs_run)
        return is_wanted and is_proven and not rejected and self.includes(proof.revision)


@dataclass(frozen=True, slots=True)
class OverlayMove:
    """What a promotion writes into one overlay. `images`: those that change; `was`: what they were; `evidence`: of
    every service of the overlay after it; `settings`: a hash of the overlay's settings that come along. `proves_base`:
    there is a proof of the base; `base_waived`: where there is none, why a person let it in.
    """

    overlay: str
    base: str
    images: Mapping[str, Image]
    was: Mapping[str, Image]
    evidence: Mapping[str, Evidence]
    settings: str = ""
    moves_base: bool = False
    moves_settings: bool = False
    proves_base: bool = False
    base_waived: str = ""

    @property
    def is_vouched_for(self) -> bool:
        """False when nobody answers for the base: then nothing may be written."""
        return self.proves_base or bool(self.base_waived)

    @property
    def is_empty(self) -> bool:
        return not (self.images or self.moves_base or self.moves_settings)


@dataclass(frozen=True, slots=True)
class Proposal:
    """`behind`: what stays where it is though the environment before has something newer, and why. `obstacles`: why
    nothing at all can be written into the overlay, whatever is proven. `is_asked`: a person's commit asks for it.
    """

    move: OverlayMove
    behind: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    is_asked: bool = False


def propose(source: PromotionSource, target: PromotionTarget, terms: PromotionTerms) -> Proposal:
    """The newest proven images on the newest base that every service has proven; what is not proven stays behind."""
    base = _base(source, target, terms)
    here = source.closures(base)
    services = sorted({*target.locked, *target.written, *target.lacks(base)})
    picks: dict[str, Proof] = {}
    behind: list[str] = []
    for service in services:
        found = _pick(service, source, target, terms, here.get(service, ""))
        if found is not None:
            picks[service] = found
        behind += _behind(service, source, target, terms, found)
    for service in _newcomers(source, target, services):
        behind += _behind(service, source, target, terms, None)
    is_whole = bool(services) and len(picks) == len(services)
    proves = is_whole or target.release.has_proven_base or base != (target.release.base or "")
    move = _move(target, base, picks, here, terms.waived)
    move = replace(move, proves_base=proves, base_waived="" if proves else target.release.base_waiver)
    for service in sorted(written_by_hand(target).keys() & move.images.keys()):
        if target.written[service].digest != move.images[service].digest:
            behind.append(_by_hand(service, source, target))
    return Proposal(move, tuple(behind), tuple(_obstacles(source, target, services, picks, move)))


def by_hand(
    source: PromotionSource, target: PromotionTarget, terms: PromotionTerms, digests: Mapping[str, str]
) -> Proposal | None:
    """What a person's commit asks for that wrote these images into the overlay on the trunk: exactly them, on the base
    that is there. None unless each of them is proven.
    """
    asked = replace(terms, services=frozenset(digests), digests=digests)
    found = propose(source, target, asked)
    is_whole = bool(digests) and set(digests) == set(found.move.images) and not found.obstacles
    return replace(found, is_asked=True) if is_whole else None


def written_by_hand(target: PromotionTarget) -> dict[str, str]:
    """Service -> digest that the trunk has in the overlay though no release names it."""
    return {
        service: image.digest or ""
        for service, image in target.written.items()
        if service in target.locked and image.digest != target.locked[service].digest
    }


def settings_alone(target: PromotionTarget) -> OverlayMove:
    """The overlay's own settings as the head has them, over the same base and images. Nothing is proven by it."""
    release = target.release
    return OverlayMove(
        overlay=target.overlay,
        base=release.base or "",
        images={},
        was={},
        evidence={service: _kept(target, service, "") for service in sorted(target.locked)},
        settings=target.settings,
        moves_settings=target.pending,
        proves_base=release.has_proven_base,
        base_waived="" if release.has_proven_base else release.base_waiver,
    )


def release_hash(environment: str, moves: Sequence[OverlayMove]) -> str:
    """What approvals bind to: which base, images and settings of which overlays."""
    content = [
        (move.overlay, move.base, move.settings, sorted((name, image.digest) for name, image in move.images.items()))
        for move in sorted(moves, key=lambda move: move.overlay)
    ]
    return hashlib.sha256(json.dumps([environment, content]).encode()).hexdigest()


_UNPROVEN = "runs by a release.yaml without evidence; promote something proven, or waive it there by name"
_NEVER = "the first release needs a proof of every service"
_UNPROVEN_BASE = "stands in release.yaml, but {} has never proven it; set it back, or waive it there by name"


def _base(source: PromotionSource, target: PromotionTarget, terms: PromotionTerms) -> str:
    """The newest base on which every service of the target has a proof, or has the files that it has now. The files of
    a base that nobody answers for count for nothing.
    """
    locked = target.release.base or ""
    if terms.services:
        return locked
    is_vouched_for = target.release.has_proven_base or bool(target.release.base_waiver)
    here = source.closures(locked)
    for base in _bases(source, target, terms):
        there = source.closures(base)
        if there == here or not there:
            continue
        changed = {
            service for service in target.locked if not is_vouched_for or there.get(service) != here.get(service)
        }
        changed |= target.lacks(base) - target.locked.keys()
        if not changed and target.locked:
            continue  # other overlays of the environment before have changed, this one would render the same
        if all(_accepted(service, source, target, terms, there.get(service, "")) for service in sorted(changed)):
            return base
    return locked


def _bases(source: PromotionSource, target: PromotionTarget, terms: PromotionTerms) -> list[str]:
    """Bases of what is proven, newest first, that lie behind the locked one."""
    locked = target.release.base or ""
    found: list[str] = []
    for proofs in (proofs for service, proofs in source.proofs.items() if service not in target.others):
        accepted = (proof for proof in proofs if terms.accepts(proof, target.release))
        for base in dict.fromkeys(proof.revision.base for proof in accepted):
            if base not in found and target.is_later(base, locked):
                place = next((n for n, other in enumerate(found) if target.is_later(base, other)), len(found))
                found.insert(place, base)
    return found


def _accepted(
    service: str, source: PromotionSource, target: PromotionTarget, terms: PromotionTerms, closure: str
) -> list[Proof]:
    """Proofs of the service with these files, newest first, none older than what the target has."""
    proofs = source.proofs.get(service, ())
    locked = target.locked.get(service)
    found = []
    for proof in proofs:
        if proof.closure == closure and terms.accepts(proof, target.release):
            found.append(proof)
        if locked is not None and proof.image.digest == locked.digest:
            break
    return found


def _pick(
    service: str, source: PromotionSource, target: PromotionTarget, terms: PromotionTerms, closure: str
) -> Proof | None:
    if terms.services and service not in terms.services:
        return None
    return next(iter(_accepted(service, source, target, terms, closure)), None)


def _newcomers(source: PromotionSource, target: PromotionTarget, services: Collection[str]) -> list[str]:
    """Services that the environment before runs already on a base that is not here yet."""
    return [
        service
        for service, proofs in sorted(source.proofs.items())
        if proofs and service not in {*services, *target.others} and service in target.lacks(proofs[0].revision.base)
    ]


def _behind(
    service: str, source: PromotionSource, target: PromotionTarget, terms: PromotionTerms, picked: Proof | None
) -> list[str]:
    """Why the newest of the service does not move; nothing when it does, or is there already."""
    if terms.services and service not in terms.services:
        return []
    newest = next(iter(source.proofs.get(service, ())), None)
    locked = target.locked.get(service)
    if newest is None or newest is picked or (locked is not None and locked.digest == newest.image.digest):
        return []
    return [f"{service} {newest.image.tag or newest.image.short_digest} {_why(newest, source, target, terms)}"]


def _why(proof: Proof, source: PromotionSource, target: PromotionTarget, terms: PromotionTerms) -> str:
    where = source.environment
    if target.release.has_rejected(proof.service, proof.image.digest or "", proof.closure):
        return "was rolled back here; push another one"
    if not terms.includes(proof.revision):
        return f"came to {where} after the tagged commit"
    if proof.healthy_since is None:
        return f"is not healthy in {where} yet"
    if proof.observed < terms.soak.total_seconds():
        return _soaking(proof, source, terms.soak)
    if not proof.ran:
        return f"never ran in {where}: no ready pod of it was seen"
    return f"was proven in {where} with other base files; they move together, once all services have proven them"


def _soaking(proof: Proof, source: PromotionSource, soak: timedelta) -> str:
    left = soak - timedelta(seconds=proof.observed)
    if proof.service not in source.steady:
        return f"soaks in {source.environment}: {_minutes(left)} to go once it is healthy again"
    until = (source.at + left + timedelta(seconds=59)).astimezone(UTC)
    return f"soaks in {source.environment} until {until:%Y-%m-%d %H:%M} UTC"


def _minutes(left: timedelta) -> str:
    return f"{-(-int(left.total_seconds()) // 60)} min"


def _by_hand(service: str, source: PromotionSource, target: PromotionTarget) -> str:
    written = target.written[service]
    return (
        f"{service}: its image was edited on the trunk without a release, and {source.environment} has not proven "
        f"{written.tag or written.short_digest} for the base that is here; set it back, or let {source.environment} "
        "prove it first"
    )


def _obstacles(
    source: PromotionSource,
    target: PromotionTarget,
    services: Sequence[str],
    picks: Mapping[str, Proof],
    move: OverlayMove,
) -> Iterator[str]:
    for service in sorted(written_by_hand(target).keys() - move.images.keys()):
        yield _by_hand(service, source, target)
    is_first = target.release.base is None
    for service in (each for each in services if is_first and each not in picks):
        yield f"{service}: {_NEVER}"
    if not (is_first or move.is_vouched_for):
        yield f"base {move.base[:12]} {_UNPROVEN_BASE.format(source.environment)}"
    for service, evidence in move.evidence.items():
        if not (is_first or evidence.since or evidence.waived):
            yield f"{service}: {_UNPROVEN}"


def _move(
    target: PromotionTarget, base: str, picks: Mapping[str, Proof], here: Mapping[str, str], waived: str
) -> OverlayMove:
    images = {
        service: proof.image
        for service, proof in picks.items()
        if service not in target.locked or target.locked[service].digest != proof.image.digest
    }
    evidence = {}
    for service in sorted({*target.locked, *picks}):
        if service in picks:
            proof = picks[service]
            evidence[service] = Evidence(
                digest=proof.image.digest or "", closure=proof.closure, since=proof.healthy_since, waived=waived
            )
        else:
            evidence[service] = _kept(target, service, here.get(service, ""), is_new_base=base != target.release.base)
    return OverlayMove(
        overlay=target.overlay,
        base=base,
        images=images,
        was={service: target.locked[service] for service in images if service in target.locked},
        evidence=evidence,
        settings=target.settings,
        moves_base=base != target.release.base,
        moves_settings=target.pending,
    )


def _kept(target: PromotionTarget, service: str, closure: str, *, is_new_base: bool = False) -> Evidence:
    """Why what stays is there: its evidence, or what a person said instead of one. Where base moves on from one that
    was waived, the service takes its files along, and so the waiver of them.
    """
    release, digest = target.release, target.locked[service].identity
    known = release.admission.services.get(service) if release.admission else None
    if known is None or known.digest != digest:
        waived = release.waived if isinstance(release.waived, str) and release.waives_all else release.waiver(digest)
        return Evidence(digest=digest, closure=closure, waived=waived)
    if not is_new_base or release.has_proven_base:
        return known
    why = dict.fromkeys(filter(None, (known.waived, release.base_waiver)))
    return known.model_copy(update={"closure": closure, "waived": "; ".join(why)})
