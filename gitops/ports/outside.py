"""Ports to the outside parties: git, the cluster, registries, kustomize, caches. gitops.adapters implements them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # an implementation of one port does not load the types of the others
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from gitops.core.config_repo.commits import NewCommit, PastCommit
    from gitops.core.config_repo.tree import Source, Tree
    from gitops.core.image_updates.events import Event
    from gitops.core.images.reference import Image
    from gitops.core.images.registry_facts import ImageDescription, Scan, TaggedImage
    from gitops.core.manifests.manifest import Manifest
    from gitops.core.objects import Body, Key
    from gitops.core.ownership.applyset import Parent
    from gitops.core.ownership.field_removal import Operation
    from gitops.core.ownership.live_object import Observed
    from gitops.core.promotion.proof import Proofs
    from gitops.core.promotion.requests import SignedTag
    from gitops.core.sync.status import Account, Record, SyncStatus


class ConfigRepo(Protocol):
    """The config repo: a bare clone of the remote, disposable at any time. Thread-safe.

    Every method raises Unavailable when the remote or the clone cannot be used now.
    """

    def fetch(self) -> str:
        """Brings the trunk up to date with the remote and returns its head. Raises Rejected when the trunk is gone."""

    def head(self) -> str:
        """The trunk's head as of the last fetch or push, without asking the remote. A full commit id."""

    def tree(self, revision: str) -> Tree:
        """All files of a commit. Raises Rejected(UnknownRevision) when the clone does not have it."""

    def read(self, blob: str) -> bytes:
        """The content of one blob id. Raises Rejected(TooLarge) above the size limit of the clone's configuration."""

    def is_ancestor(self, older: str, newer: str) -> bool:
        """True when `older` is reachable from `newer`, or the same."""

    def history(self, path: str, limit: int) -> Sequence[PastCommit]:
        """The newest commits of the trunk that touched a file or directory, newest first."""

    def trailers(self, key: str, since: str = "") -> frozenset[str]:
        """Every value of a trailer in the commits of the trunk, of any path and any parent; only those that are not
        reachable from `since`, if that commit is known.
        """

    def first_commit(self, path: str) -> str | None:
        """The commit of the trunk that brought a file first; None if the history does not decide."""

    def commit(self, parent: str, commits: Sequence[NewCommit]) -> str:
        """Writes the commits one after another on top of `parent` and pushes them in one compare-and-swap push; returns
        the new head. Durable on the remote when it returns.

        Raises: Conflict when the trunk is no longer at `parent`; Rejected(PushRefused) with the host's own text when
        the remote refuses the write (protected branch, hook); Unavailable when the remote cannot be reached.
        """

    def write(self, parent: str, commits: Sequence[NewCommit]) -> str:
        """Writes the commits on top of any known commit, in the clone alone; returns the last one's id. It can be read
        like every other commit, and made real by `publish`.
        """

    def publish(self, parent: str, revision: str) -> str:
        """Pushes commits that `write` made on top of `parent`; returns the new head. Raises as `commit` does."""

    def keep(self, revisions: Collection[str]) -> None:
        """Pushes `refs/lockstep/base/<revision>` for each: a rewritten trunk does not lose the commits.

        Raises: Rejected(PushRefused) when the host allows no such refs.
        """

    def read_kept(self) -> Collection[str]:
        """The commits that such refs of the remote keep, as of the last fetch."""

    def tags(self, prefixes: Sequence[str]) -> Sequence[SignedTag]:
        """The remote's tags below these prefixes (`promote/`), asked for now, newest first."""


class Trees(Protocol):
    """Trees of a config repo, wherever it lies: what can be read without asking a remote. Thread-safe."""

    def tree(self, revision: str) -> Tree:
        """All files of a revision. Raises Rejected(MissingObject) or Rejected(UnknownRevision)."""

    def read(self, blob: str) -> bytes:
        """The content of one blob id. Raises as tree does."""


