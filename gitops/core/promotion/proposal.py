"""Which release an overlay would move to: the newest proven images on the newest base that they were proven on.

Only proofs count: an image that runs without a proof does not move. decision.py decides whether the move is written.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta

from gitops.core.promotion.inputs import PromotionSource, PromotionTarget, PromotionTerms
from gitops.core.promotion.proof import Proof
from gitops.core.promotion.release import OverlayMove, move_to

_UNPROVEN = "its release.yaml has no evidence: promote a proven release, or add a waiver to release.yaml"
_NEVER = "the first release needs a proof of every service"
_UNPROVEN_BASE = "is in release.yaml, but {} has never proven it: set it back, or add a waiver to release.yaml"


@dataclass(frozen=True, slots=True)
class Proposal:
    """`behind`: the reasons why newer images of the source environment do not move. `obstacles`: the reasons that no
    proof removes. `is_asked`: a person's commit asks for this move.
    """

    move: OverlayMove
    behind: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    is_asked: bool = False


def propose(source: PromotionSource, target: PromotionTarget, terms: PromotionTerms) -> Proposal:
    """The newest proven images on the newest base that every service has proven; the rest stays behind."""
    base = _choose_base(source, target, terms)
    closures = source.closures.at(base)
    services = sorted({*target.locked, *target.written, *target.new_services(base)})
    picks: dict[str, Proof] = {}
    behind: list[str] = []
    for service in services:
        found = _pick(service, source, target, terms, closures.get(service, ""))
        if found is not None:
            picks[service] = found
        behind += _explain_behind(service, source, target, terms, found)
    for service in _newcomers(source, target, services):
        behind += _explain_behind(service, source, target, terms, None)
    is_whole = bool(services) and len(picks) == len(services)
    proves = is_whole or target.release.has_proven_base or base != (target.release.base or "")
    move = move_to(target, base, picks, closures, terms.waived)
    move = replace(move, proves_base=proves, base_waived="" if proves else target.release.base_waiver)
    for service in sorted(edited_by_hand(target).keys() & move.images.keys()):
        if target.written[service].digest != move.images[service].digest:
            behind.append(_explain_edit(service, source, target))
    return Proposal(move, tuple(behind), tuple(_obstacles(source, target, services, picks, move)))


def propose_edited(
    source: PromotionSource, target: PromotionTarget, terms: PromotionTerms, digests: Mapping[str, str]
) -> Proposal | None:
    """Exactly the images that a person's commit wrote into the overlay on the trunk, on the base that the overlay has.
    None unless each of them is proven. `digests`: service -> digest that the person wrote.
    """
    asked = replace(terms, services=frozenset(digests), digests=digests)
    found = propose(source, target, asked)
    is_whole = bool(digests) and set(digests) == set(found.move.images) and not found.obstacles
    return replace(found, is_asked=True) if is_whole else None


def edited_by_hand(target: PromotionTarget) -> dict[str, str]:
    """Service -> digest that the overlay has at the trunk's head though its release locks another one."""
    return {
        service: image.digest or ""
        for service, image in target.written.items()
        if service in target.locked and image.digest != target.locked[service].digest
    }


def _choose_base(source: PromotionSource, target: PromotionTarget, terms: PromotionTerms) -> str:
    """The newest base on which every service of the target has a proof, or reaches the same files as now. Files of a
    base without proof and waiver count for nothing.
    """
    locked = target.release.base or ""
    if terms.services:
        return locked
    is_admitted = target.release.has_proven_base or bool(target.release.base_waiver)
    here = source.closures.at(locked)
    for base in _newer_bases(source, target, terms):
        there = source.closures.at(base)
        if there == here or not there:
            continue
        changed = {service for service in target.locked if not is_admitted or there.get(service) != here.get(service)}
        changed |= target.new_services(base) - target.locked.keys()
        if not changed and target.locked:
            continue  # other overlays of the source environment have changed, this one would render the same
        if all(_accept(service, source, target, terms, there.get(service, "")) for service in sorted(changed)):
            return base
    return locked


