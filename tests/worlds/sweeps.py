"""A config repo on a real remote, a committer, and registries to sweep: four services, each with another tag policy."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitops.adapters.git.config_repo import GitConfigRepo, GitLimits, GitOptions
from gitops.core.config_repo import layout, pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import GitopsError, Rejected
from gitops.core.image_updates.changes import Change
from gitops.core.image_updates.events import Event, ImagePushed
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import ImageDescription, Scan, TaggedImage
from gitops.core.kustomize.image_edit import images
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync.desired import Desired
from gitops.image_updates.batch import ImageSources
from gitops.image_updates.committer import CommitPace, Committer, CommitterParties
from gitops.ports import Registry
from gitops.registry_sweep.declared_images import DeclaredImages
from gitops.registry_sweep.image_retention import ImageRetention
from gitops.registry_sweep.sweeper import Sweeper, SweeperParties
from tests.worlds.clocks import WorldClock, now
from tests.worlds.git import Remote, git
from tests.worlds.harbor import digest
from tests.worlds.image_sources import Half, KnownImages

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
NEVER = "registry.example"
POLICIES = {
    "print-api": '{semver: ">=1.0 <2"}',
    "order": "{pattern: '^main-(\\d+)$', order: numeric}",
    "gallery": "{pattern: '^build-.*$', order: pushed}",
    "design": "{follow: latest}",
}
OVERLAY = "environments/dev/kustomization.yaml"


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def pipeline_text(host: str, policies: Mapping[str, str] = POLICIES, registry: str = "") -> bytes:
    lines = [
        "registries:",
        f"- {{host: '{host}'{registry}}}",
        "services:",
        *(f"  {name}: {{image: '{host}/tuling/{name}', tags: {tags}}}" for name, tags in policies.items()),
        "environments:",
        "  dev: {namespace: tuling-dev, images: newest}",
        "  test: {namespace: tuling-test, after: dev}",
    ]
    return "\n".join(lines).encode() + b"\n"


def kustomization(host: str, policies: Mapping[str, str] = POLICIES) -> bytes:
    entries = "".join(f"- name: {host}/tuling/{name}\n  newTag: none\n" for name in policies)
    return f"resources: [../../base]\nimages:\n{entries}".encode()


class Shelf:
    """Implements Registry in memory, and records the queries. Without push times it answers one digest at a time, as
    registries of kind oci do.
    """

    def __init__(self, *, has_times: bool = True) -> None:
        self.tagged_at: dict[tuple[str, str], TaggedImage] = {}
        self.digests: set[str] = set()
        self.error: GitopsError | None = None
        self.errors: dict[str, GitopsError] = {}
        self.asked: list[tuple[str, str]] = []
        self._has_times = has_times

    def push(self, image: str, tag: str, pushed_at: datetime, content: str = "") -> str:
        found = digest(f"{image}:{content or tag}")
        self.tagged_at[image, tag] = TaggedImage(tag, found, pushed_at if self._has_times else None)
        self.digests.add(f"{image}@{found}")
        return found

    def tags(self, image: str, since: datetime | None = None) -> Sequence[TaggedImage]:
        self._ask("tags" if since is None else "tags since", image)
        found = [each for (name, _), each in self.tagged_at.items() if name == image]
        if not self._has_times:
            return [TaggedImage(each.tag) for each in found]
        return [each for each in found if since is None or (each.pushed_at or START) >= since]

    def image_of_tag(self, image: str, tag: str) -> TaggedImage | None:
        self._ask("tagged", image)
        return self.tagged_at.get((image, tag))

    def has(self, image: str, digest: str) -> bool:
        self._ask("has", f"{image}@{digest}")
        return f"{image}@{digest}" in self.digests

    def scan(self, image: str, digest: str) -> Scan:
        raise NotImplementedError

    def describe(self, image: str, digest: str) -> ImageDescription:
        raise NotImplementedError

    def _ask(self, what: str, about: str) -> None:
        self.asked.append((what, about))
        error = self.error or self.errors.get(about)
        if error is not None:
            raise error


class SweepWorld:
    """Closed by `close`. `handed_in` holds the events that sweeps gave to the committer."""

    def __init__(self, directory: Path, host: str, text: bytes = b"", overlay: bytes = b"") -> None:
        self.host = host
        directory.mkdir(parents=True, exist_ok=True)
        files = {pipeline.FILE: text or pipeline_text(host), OVERLAY: overlay or kustomization(host)}
        self.remote = Remote(directory / "remote.git", files)
        limits = GitLimits(fetch=30.0, push=30.0)
        self.repo = GitConfigRepo(self.remote.url, "main", directory / "clone", GitOptions(limits=limits))
        self.repo.fetch()
        self.now: Callable[[], datetime] = now
        self.elapsed = 0.0
        self.handed_in: list[Event] = []
        self.before_handing_in: Callable[[], None] = lambda: None
        clock = WorldClock(self.time)
        parties = CommitterParties(self.repo, ImageSources(KnownImages()), self, clock, Half())
        self.committer = Committer(parties, CommitPace(first_retry=0.02, last_retry=0.1))
        self.committer.start()
        self._sweepers: list[Sweeper] = []

    def sweeper(self, registries: Mapping[str, Registry], retention: ImageRetention | None = None) -> Sweeper:
        made = Sweeper(
            SweeperParties(
                registries=registries,
                inbox=self,
                head=self,
                declared=DeclaredImages(self.repo, self),
                retention=retention,
                clock=WorldClock(self.time, lambda: self.elapsed),
            )
        )
        self._sweepers.append(made)
        return made

    def time(self) -> datetime:
        return self.now()

    def on_commit(self, head: str, changes: Sequence[Change], *, was_blocked: bool) -> None:
        pass

    def accept(self, events: Sequence[Event], *, delivery: str, deadline: float, cause: str = "") -> Sequence[str]:
        """Implements ports.Inbox: record the events and pass them to the committer."""
        self.handed_in += events
        self.before_handing_in()
        return self.committer.accept(events, delivery=delivery, deadline=deadline, cause=cause)

    def webhook(self, service: str, tag: str, minutes: float, content: str = "") -> ImagePushed:
        image = f"{self.host}/tuling/{service}"
        return ImagePushed(image, tag, digest(f"tuling/{service}:{content or tag}"), at(minutes))

    def pipeline(self) -> Pipeline | None:
        self.repo.fetch()
        tree = self.repo.tree(self.repo.head())
        return pipeline.parse(self.repo.read(tree[pipeline.FILE].id))

    def overlays(self) -> Mapping[str, Overlay]:
        found = self.pipeline()
        assert found is not None
        return {each.name: each for each in layout.overlays(found, self.repo.tree(self.repo.head()))}

    def deployed(self) -> dict[str, Image]:
        found = images(self.remote.read(OVERLAY), OVERLAY)
        return {each.name.rpartition("/")[2]: each for each in found if each.digest}

    def commits(self) -> int:
        return len(self.remote.subjects())

    def trailers(self, *, but: Collection[str] = ()) -> set[tuple[str, ...]]:
        """List the trailers of every commit below environments/, in no order."""
        log = git(self.remote.directory, "log", "--format=%(trailers:unfold)%x00", "main")
        found = [block.strip().splitlines() for block in log.split("\x00") if block.strip()]
        return {tuple(line for line in lines if line.partition(":")[0] not in but) for lines in found}

    def close(self) -> None:
        for sweeper in self._sweepers:
            sweeper.close()
        self.committer.stop(10)
        self.repo.close()


def wanting(overlay: str, wanted: Collection[Image]) -> Desired:
    """Make the desired state of an overlay that uses these images, each in a Deployment of its own."""
    manifests = []
    for number, image in enumerate(sorted(wanted)):
        containers = [{"name": "app", "image": str(image)}]
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"d{number}", "namespace": overlay},
            "spec": {"template": {"spec": {"containers": containers}}},
        }
        manifests.append(Manifest(Key("apps", "Deployment", overlay, f"d{number}"), body, str(image)))
    return Desired(
        overlay=Overlay(overlay, overlay, f"environments/{overlay}", overlay),
        revision=Revision("a" * 40, "a" * 40),
        key="",
        manifests=tuple(manifests),
        keys=frozenset(each.key for each in manifests),
        images={image.name: image for image in wanted},
        scaled=frozenset(),
    )


def refused(reason: str) -> Rejected:
    return Rejected(reason, f"{reason}, says the registry")


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until `holds` is true, which another thread brings about."""
    end, tick = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        tick.wait(0.01)