class ReleaseOrigins(Protocol):
    """The history of a repository beyond its trees. Thread-safe."""

    def first_releases(self, head: str) -> Mapping[str, str | None]:
        """Path of a release.yaml -> the commit of the history of `head` that brought it first; None if the
        history does not decide. Files that were never committed are left out.

        Raises: Unavailable when git fails.
        """

    def off_trunk(self, head: str, commits: Collection[str]) -> Mapping[str, bool]:
        """Commits among `commits` that are not in the history of `head` -> whether a ref of Lockstep's keeps them."""


class Cache(Protocol):
    """Keeps values that can be computed again, by key. Thread-safe; it may forget any of them at any time."""

    def read(self, key: str) -> bytes | None: ...

    def write(self, key: str, text: bytes) -> None: ...


class Renderer(Protocol):
    """kustomize build. Thread-safe; cached by the source's key. Another `version` may render otherwise."""

    version: str

    def render(self, source: Source) -> bytes:
        """Raises Rejected(BuildFailed) with kustomize's own words, Rejected(LimitExceeded) past time or memory."""

    def read_cached(self, key: str) -> bytes | None:
        """The cached render of this key, or None: a hit saves the caller from collecting the files."""


class RenderObserver(Protocol):
    """Receives the result of each render."""

    def on_render(self, result: str, seconds: float) -> None:
        """`result` is `hit` (from the cache), `built` or `failed`."""


class GitObserver(Protocol):
    """Receives the result of each fetch and push of the config repo."""

    def on_fetch(self, outcome: str, seconds: float) -> None:
        """`outcome` is `ok` or `failed`."""

    def on_push(self, outcome: str, seconds: float) -> None:
        """`outcome` is `ok`, `moved` (another writer was faster), `refused` (by the host) or `failed`."""


NOWHERE = "1"
"""A resourceVersion that no object can have: the store counts its writes, and its first write is not an object."""


class Cluster(Protocol):
    """One Kubernetes API server, written to under one field manager. Thread-safe; every call is bounded in time.

    Every method raises Unavailable (server down, 429, 5xx, timeout), and Rejected with the server's own message
    (values of Secrets removed) when the server refuses: reasons are the server's (Forbidden, Invalid, NotFound...).
    """

    def is_namespaced(self, manifest_kind: tuple[str, str]) -> bool:
        """Scope of (apiVersion, kind). Raises Rejected(NoMatches) when the server does not serve that kind."""

    def refresh_kinds(self) -> None:
        """Forgets cached discovery: CRDs were applied."""

    def read(self, key: Key, version: str) -> Body | None:
        """The whole live object, or None."""

    def preview(self, manifest: Manifest, resource_version: str) -> Body:
        """Server-side apply as a dry run: returns the resulting object. Raises as apply does."""

    def apply(self, manifest: Manifest, resource_version: str) -> Body:
        """Forced server-side apply. A non-empty resource_version must still be the live one, else Conflict. An object
        that is gone by now is created: the server knows no resourceVersion to compare with. So with NOWHERE, which no
        object can have, the object is created or nothing is written.
        """

    def preview_edit(self, key: Key, version: str, operations: Sequence[Operation]) -> Body:
        """A JSON patch (RFC 6902) as a dry run: returns the resulting object. Raises as edit does."""

    def edit(self, key: Key, version: str, operations: Sequence[Operation]) -> Body:
        """A JSON patch. Raises Conflict when one of its tests fails: the object is not what the patch was made for."""

    def delete(self, key: Key, version: str, *, uid: str) -> None:
        """Background deletion with a UID precondition. Gone already is success; another UID is Conflict."""

    def references(self, namespace: str) -> Collection[Key]:
        """ConfigMaps and Secrets that live Pods, ReplicaSets, ControllerRevisions and Jobs of a namespace refer to."""

    def running(self, namespace: str) -> Collection[Image]:
        """Images that the specs of the namespace's pods name, of pods that are ready or have done their work."""


