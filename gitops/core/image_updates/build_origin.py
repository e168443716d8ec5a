"""From which commit an image was built, by its OCI labels, and which source pushes have no image yet. Pure.

Any builder writes labels, and anyone who knows a sender's secret reports pushes: both are untrusted text, and nothing
is decided by them. Links are made from the repositories in pipeline.yaml alone.

https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.image_updates.changes import one_line
from gitops.core.parsing import git_urls, models

_LABEL = "org.opencontainers.image."
_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/%+-]+")
_LONGEST_URL = 300
_LONGEST_VERSION = 100
_MOST_NAMED = 50


@dataclass(frozen=True, slots=True)
class BuildOrigin:
    """The labels of an image. `revision`: a full commit id; `source`: the http or https address of a repository,
    without user. A label in another form counts as missing.
    """

    revision: str = ""
    source: str = ""
    version: str = ""
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourcePush:
    """A push to a repository that a service is built from. `ref`: full name; `at`: when its delivery came."""

    revision: str
    ref: str
    at: datetime


def origin(labels: Mapping[str, str]) -> BuildOrigin:
    revision = labels.get(f"{_LABEL}revision", "").strip().lower()
    source = labels.get(f"{_LABEL}source", "").strip()
    return BuildOrigin(
        revision=revision if is_revision(revision) else "",
        source=source if _is_address(source) else "",
        version=one_line(labels.get(f"{_LABEL}version", ""))[:_LONGEST_VERSION],
        created=models.parse_moment(labels.get(f"{_LABEL}created", "").strip()),
    )


def is_revision(text: str) -> bool:
    """True for a whole commit id, SHA-1 or SHA-256."""
    return _REVISION.fullmatch(text) is not None


def commit_address(revision: str, source: str, declared: Sequence[str]) -> str:
    """The commit's page in a browser; empty when it is unknown. The address is that of a `declared` repository: the one
    that the label `source` names, or where it names none, the only one.

    GitHub, Gitea, Forgejo and Gogs have commits at /commit/<id>, GitLab leads on from there; Bitbucket Cloud has them
    at /commits/<id>.
    """
    wanted = git_urls.parse(source) if source else None
    candidates = [url for url in declared if wanted is None or git_urls.parse(url) == wanted]
    if not is_revision(revision) or len(candidates) != 1 or not candidates[0].startswith(("https://", "http://")):
        return ""
    repo = candidates[0].removesuffix("/").removesuffix(".git")
    found = git_urls.parse(repo)
    folder = "commits" if found is not None and found.host == "bitbucket.org" else "commit"
    return f"{repo}/{folder}/{revision}"


def built_from(urls: Iterable[str], pipeline: Pipeline) -> tuple[str, ...]:
    """The services that are built from a repository that goes by one of these names."""
    named = {git_urls.parse(url) for url in urls} - {None}
    return tuple(
        name
        for name, service in pipeline.services.items()
        if any(git_urls.parse(source) in named for source in service.sources)
    )


def without_image(pushes: Sequence[SourcePush], built: Collection[str]) -> tuple[SourcePush, ...]:
    """The pushes, newest first, that have no image yet: their revision is none of `built`. Pushes to a ref before a
    commit that has an image are left out.
    """
    reached: set[str] = set()
    found = []
    for push in pushes:
        if push.revision in built:
            reached.add(push.ref)
        elif push.ref not in reached:
            found.append(push)
    return tuple(found)


def text(revisions: Mapping[str, str]) -> str:
    """The trailer of a commit that brings several images, 50 at most: `order=<commit id> print-api=<commit id>`."""
    known = [f"{service}={revision}" for service, revision in sorted(revisions.items()) if is_revision(revision)]
    return " ".join(known[:_MOST_NAMED])


def parse(trailer: str) -> dict[str, str]:
    """Service -> revision, read from such a text; other words are left out."""
    pairs = (part.partition("=") for part in trailer.split())
    return {name: revision for name, _, revision in pairs if models.is_name(name) and is_revision(revision)}


def _is_address(text: str) -> bool:
    return len(text) <= _LONGEST_URL and _ADDRESS.fullmatch(text) is not None and git_urls.parse(text) is not None
