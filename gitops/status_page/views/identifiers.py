"""Images, revisions and commit ids as they are shown."""

import re
from dataclasses import dataclass

from gitops.core.images.reference import Image
from gitops.core.revision import Revision
from gitops.status_page.safe_text import clean

_COMMIT = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True)
class ImageView:
    """`short` is the first 12 hex digits of `digest`. Both are empty for an image that is not pinned."""

    name: str
    tag: str
    digest: str
    short: str


@dataclass(frozen=True, slots=True)
class RevisionView:
    """Full commit ids. They are equal if the overlay and its base come from the same commit."""

    base: str
    overlay: str
    short: str


def show_image(image: Image) -> ImageView:
    return ImageView(clean(image.name), clean(image.tag or ""), clean(image.digest or ""), clean(image.short_digest))


def show_revision(revision: Revision | None) -> RevisionView | None:
    if revision is None:
        return None
    return RevisionView(commit_id(revision.base), commit_id(revision.overlay), clean(str(revision)))


def commit_id(text: str) -> str:
    """`text` if it is a commit id, else empty: nothing else may become part of an address."""
    return text if _COMMIT.fullmatch(text) else ""