class LiveState(Protocol):
    """Our objects in the cluster, as the watches see them. Reading costs no request."""

    def watch(self, kinds: Collection[tuple[str, str, str]]) -> None:
        """Makes sure that these (group, version, kind) are watched; blocks until their first list has arrived.

        Kinds that the server does not serve are left out. Raises Unavailable.
        """

    def members(self, part_of: str) -> Mapping[Key, Observed]:
        """All live objects that carry this part-of label, as of now."""

    def note(self, body: Body) -> Observed:
        """Takes in an object that the caller just read or wrote, unless a newer version is known."""


class ApplySets(Protocol):
    """The ApplySet parents, one ConfigMap per overlay. Raises as Cluster does."""

    def read(self, overlay: str) -> Parent | None: ...

    def read_all(self) -> Mapping[str, Parent]:
        """Every parent of this config repo, also of overlays that git no longer has (orphaned)."""

    def write(self, parent: Parent) -> Parent:
        """Stores the parent if its resource_version is still the stored one (empty: if there is none yet); returns it
        with the new one. Raises Conflict when another writer was faster, Rejected(ForeignParent) when the stored parent
        names another config repo or another tooling.
        """

    def remove(self, parent: Parent) -> None:
        """Deletes the stored parent if it is still the given one. Raises Conflict when it is not."""


class Ledger(Protocol):
    """Status and history of every overlay, readable by every replica and by the CLI. Raises as Cluster does."""

    def read(self, overlay: str) -> Account | None:
        """Current status and history, newest first."""

    def read_all(self) -> Mapping[str, Account]: ...

    def write(self, status: SyncStatus, record: Record | None) -> None:
        """Replaces the status; puts the record in front of the history, which keeps the newest 100."""

    def remove(self, overlay: str) -> None:
        """Forgets an overlay that was taken down."""


class ProofLedger(Protocol):
    """The proofs of each overlay, stored beside its status. Raises as Cluster does."""

    def read_proofs(self, overlay: str) -> Proofs | None:
        """The stored proofs; None if there are none, and the overlay must prove again."""

    def write_proofs(self, overlay: str, proofs: Proofs) -> None:
        """Replaces the proofs. Stores nothing for an overlay without a status."""


class Registry(Protocol):
    """A registry of container images, asked over its API. Thread-safe; every call is bounded in time and size.

    `image` is a repository as in the manifests, with the host. Every method raises Unavailable when the registry
    cannot be asked now, and Rejected when it refuses for good (Unauthorized, NotFound of a repository, BadAnswer).
    """

    def tags(self, image: str, since: datetime | None = None) -> Sequence[TaggedImage]:
        """The tags of a repository, the newest push first where that is known. `since`: images that were pushed before
        may be left out, even if their tags moved since. Digests may be missing.
        """

    def image_of_tag(self, image: str, tag: str) -> TaggedImage | None:
        """The image of a tag now, with its digest; None when there is no such tag."""

    def has(self, image: str, digest: str) -> bool:
        """True if the artifact can be pulled by its digest."""

    def scan(self, image: str, digest: str) -> Scan:
        """The result of a vulnerability scan. Raises Rejected(Unsupported) when this kind of registry has no scans."""

    def describe(self, image: str, digest: str) -> ImageDescription:
        """The labels of an image; they never change for one digest."""


class EventRecorder(Protocol):
    """Records a Kubernetes Event for people and consoles. Never raises."""

    def announce(self, overlay: str, record: Record) -> None: ...


class Inbox(Protocol):
    """The queue to which receivers hand events. Thread-safe."""

    def accept(self, events: Sequence[Event], *, delivery: str, deadline: float, cause: str = "") -> Sequence[str]:
        """Waits until every event is decided and its commit is durable on the remote; returns one sentence with the
        outcome per event. `deadline` is in seconds from now; `cause` is the cause that the commits name if there was no
        webhook.

        Raises: Unavailable past the deadline or when the queue cannot make it (the work still completes when it can).
        """