def _newer_bases(source: PromotionSource, target: PromotionTarget, terms: PromotionTerms) -> list[str]:
    """Bases of accepted proofs that come after the locked base, newest first."""
    locked = target.release.base or ""
    found: list[str] = []
    for proofs in (proofs for service, proofs in source.proofs.items() if service not in target.others):
        accepted = (proof for proof in proofs if terms.accepts(proof, target.release))
        for base in dict.fromkeys(proof.revision.base for proof in accepted):
            if base not in found and target.order.is_later(base, locked):
                place = next((n for n, other in enumerate(found) if target.order.is_later(base, other)), len(found))
                found.insert(place, base)
    return found


def _accept(
    service: str, source: PromotionSource, target: PromotionTarget, terms: PromotionTerms, closure: str
) -> list[Proof]:
    """Proofs of the service with these files, newest first, none older than the proof of the locked image."""
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
    return next(iter(_accept(service, source, target, terms, closure)), None)


def _newcomers(source: PromotionSource, target: PromotionTarget, services: Collection[str]) -> list[str]:
    """Services that the source environment runs already, on a base that the target does not have yet."""
    return [
        service
        for service, proofs in sorted(source.proofs.items())
        if proofs
        and service not in {*services, *target.others}
        and service in target.new_services(proofs[0].revision.base)
    ]


def _explain_behind(
    service: str, source: PromotionSource, target: PromotionTarget, terms: PromotionTerms, picked: Proof | None
) -> list[str]:
    """The reason why the newest image of the service does not move; empty if it moves, or if the target has it."""
    if terms.services and service not in terms.services:
        return []
    newest = next(iter(source.proofs.get(service, ())), None)
    locked = target.locked.get(service)
    if newest is None or newest is picked or (locked is not None and locked.digest == newest.image.digest):
        return []
    return [f"{service} {newest.image.tag or newest.image.short_digest} {_explain(newest, source, target, terms)}"]


def _explain(proof: Proof, source: PromotionSource, target: PromotionTarget, terms: PromotionTerms) -> str:
    where = source.environment
    if target.release.has_rejected(proof.service, proof.image.digest or "", proof.closure):
        return f"was rolled back in {target.overlay}: push a new image"
    if not terms.includes(proof.revision):
        return f"came to {where} after the tagged commit"
    if proof.healthy_since is None:
        return f"is not healthy in {where} yet"
    if proof.observed < terms.soak.total_seconds():
        return _explain_soak(proof, source, terms.soak)
    if not proof.ran:
        return f"never ran in {where}: no ready pod of it was seen"
    return f"was proven in {where} with other base files; they move together, once all services have proven them"


def _explain_soak(proof: Proof, source: PromotionSource, soak: timedelta) -> str:
    left = soak - timedelta(seconds=proof.observed)
    if proof.service not in source.steady:
        return f"soaks in {source.environment}: {_minutes(left)} to go once it is healthy again"
    until = (source.at + left + timedelta(seconds=59)).astimezone(UTC)
    return f"soaks in {source.environment} until {until:%Y-%m-%d %H:%M} UTC"


def _minutes(left: timedelta) -> str:
    return f"{-(-int(left.total_seconds()) // 60)} min"


def _explain_edit(service: str, source: PromotionSource, target: PromotionTarget) -> str:
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
    """The obstacles that no proof removes."""
    for service in sorted(edited_by_hand(target).keys() - move.images.keys()):
        yield _explain_edit(service, source, target)
    is_first = target.release.base is None
    for service in (each for each in services if is_first and each not in picks):
        yield f"{service}: {_NEVER}"
    if not (is_first or move.has_admitted_base):
        yield f"base {move.base[:12]} {_UNPROVEN_BASE.format(source.environment)}"
    for service, evidence in move.evidence.items():
        if not (is_first or evidence.since or evidence.waived):
            yield f"{service}: {_UNPROVEN}"
