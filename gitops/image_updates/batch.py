"""Decides a batch of pushed images against one head of the config repo: commits, and a sentence for each event.

Events of one batch build on each other: only the final image of an overlay becomes a commit. Not here: the rules of
which push is newer (gitops/core/image_updates/changes.py), and pushing the commits (committer.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cachetools import LRUCache

from gitops.core.config_repo import compose, layout, pipeline
from gitops.core.config_repo.commits import NewCommit
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Rejected
from gitops.core.image_updates import changes
from gitops.core.image_updates.changes import Change, ChangeTarget, DeployedImage, ImageCandidate, WrittenImage
from gitops.core.image_updates.events import Ignored, ImagePushed
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.ports import ConfigRepo, ImageUse, SourceRevisions

if TYPE_CHECKING:
    from gitops.core.config_repo.tree import Tree


@dataclass(frozen=True, slots=True)
class ImageSources:
    """Knowledge about images beyond the config repo. `revisions` None: source revisions are left out of commits."""

    use: ImageUse
    revisions: SourceRevisions | None = None

    def revision(self, image: Image) -> str:
        """The commit that the image was built from; empty while it is not known."""
        return self.revisions.revision(image) if self.revisions is not None else ""


_MOST_AHEAD = timedelta(minutes=10)
"""A registry's clock may be ahead by as much: its times still order its own pushes."""
_MOST_COMMITS = 1000
_MOST_REMEMBERED = 20_000


@dataclass(slots=True)
class BatchCache:
    """Results of earlier batches, which save time. Only the committer's thread uses them, so there is no lock.

    `pipelines` and `names` are by blob id. `again`: by overlay and image, the time at which the deployed image was
    pushed once more; no commit records that.
    """

    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    names: LRUCache[str, frozenset[str]] = field(default_factory=lambda: LRUCache(_MOST_REMEMBERED))
    past: "dict[str, EnvironmentPast]" = field(default_factory=dict)
    head: str = ""
    again: LRUCache[tuple[str, str], WrittenImage] = field(default_factory=lambda: LRUCache(_MOST_REMEMBERED))


@dataclass(slots=True)
class EnvironmentPast:
    """The newest commits of one environment. `written`: image -> what Lockstep wrote; `edited`: file -> when a person
    edited it last; `whole`: the environment has no older commits.
    """

    written: dict[str, tuple[WrittenImage, ...]]
    edited: Mapping[str, datetime]
    whole: bool


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """The result of one event in one overlay: the change that it asks for, or the reason why there is none."""

    reason: str = ""
    change: Change | None = None


