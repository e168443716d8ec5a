"""Requests and approvals: tags by which people ask for a promotion, and tags by which others approve it.

A request is the annotated tag `promote/<environment>/<name>`; its object id is its identity, so a tag that is moved is
another request, and a request that was carried out is done for ever. An approval is a signed annotated tag
`approve/<environment>/<name>/<who>` that repeats which request and which release it is for.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops.core.image_updates.changes import one_line
from gitops.core.promotion.gates import Gate

PROMOTE = "promote/"
APPROVE = "approve/"

_MOST_NAMED = 5

_SERVICES = re.compile(r"^services?:(.*)$", re.IGNORECASE | re.MULTILINE)
_SKIP_LINE = re.compile(r"^skip-gates?:(.*)$", re.IGNORECASE | re.MULTILINE)
_REASON_LINE = re.compile(r"^reason:[ \t]*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_SKIP_WORDS = re.compile(r"--skip-gate[ =](\S+)")
_REASON_WORDS = re.compile(r"--reason[ =](.+?)(?=\s+--[a-z]|$)", re.MULTILINE)
_FIELD = re.compile(r"^(request|release):[ \t]*(\S+)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SignedTag:
    """One ref below refs/tags/. `id` is what the ref points at: a tag object when `is_annotated`; then `name_inside` is
    the object's own `tag` line, `commit` the commit that it tags, `tagger` the name that its author claims, and
    `signer` the allowed signer who signed it; None = not signed, or not by an allowed signer.
    """

    name: str
    id: str
    commit: str
    is_annotated: bool
    name_inside: str = ""
    tagged_at: datetime | None = None
    message: str = ""
    signer: str | None = None
    tagger: str = ""


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """A promotion that a person asks for. `services` empty = all; `waived`: gate -> the reason to skip it."""

    id: str
    name: str
    environment: str
    commit: str
    asked_at: datetime
    services: frozenset[str]
    waived: Mapping[str, str]
    signer: str | None = None
    tagger: str = ""


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A tag that asks for a promotion in a form that is refused. `message` says why."""

    environment: str
    message: str


@dataclass(frozen=True, slots=True)
class Approval:
    request: str
    release: str
    signer: str


def environment_of(tag: SignedTag) -> str:
    """The environment that a tag asks a promotion for; empty when it is no request."""
    return tag.name.removeprefix(PROMOTE).partition("/")[0] if tag.name.startswith(PROMOTE) else ""


def is_expired(tag: SignedTag, now: datetime, ttl: timedelta) -> bool:
    """False for a tag without a date."""
    return tag.tagged_at is not None and tag.tagged_at <= now - ttl


def read(tag: SignedTag, services: Collection[str], skippable: Collection[str]) -> PromotionRequest | RefusedRequest:
    """The request that a tag makes. `services`: names in pipeline.yaml; `skippable`: gates that may be skipped."""
    _, environment, name = (*tag.name.split("/", 2), "", "")[:3]
    wrong = _explain_form(tag, name)
    lines = _SERVICES.findall(tag.message)
    named = _words(lines)
    unknown = sorted(named - set(services))
    waived, mistake = _read_waived(tag.message, skippable)
    if unknown and not wrong:
        wrong = f"no service is called {', '.join(map(one_line, unknown[:_MOST_NAMED]))}"
    if lines and not named and not wrong:
        wrong = "its line `Services:` names none; write them behind it, or leave the line out to ask for all"
    wrong = wrong or mistake
    if wrong or tag.tagged_at is None:
        return RefusedRequest(environment, f"tag {one_line(tag.name)}: {wrong or 'has no date that can be read'}")
    return PromotionRequest(
        tag.id, name, environment, tag.commit, tag.tagged_at, frozenset(named), waived, tag.signer, tag.tagger
    )


def approval(tag: SignedTag) -> Approval | None:
    """The approval that a tag gives. None when it is not annotated, not signed by an allowed signer, or renamed."""
    if not tag.is_annotated or tag.signer is None or tag.name_inside != tag.name:
        return None
    fields = {key.lower(): value for key, value in _FIELD.findall(tag.message)}
    return Approval(fields.get("request", ""), fields.get("release", ""), tag.signer)


def approvers(request: PromotionRequest, release: str, approvals: Iterable[Approval]) -> frozenset[str]:
    """Distinct signers of exactly this request and release, without the signer of the request."""
    return frozenset(
        found.signer
        for found in approvals
        if (found.request, found.release) == (request.id, release) and found.signer != request.signer
    )


def message(title: str, services: Sequence[str], waived: Mapping[str, str]) -> str:
    """The message of a request's tag."""
    lines = [title, ""]
    if services:
        lines.append(f"Services: {', '.join(services)}")
    lines += [f"--skip-gate {gate} --reason {one_line(reason)}" for gate, reason in waived.items()]
    return "\n".join(lines).rstrip() + "\n"


def approval_message(request: str, release: str) -> str:
    return f"I approve this release.\n\nRequest: {request}\nRelease: {release}\n"


def _explain_form(tag: SignedTag, name: str) -> str:
    if not tag.is_annotated:
        return "is a lightweight tag, which says neither who nor when; make it with `git tag -a` or `lockstep promote`"
    if tag.name_inside != tag.name:
        return f"its tag object is named {one_line(tag.name_inside)}: it was pushed under another name"
    return "" if name else "needs a name behind the environment: promote/<environment>/<name>"


def _read_waived(text: str, skippable: Collection[str]) -> tuple[dict[str, str], str]:
    """Gates with their reasons; and the first mistake in how they are written, in a sentence."""
    found: dict[str, str] = {}
    reasons = _REASON_LINE.findall(text)
    lines = _SKIP_LINE.findall(text)
    if lines and not _words(lines):
        return {}, "its line `Skip-Gate:` names none"
    for gate in _words(lines):
        found[gate] = reasons[0] if reasons else ""
    for line in text.splitlines():
        said = _REASON_WORDS.search(line)
        for gate in _SKIP_WORDS.findall(line):
            found[gate] = said[1] if said else (reasons[0] if reasons else "")
    cleaned = {gate: one_line(reason).strip("\"'") for gate, reason in found.items()}
    mistake = next(filter(None, (_explain_gate(gate, reason, skippable) for gate, reason in cleaned.items())), "")
    return ({}, mistake) if mistake else (cleaned, "")


def _explain_gate(gate: str, reason: str, skippable: Collection[str]) -> str:
    if gate not in set(Gate):
        return f"there is no gate {one_line(gate)}; gates are {', '.join(Gate)}"
    if gate not in skippable:
        return f"the gate {gate} cannot be skipped: `skippable` in the controller's lockstep.yaml does not name it"
    return "" if reason else f"to skip the gate {gate} give a reason: --reason ..."


def _words(found: Iterable[str]) -> set[str]:
    return {word for text in found for word in re.split(r"[,\s]+", text) if word}
