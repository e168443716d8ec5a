"""Invariants 1 and 5: an environment with `after` runs only what the one before it has proven. The proof is read from
release.yaml, which a promotion writes together with its evidence; a release that somebody wrote by hand has none.

Every piece of evidence, and every waiver, names the digest or the commit that it is for, so that an edit cannot inherit
those of another release. A waiver that names nothing (`waived: adoption`) counts for the release that was adopted.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import RELEASE_FILE, Release
from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.errors import Place
from gitops.core.images.reference import Image
from gitops.core.objects import Key
from gitops.core.revision import Revision

KIND = "Release"


def violations(
    place: Overlay, release: Release | None, images: Collection[Image], declared: Pipeline, adopted: Revision | None
) -> tuple[Violation, ...]:
    """What of the release was never proven. `images`: those that the overlay renders; `adopted`: the commits of the
    first release.yaml that the overlay ever had, None = nobody can tell; only asked for where a word alone waives.
    """
    if place.after is None or release is None or release.revision is None:
        return ()
    if release.waives_all and adopted == release.revision:
        return ()
    unknown = [_unknown(place, release)] if release.waives_all and adopted is None else []
    return (*unknown, *_violations(place, release, images, declared))


def off_trunk(place: Overlay, revision: Revision, strayed: Mapping[str, bool]) -> tuple[Violation, ...]:
    """Commits of a release that the trunk does not have. `strayed`: each of them -> whether a ref keeps it. Where one
    does, its content is there for good, and running it goes on; else nobody can tell what became of it.
    """
    found = {commit: field for field, commit in (("/overlay", revision.overlay), ("/base", revision.base))}
    return tuple(
        _strayed(place, (field, commit), is_kept=strayed[commit])
        for commit, field in found.items()
        if commit in strayed
    )


def _strayed(place: Overlay, found: tuple[str, str], *, is_kept: bool) -> Violation:
    remedy = f"promote again (`lockstep promote {place.environment}`), or name a commit of the trunk"
    if is_kept:
        why = f"this commit of {RELEASE_FILE} is no longer on the trunk, which was rewritten; a ref of its own keeps it"
        return replace(_violation(place, found, why, remedy), severity=ViolationSeverity.WARN)
    why = f"this commit of {RELEASE_FILE} is not on the trunk: it is on another branch, or the trunk was rewritten"
    return _violation(place, found, why, remedy)


def _violations(place: Overlay, release: Release, images: Collection[Image], declared: Pipeline) -> Iterator[Violation]:
    names = {service.image: name for name, service in declared.services.items()}
    base, given = release.base or "", release.with_evidence_from(place.after or "")
    if not given.admits_base():
        why = f"{place.after} has never proven this base: {RELEASE_FILE} {_instead(release, given)}"
        yield _violation(place, ("/base", base), why, _remedy(place, base))
    for image in sorted(images, key=str):
        service = names.get(image.name)
        if service is not None and not given.admits(service, image.identity):
            yield _unproven(place, service, image)


def _unknown(place: Overlay, release: Release) -> Violation:
    why = (
        "a word alone waives the first release of an overlay only, and which one was the first cannot be told: the "
        "history is cut off, branches brought this file independently of each other, or the first one cannot be read"
    )
    remedy = "fetch the full history, or let in by name what is listed here"
    return _violation(place, ("/waived", str(release.waived)), why, remedy)


def _instead(release: Release, given: Release) -> str:
    """What the file holds in place of evidence for its base. `given`: it without what other environments gave."""
    if release.admission is not None and given.admission is None:
        return f"holds evidence of {release.admission.source} only"
    if given.admission is not None and given.admission.base:
        return f"holds evidence for base {given.admission.base[:12]} only"
    return "holds no evidence of it"


def _unproven(place: Overlay, service: str, image: Image) -> Violation:
    field = f"/admission/services/{service}"
    if not image.digest:
        why = f"{service} {image.tag or ''} is not pinned by its digest, so {place.after} cannot have proven it"
        return _violation(place, (field, str(image)), why, "set newTag and digest under `images:`, or promote instead")
    why = f"{place.after} has never proven {service} {image.tag or ''} with this digest: "
    why += f"{RELEASE_FILE} holds no evidence of it"
    return _violation(place, (field, image.digest), why.replace("  ", " "), _remedy(place, image.digest))


def _remedy(place: Overlay, content: str) -> str:
    return (
        f"take this edit of {RELEASE_FILE} back and promote instead (`lockstep promote {place.environment}`); in an "
        f"emergency let it in by name and with a reason, in {place.path}/{RELEASE_FILE}: "
        f'`waived: {{"{content}": "<why>"}}`'
    )


def _violation(place: Overlay, found: tuple[str, str], why: str, remedy: str) -> Violation:
    field, content = found
    return Violation(
        breach=ViolationKind.UNPROVEN,
        severity=ViolationSeverity.FORBID,
        environment=place.environment,
        key=Key("", KIND, "", place.name),
        field=field,
        before=None,
        after=content,
        why=why,
        remedy=remedy,
        against=place.after or "",
        place=Place(f"{place.path}/{RELEASE_FILE}"),
    )