class ImageBatch:
    """Edits of one head, in memory. Raises Unavailable as the repo does; an invalid file becomes a sentence."""

    def __init__(self, repo: ConfigRepo, head: str, sources: ImageSources, cache: BatchCache) -> None:
        self._repo = repo
        self._tree: Tree = repo.tree(head)
        self._cache = cache
        self._sources = sources
        if cache.head != head:
            cache.past.clear()
            cache.head = head
        self._pipeline, self._broken = self._read_pipeline()
        self._overlays = self._read_overlays()
        self._places = {place.name: place for place in self._overlays}
        files = {place.name: layout.kustomization(place.path, self._tree) for place in self._overlays}
        self._files = {name: file for name, file in files.items() if file is not None}
        self._index: dict[str, set[str]] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._planned: dict[tuple[str, str], Change] = {}
        self._deployed: dict[tuple[str, str], DeployedImage] = {}

    def take(self, event: ImagePushed, cause: str, now: datetime) -> tuple[EventOutcome, ...]:
        """Decides one event against the head and what earlier events have changed.

        A push from far in the future counts as one of now, without an exact time: a registry whose clock is wrong must
        not win for ever.
        """
        if event.pushed_at > now + _MOST_AHEAD:
            event = replace(event, pushed_at=now, is_exact=False)
        if self._pipeline is None:
            return (EventOutcome(self._broken),)
        found = changes.candidate(event, self._pipeline)
        if isinstance(found, Ignored):
            return (EventOutcome(found.reason),)
        declaring = self._declaring().get(found.image.name, ())
        places = changes.targets(found, self._pipeline, self._overlays, declaring)
        if isinstance(places, Ignored):
            return (EventOutcome(places.reason),)
        return tuple(self._decide(found, target, cause, now) for target in places)

    def commits(self) -> tuple[list[NewCommit], list[Change]]:
        """One commit per final change, each on top of the one before. A refused edit becomes a sentence."""
        texts: dict[str, bytes] = {}
        made, kept = [], []
        for key, change in self._planned.items():
            file = self._files[change.target.overlay]
            before = texts.get(file) or self._read(file)
            try:
                texts[file] = image_edit.set_image(before, change.image, file)
            except Rejected as error:
                self._refused[key] = f"{change.target.overlay}: nothing was written: {error}"
                continue
            if texts[file] != before:
                message = changes.commit_message(change, self._sources.revision(change.image))
                made.append(NewCommit({file: texts[file]}, message, change.pushed_at))
                kept.append(change)
        return made, kept

    def committed(self, head: str, made: Sequence[Change]) -> None:
        """Carries the known history over to the head that the commits made."""
        for change in made:
            past = self._cache.past.get(change.target.environment)
            if past is not None:
                own = WrittenImage(change.image.digest or "", change.pushed_at)
                past.written[change.image.name] = (own, *past.written.get(change.image.name, ()))
        self._cache.head = head

    def sentence(self, outcomes: Sequence[EventOutcome], head: str) -> str:
        """The answer about one event, once its commit is at `head`."""
        return "; ".join(self._describe(outcome, head) for outcome in outcomes)

    def _describe(self, outcome: EventOutcome, head: str) -> str:
        change = outcome.change
        if change is None:
            return outcome.reason
        target = change.target
        key = (target.overlay, change.image.name)
        if key in self._refused:
            return self._refused[key]
        final = self._planned.get(key)
        written = f"{target.overlay}: {target.service} {change.image.tag} ({change.image.short_digest})"
        if final is None or final.image != change.image:
            return f"{written} was superseded by a newer push before it was written"
        return f"{written} is in the config repo, commit {head[:12]}"

    def _decide(self, found: ImageCandidate, target: ChangeTarget, cause: str, now: datetime) -> EventOutcome:
        policy = self._pipeline.services[target.service].tags if self._pipeline else None
        held = self._explain_hold(self._places[target.overlay], now)
        if held or policy is None:
            return EventOutcome(held)
        key = (target.overlay, found.image.name)
        try:
            if self._is_rejected(target, found.image):
                return EventOutcome(
                    f"{target.overlay}: {target.service} {found.image.tag} was rolled back; push a new image"
                )
            deployed = self._deployed.get(key) or self._read_deployed(target, found.image.name)
            ignored = changes.decide(found, target, deployed, policy)
            if changes.is_pushed_again(found, deployed):
                self._note_again(key, found)
            if ignored is None:
                used = self._sources.use.images_in_use(target.overlay, found.image.name)
                ignored = changes.ignore_unused(target, found.image, used)
            if ignored is not None:
                return EventOutcome(ignored.reason)
        except Rejected as error:
            return EventOutcome(f"{target.overlay}: nothing was written: {error}")
        return EventOutcome(change=self._plan(found, target, deployed, cause))

    def _plan(self, found: ImageCandidate, target: ChangeTarget, deployed: DeployedImage, cause: str) -> Change:
        key = (target.overlay, found.image.name)
        before = self._planned.pop(key, None)
        was = before.was if before else deployed.image
        self._planned[key] = Change(target, found.image, was, found.pushed_at, cause)
        own = WrittenImage(found.image.digest or "", found.pushed_at)
        self._deployed[key] = DeployedImage(found.image, (own, *deployed.written), deployed.edited_at)
        return self._planned[key]

    def _note_again(self, key: tuple[str, str], found: ImageCandidate) -> None:
        """Events between the two pushes that come late are older than the deployed image."""
        own = WrittenImage(found.image.digest or "", found.pushed_at)
        self._cache.again[key] = own
        if key in self._planned:
            self._planned[key] = replace(self._planned[key], pushed_at=found.pushed_at)
            self._deployed[key] = replace(self._deployed[key], written=(own, *self._deployed[key].written))

    def _read_deployed(self, target: ChangeTarget, name: str) -> DeployedImage:
        file = self._files[target.overlay]
        image = _last(image_edit.images(self._read(file), file), name)
        past = self._past(target.environment)
        written = past.written.get(name, ())
        again = self._cache.again.get((target.overlay, name))
        if again is not None and image is not None and again.digest == image.digest:
            written = (again, *written)
        is_ours = image is None or image.digest is None or image.digest in {each.digest for each in written}
        return DeployedImage(image, written, None if is_ours else self._find_edit_time(file, past))

    def _past(self, environment: str) -> EnvironmentPast:
        """Read once for all overlays and files of the environment: each look at the history is a git process."""
        if environment not in self._cache.past:
            commits = self._repo.history(f"{pipeline.ENVIRONMENTS}/{environment}", _MOST_COMMITS)
            theirs = (commit for commit in reversed(commits) if changes.IMAGE_TRAILER not in commit.trailers)
            self._cache.past[environment] = EnvironmentPast(
                written=changes.read_written(commit.trailers for commit in commits),
                edited={path: commit.committed_at for commit in theirs for path in commit.paths},
                whole=len(commits) < _MOST_COMMITS,
            )
        return self._cache.past[environment]

    def _find_edit_time(self, file: str, past: EnvironmentPast) -> datetime | None:
        if file in past.edited or past.whole:
            return past.edited.get(file)
        theirs = (
            commit.committed_at
            for commit in self._repo.history(file, _MOST_COMMITS)
            if changes.IMAGE_TRAILER not in commit.trailers
        )
        return next(theirs, None)

    def _is_rejected(self, target: ChangeTarget, image: Image) -> bool:
        """True for an image that a rollback abandoned here, whichever files of base it ran with."""
        release = compose.read_release(self._places[target.overlay], self._tree, self._repo.read)
        abandoned = {(entry.service, entry.digest) for entry in release.rejected} if release else set()
        return (target.service, image.digest) in abandoned

    def _explain_hold(self, overlay: Overlay, now: datetime) -> str:
        """The reason why automation writes nothing there; empty if it may write. A hold.yaml that cannot be read holds
        too.
        """
        try:
            hold = compose.read_holds(overlay, self._tree, self._repo.read).in_force(now)
        except Rejected as error:
            return f"held: {error}"
        if hold is None:
            return ""
        until = hold.until.isoformat() if hold.until else "`lockstep resume`"
        return f"held by {hold.who}: no new images in {overlay.name} until {until} ({hold.why})"

    def _declaring(self) -> Mapping[str, set[str]]:
        """Image -> the overlays whose `images` name it."""
        if not self._index:
            for place in self._overlays:
                for name in self._read_names(place):
                    self._index.setdefault(name, set()).add(place.name)
        return self._index

    def _read_names(self, place: Overlay) -> frozenset[str]:
        file = self._files[place.name]
        blob = self._tree[file].id
        known = self._cache.names.get(blob)
        if known is None:
            try:
                known = frozenset(image.name for image in image_edit.images(self._read(file), file))
            except Rejected:
                known = frozenset()  # the error is reported where the file is edited or rendered
            self._cache.names[blob] = known
        return known

    def _read_overlays(self) -> tuple[Overlay, ...]:
        """The overlays of environments, without the platform: it follows no images."""
        if self._pipeline is None:
            return ()
        return tuple(place for place in layout.overlays(self._pipeline, self._tree) if not place.is_platform)

    def _read(self, path: str) -> bytes:
        return self._repo.read(self._tree[path].id)

    def _read_pipeline(self) -> tuple[Pipeline | None, str]:
        found = self._tree.get(pipeline.FILE)
        if found is None:
            return None, f"nothing was written: the config repo has no {pipeline.FILE}"
        try:
            if found.id not in self._cache.pipelines:
                parsed = pipeline.parse(self._read(pipeline.FILE))
                self._cache.pipelines = {found.id: parsed}
            return self._cache.pipelines[found.id], ""
        except Rejected as error:
            return None, f"nothing was written: {error}"


def _last(images: Sequence[Image], name: str) -> Image | None:
    return next((image for image in reversed(images) if image.name == name), None)
