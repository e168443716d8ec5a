"""Rollbacks and holds as edits of an environment's directory. Not here: reading git, and writing commits.

A rollback restores an overlay's directory of an earlier commit, with the release that it ran then, places a hold, and
notes the abandoned images, so that automation never proposes them again, also after the hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.release import (
    HOLD_FILE,
    RELEASE_FILE,
    Admission,
    Evidence,
    Hold,
    Rejection,
    Release,
    hold_text,
    release_text,
)
from gitops.core.config_repo.tree import BlobReader, Tree
from gitops.core.errors import Rejected
from gitops.core.image_updates.changes import CAUSE_TRAILER, one_line
from gitops.core.images.reference import Image

"""Content of a blob id."""

Edits = dict[str, bytes | None]
"""Path -> its new content; None removes it."""


@dataclass(frozen=True, slots=True)
class OverlayState:
    """An overlay at one commit of the trunk. `images`: service -> the image that it ran by its release of then."""

    commit: str
    tree: Tree
    release: Release | None
    images: Mapping[str, Image]

    @property
    def pair(self) -> tuple[str, str]:
        """The commits that base and overlay are rendered from."""
        if self.release is None or self.release.base is None or self.release.overlay is None:
            return self.commit, self.commit
        return self.release.base, self.release.overlay


def rollback(
    place: Overlay, now: OverlayState, then: OverlayState, read: BlobReader, waived: Mapping[str, str] | None = None
) -> Edits:
    """The overlay's directory as it was, except for holds; release.yaml names the release of then and the abandoned
    images. `waived`: digest or commit without proof -> a person's reason to let it in.

    Raises: Rejected(NeverProven) when the release of then had neither proof nor waiver; Rejected(NotFound).
    """
    base, overlay = then.pair
    admission, kept = _admit(place, then, waived or {})
    release = Release(
        base=base,
        overlay=overlay,
        admission=admission,
        waived={"rollback": f"to {then.commit[:12]}"} | kept,
        rejected=_reject(now, then),
    )
    edits = _restore(place, now.tree, then.tree, read)
    edits[f"{place.path}/{RELEASE_FILE}"] = release_text(release)
    return edits


def message(subject: str, environment: str, why: str, cause: str = "") -> str:
    """The commit's message. `cause`: why automation wrote it; empty for a person's commit."""
    trailers = {"Lockstep-Environment": environment, CAUSE_TRAILER: cause}
    lines = "\n".join(f"{key}: {one_line(value)}" for key, value in trailers.items() if value)
    return "\n\n".join(filter(None, (one_line(subject), one_line(why), lines))) + "\n"


def hold_edit(directory: str, hold: Hold) -> Edits:
    return {f"{directory}/{HOLD_FILE}": hold_text(hold)}


def resume(environment: str, places: Sequence[Overlay], states: Mapping[str, OverlayState]) -> Edits:
    """Removes the holds. The first environment follows the trunk again; its abandoned images stay abandoned.

    Raises: Rejected(NotHeld) when there is no hold.
    """
    edits: Edits = {}
    for directory in dict.fromkeys((f"{ENVIRONMENTS}/{environment}", *(place.path for place in places))):
        if any(f"{directory}/{HOLD_FILE}" in state.tree for state in states.values()):
            edits[f"{directory}/{HOLD_FILE}"] = None
    if not edits:
        raise Rejected("NotHeld", f"{environment} is not held")
    for place in places:
        release = states[place.name].release
        if place.after is None and release is not None and release.base is not None:
            kept = Release(rejected=release.rejected)
            edits[f"{place.path}/{RELEASE_FILE}"] = release_text(kept) if kept.rejected else None
    return edits


def previous(now: Release | None, past: Sequence[tuple[str, Release | None]]) -> str | None:
    """The commit to go back to: the newest with another release than the present one and older than it.

    `past`: commits that changed the release (or, without one, the overlay), newest first. None when there is none.
    """
    if now is None or now.base is None:
        return past[1][0] if len(past) > 1 else None
    present = (now.base, now.overlay)
    places = [number for number, (_, found) in enumerate(past) if found and (found.base, found.overlay) == present]
    older = past[(places[-1] if places else 0) + 1 :]
    return next((commit for commit, found in older if found is not None and found.base is not None), None)


def _restore(place: Overlay, now: Tree, then: Tree, read: BlobReader) -> Edits:
    own = place.path + "/"
    kept = {f"{own}{HOLD_FILE}"}
    wanted = {path: blob for path, blob in then.items() if path.startswith(own) and path not in kept}
    if not wanted:
        raise Rejected("NotFound", f"{place.path} did not exist at that commit")
    edits: Edits = {path: read(blob.id) for path, blob in wanted.items() if now.get(path) != blob}
    gone = (path for path in now if path.startswith(own) and path not in wanted and path not in kept)
    return edits | dict.fromkeys(gone)


def _admit(place: Overlay, then: OverlayState, waived: Mapping[str, str]) -> tuple[Admission | None, dict[str, str]]:
    """The evidence that the release had then, and the waiver of its base if that has none. A release without evidence
    gets none here.
    """
    was = then.release or Release()
    if place.after is None:
        return was.admission, {}
    base = then.pair[0]
    why = "" if was.has_proven_base else was.base_waiver or waived.get(base, "")
    services = {service: _readmit(was, service, image, waived) for service, image in sorted(then.images.items())}
    unproven = [] if was.has_proven_base or why else [f"base {base}"]
    unproven += [f"{name} {each.digest}" for name, each in services.items() if not (each.since or each.waived)]
    if unproven:
        raise Rejected("NeverProven", _explain_never_proven(place, then, unproven))
    admission = Admission(source=place.after, base=base if was.has_proven_base else None, services=services)
    return admission, {base: why} if why else {}


def _readmit(was: Release, service: str, image: Image, waived: Mapping[str, str]) -> Evidence:
    digest = image.identity
    known = was.admission.services.get(service) if was.admission else None
    if known is not None and known.digest == digest and (known.since or known.waived):
        return known
    word = was.waived if isinstance(was.waived, str) and was.waives_all else ""
    return Evidence(digest=digest, waived=word or was.waiver(digest) or waived.get(digest, ""))


def _explain_never_proven(place: Overlay, then: OverlayState, unproven: Sequence[str]) -> str:
    return (
        f"{place.name} was never let in as it is at {then.commit[:12]}: {place.after} has not proven "
        f"{', '.join(unproven)}. Name a commit at which it ran (--to), or let each in by name and with a reason: "
        "--waive <digest or commit> --reason ..."
    )


def _reject(now: OverlayState, then: OverlayState) -> tuple[Rejection, ...]:
    """The images that are abandoned now or were before, without those of the release of then."""
    before = now.release.rejected if now.release else ()
    found = [rejection for rejection in before if not _is_in(rejection, then, same_base=False)]
    same_base = now.pair[0] == then.pair[0]
    for service, image in sorted(now.images.items()):
        known = _evidence(now, service)
        closure = known.closure if known is not None and known.digest == image.digest else ""
        rejection = Rejection(service=service, digest=image.digest or "", closure=closure)
        if image.digest and rejection not in found and not _is_in(rejection, then, same_base=same_base):
            found.append(rejection)
    return tuple(found)


def _is_in(rejection: Rejection, then: OverlayState, *, same_base: bool) -> bool:
    """True when the state runs this image with these files of base. Where release.yaml does not name the files,
    another base counts as other files.
    """
    image = then.images.get(rejection.service)
    if image is None or image.digest != rejection.digest:
        return False
    known = _evidence(then, rejection.service)
    if known is not None and known.closure and rejection.closure:
        return known.closure == rejection.closure
    return not rejection.closure or same_base


def _evidence(state: OverlayState, service: str) -> Evidence | None:
    admission = state.release.admission if state.release else None
    return admission.services.get(service) if admission else None
