"""The invariants of a controller, checked from git, the cluster and the recorded traffic alone.

I1: every change that was promised to a sender is on the trunk exactly once. I2: no commit of a person is lost. I3: the
cluster equals the trunk's head. I4: no object outside the inventory was deleted, and every applied object is in git,
in the inventory, or deleted. I5: no status says Synced for a revision that is not applied as a whole. I6: no person has
to help, which follows from how the tests are written. The checker renders with kustomize from a plain checkout and uses
no code of the product for that.
"""

import re
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gitops.core.ownership.applyset import PART_OF_LABEL, applyset_id, parent_name
from gitops.core.revision import Revision
from gitops.core.sync.status import Sync
from tests.e2e.api_proxy import Passed
from tests.e2e.console import OURS, Body, Objects
from tests.e2e.harness import SYSTEM, Sent, World, status
from tests.worlds.git import git

Identity = tuple[str, str, str]
"""The kind, the namespace and the name of an object."""

_TARGET = re.compile(r".*/namespaces/([^/]+)/([^/]+)/([^/]+)")
_PLURALS = {f"{kind.lower()}s": kind for kind in OURS}


class Checker:
    """Records the traffic from its creation on, so create it before the test acts. Thread-safe."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._builds = _Builds(world)
        self._lock = threading.Lock()
        self._premature: list[str] = []
        self._strangers = [_stranger(world, namespace) for namespace in world.names.all]
        world.proxy.traffic.inspect = self._inspect

    def violations(self) -> list[str]:
        return [*self._promises(), *self._commits(), *self.differences(), *self._strays(), *self._premature]

    def until_converged(self, seconds: float = 90.0) -> None:
        """Waits until the cluster and the inventories equal the head. It watches the system namespace, because every
        pass with a change ends with a write there.
        """
        judged: set[str] | None = None

        def is_so(seen: Objects) -> bool:
            nonlocal judged
            now = {body["metadata"]["resourceVersion"] for key, body in seen.items() if self._is_ours(key)}
            if now == judged:  # another installation's business
                return False
            judged = now
            return not (self.differences() or self._strays())

        self._world.console.until("ConfigMap", SYSTEM, is_so, seconds=seconds)

    def _is_ours(self, key: str) -> bool:
        return any(name in key.split("/", 1)[1].split(".") for name in self._world.names.all)

    # -- I1

    def _promises(self) -> Iterator[str]:
        log = git(self._world.remote, "log", "--format=%h %s", "main").splitlines()
        digests = Counter(
            git(self._world.remote, "log", "--format=%(trailers:key=Lockstep-Digest,valueonly)", "main").split()
        )
        for digest, count in digests.items():
            if count > 1:
                yield f"I1: {digest} was committed {count} times: {log}"
        for sent in self._world.sent:
            if sent.is_acked and not digests[sent.digest] and not self._is_superseded(sent):
                yield f"I1: {sent.image}:{sent.tag} was promised and is not on the trunk: {sent.answer}"

    def _is_superseded(self, sent: Sent) -> bool:
        """A newer image may have been committed first; then the trunk must have the newer one."""
        service = sent.image.rpartition("/")[2]
        place = self._world.names.dev if service == "shop" else f"{self._world.names.split}/desk"
        document = yaml.safe_load(self._world.kustomization(place))
        now: str = next(image["newTag"] for image in document["images"] if image["name"] == sent.image)
        return _rank(now) > _rank(sent.tag)

    # -- I2

    def _commits(self) -> Iterator[str]:
        on_trunk = set(git(self._world.remote, "rev-list", "main").split())
        yield from (f"I2: commit {commit} is lost" for commit in self._world.person.pushed if commit not in on_trunk)
        for path, text in self._world.person.wrote.items():
            if callable(text) or "\nimages:" in (text or ""):
                continue  # the committer writes there too, and what it writes is judged by I1 and I3
            if _text_at_head(self._world, path) != text:
                yield f"I2: {path} is not what its last author wrote"

    # -- I3

    def differences(self) -> list[str]:
        """The differences between the head and the cluster."""
        head = git(self._world.remote, "rev-parse", "main")
        live = self._live()
        return [
            f"I3: {overlay} at {head[:12]}: {difference}"
            for overlay in self._world.overlays
            for difference in _missing(self._builds.at_head(overlay, head), live)
        ]

    def _live(self) -> dict[Identity, Body]:
        return {
            (kind, namespace, item["metadata"]["name"]): item
            for namespace in self._world.names.all
            for kind in OURS
            for item in self._world.console.list(kind, namespace)
        }

    # -- I4

    def _strays(self) -> list[str]:
        # Cluster and inventory cannot be read at the same moment, and a pass may prune between the two reads. So only
        # a violation that is found a second time counts.
        again = set(self._orphans())
        orphans = [each for each in self._orphans() if each in again] if again else []
        return [*self._disturbed_strangers(), *orphans, *self._wrong_deletions()]

    def _disturbed_strangers(self) -> Iterator[str]:
        for before in self._strangers:
            metadata = before["metadata"]
            now = self._world.console.read("ConfigMap", metadata["namespace"], metadata["name"])
            if now != before:
                yield f"I4: {metadata['namespace']}/{metadata['name']}, which is nobody's business, was touched"

    def _orphans(self) -> Iterator[str]:
        head = git(self._world.remote, "rev-parse", "main")
        live = self._live()
        for overlay in self._world.overlays:
            wanted = set(self._builds.at_head(overlay, head))
            members = self._world.members(overlay)
            label = applyset_id(parent_name(overlay), SYSTEM)
            ours = {key for key, body in live.items() if _part_of(body) == label}
            yield from (
                f"I4: {key} of {overlay} is neither in git nor in the inventory" for key in ours - wanted - members
            )
            yield from (f"I4: {key} is in git, not in the inventory of {overlay}" for key in wanted - members)
        everything = {key for name in self._world.overlays for key in self._world.members(name)}
        for key in (self._applied() & live.keys()) - everything:
            yield f"I4: {key} was applied once and nobody knows of it any more"

    def _applied(self) -> set[Identity]:
        return {
            key
            for passed in self._world.proxy.traffic.passed()
            if passed.request.is_write and passed.request.method == "PATCH" and passed.status < 300
            for key in _identity(passed)
        }

    def _wrong_deletions(self) -> Iterator[str]:
        for passed in self._world.proxy.traffic.passed():
            if passed.request.method == "DELETE" and passed.status < 300:
                yield from (f"I4: {key} was deleted but never ours" for key in _identity(passed) - self._applied())

    # -- I5

    def _inspect(self, passed: Passed) -> None:
        """Checks each written status: it must be true now, because passes of one overlay do not overlap."""
        if "/configmaps/lockstep-ledger." not in passed.request.target or passed.status >= 300:
            return
        if passed.request.method not in {"PUT", "POST"}:
            return
        found = status(yaml.safe_load(passed.request.body))
        if found.sync is not Sync.SYNCED:
            return
        applied = found.revisions.applied
        wanted = self._builds.at(found.overlay, applied) if applied else {}
        missing = list(_missing(wanted, self._live())) if applied else ["no revision was applied"]
        with self._lock:
            self._premature += [f"I5: {found.overlay} was called Synced at {applied}: {each}" for each in missing]


class _Builds:
    """A cache of kustomize's output for overlays at revisions, from plain checkouts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str], dict[Identity, Body]] = {}

    def at_head(self, overlay: str, head: str) -> dict[Identity, Body]:
        """The revision of an overlay: release.yaml, if it exists, names base and overlay."""
        try:
            text = git(self._world.remote, "show", f"{head}:environments/{overlay}/release.yaml")
        except AssertionError:
            return self.at(overlay, Revision(head, head))
        release = yaml.safe_load(text)
        return self.at(overlay, Revision(release["base"], release["overlay"]))

    def at(self, overlay: str, revision: Revision) -> dict[Identity, Body]:
        key = self._content(overlay, revision)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._build(overlay, revision)
            return self._known[key]

    def _content(self, overlay: str, revision: Revision) -> tuple[str, str, str]:
        """Equal trees share a build, because most commits do not change most overlays."""
        places = (f"{revision.base}:base", f"{revision.overlay}:environments/{overlay}")
        base, own = git(self._world.remote, "rev-parse", *places).split()
        return overlay, base, own

    def _build(self, overlay: str, revision: Revision) -> dict[Identity, Body]:
        with tempfile.TemporaryDirectory() as scratch:
            self._check_out(revision.base, Path(scratch))
            own = Path(scratch) / "environments" / overlay
            if revision.overlay != revision.base:
                shutil.rmtree(own, ignore_errors=True)
                self._check_out(revision.overlay, Path(scratch), f"environments/{overlay}")
            built = subprocess.run([self._world.kustomize, "build", own], capture_output=True, check=True)
        found = {}
        for body in yaml.safe_load_all(built.stdout):
            found[(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])] = body
        return found

    def _check_out(self, revision: str, target: Path, *paths: str) -> None:
        archive = subprocess.run(
            ["git", "-C", str(self._world.remote), "archive", revision, *paths], capture_output=True, check=True
        )
        subprocess.run(["tar", "-x", "-C", str(target)], input=archive.stdout, check=True)


