"""The rule about evidence (invariants 1 and 5): an environment with `after` runs only what the one before it has
proven.

The proof is read from release.yaml, which a promotion writes together with its evidence. A release that a person wrote
by hand has none. Each piece of evidence, and each waiver, names the digest or commit that it is for, so it does not
count for another release. A waiver without a name (`waived: adoption`) counts for the first release of an overlay only.
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


def find_unproven(
    overlay: Overlay, release: Release | None, images: Collection[Image], declared: Pipeline, first: Revision | None
) -> tuple[Violation, ...]:
    """The base and the images of the release that the environment before has not proven.

    `images`: those that the overlay renders; `first`: the commits of the overlay's first release.yaml, None = git
    history does not show them. It is asked only for a waiver without a name.
    """
    if overlay.after is None or release is None or release.revision is None:
        return ()
    if release.waives_all and first == release.revision:
        return ()
    unknown = [_unknown_first_release(overlay, release)] if release.waives_all and first is None else []
    return (*unknown, *_unproven_parts(overlay, release, images, declared))


def find_off_trunk(overlay: Overlay, revision: Revision, off_trunk: Mapping[str, bool]) -> tuple[Violation, ...]:
    """The commits of a release that are not on the trunk.

    `off_trunk`: each such commit -> True if a ref keeps it. Then its content cannot get lost and running it goes on,
    with a warning; else it is forbidden.
    """
    found = {commit: field for field, commit in (("/overlay", revision.overlay), ("/base", revision.base))}
    return tuple(
        _off_trunk(overlay, field, commit, is_kept=off_trunk[commit])
        for commit, field in found.items()
        if commit in off_trunk
    )


def _off_trunk(overlay: Overlay, field: str, commit: str, *, is_kept: bool) -> Violation:
    remedy = f"promote again (`lockstep promote {overlay.environment}`), or name a commit of the trunk"
    if is_kept:
        why = f"this commit of {RELEASE_FILE} is no longer on the trunk, which was rewritten; a ref of its own keeps it"
        return replace(_violation(overlay, (field, commit), why, remedy), severity=ViolationSeverity.WARN)
    why = f"this commit of {RELEASE_FILE} is not on the trunk: it is on another branch, or the trunk was rewritten"
    return _violation(overlay, (field, commit), why, remedy)


def _unproven_parts(
    overlay: Overlay, release: Release, images: Collection[Image], declared: Pipeline
) -> Iterator[Violation]:
    names = {service.image: name for name, service in declared.services.items()}
    base, given = release.base or "", release.with_evidence_from(overlay.after or "")
    if not given.admits_base():
        why = f"{overlay.after} has never proven this base: {RELEASE_FILE} {_evidence_instead(release, given)}"
        yield _violation(overlay, ("/base", base), why, _remedy(overlay, base))
    for image in sorted(images, key=str):
        service = names.get(image.name)
        if service is not None and not given.admits(service, image.identity):
            yield _unproven_image(overlay, service, image)


def _unknown_first_release(overlay: Overlay, release: Release) -> Violation:
    why = (
        "a waiver without a digest or commit counts for the first release of an overlay only, and git does not show "
        "which one was the first: the history is shallow, branches added this file independently of each other, or the "
        "first one cannot be read"
    )
    remedy = "fetch the full history, or waive by name each digest and commit that is listed here"
    return _violation(overlay, ("/waived", str(release.waived)), why, remedy)


def _evidence_instead(release: Release, given: Release) -> str:
    """The evidence that the file has in place of that for its base. `given`: only what the environment before gave."""
    if release.admission is not None and given.admission is None:
        return f"holds evidence of {release.admission.source} only"
    if given.admission is not None and given.admission.base:
        return f"holds evidence for base {given.admission.base[:12]} only"
    return "holds no evidence of it"


def _unproven_image(overlay: Overlay, service: str, image: Image) -> Violation:
    field = f"/admission/services/{service}"
    called = f"{service} {image.tag}" if image.tag else service
    if not image.digest:
        why = f"{called} is not pinned by its digest, so {overlay.after} cannot have proven it"
        return _violation(
            overlay, (field, str(image)), why, "set newTag and digest under `images:`, or promote instead"
        )
    why = f"{overlay.after} has never proven {called} with this digest: {RELEASE_FILE} holds no evidence of it"
    return _violation(overlay, (field, image.digest), why, _remedy(overlay, image.digest))


def _remedy(overlay: Overlay, content: str) -> str:
    return (
        f"revert this edit of {RELEASE_FILE} and promote instead (`lockstep promote {overlay.environment}`); in an "
        f"emergency waive it by name, with a reason, in {overlay.path}/{RELEASE_FILE}: "
        f'`waived: {{"{content}": "<why>"}}`'
    )


def _violation(overlay: Overlay, found: tuple[str, str], why: str, remedy: str) -> Violation:
    """`found`: the field of release.yaml and its content."""
    field, content = found
    return Violation(
        kind=ViolationKind.UNPROVEN,
        severity=ViolationSeverity.FORBID,
        environment=overlay.environment,
        key=Key("", KIND, "", overlay.name),
        field=field,
        before=None,
        after=content,
        why=why,
        remedy=remedy,
        against=overlay.after or "",
        place=Place(f"{overlay.path}/{RELEASE_FILE}"),
    )