def _missing(wanted: Mapping[Identity, Body], live: Mapping[Identity, Body]) -> Iterator[str]:
    for key, body in wanted.items():
        if key not in live:
            yield f"{key} is not there"
        elif not _covers(live[key], body):
            yield f"{key} is not as it should be"


def _covers(live: Any, wanted: Any) -> bool:
    """True if `live` has everything in `wanted`; it may have more."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and _covers(live[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(_covers, live, wanted))
    return bool(live == wanted)


def _identity(passed: Passed) -> set[Identity]:
    """The object of a request, if its kind is in the config repos and it is outside the system namespace."""
    match = _TARGET.fullmatch(passed.request.path)
    if match is None or match[1] == SYSTEM or match[2] not in _PLURALS:
        return set()
    return {(_PLURALS[match[2]], match[1], match[3])}


def _part_of(body: Body) -> str:
    return str((body["metadata"].get("labels") or {}).get(PART_OF_LABEL, ""))


def _rank(tag: str) -> list[int]:
    return [int(part) for part in tag.split(".")]


def _text_at_head(world: World, path: str) -> str | None:
    try:
        return world.person.read(path)
    except AssertionError:
        return None


def _stranger(world: World, namespace: str) -> Body:
    """Creates an object of another ApplySet in an environment's namespace, which must never change."""
    metadata = {"name": "stranger", "labels": {PART_OF_LABEL: applyset_id("somebody-else", "somewhere")}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"keep": "me"}}
    return world.console.create("ConfigMap", namespace, body)
