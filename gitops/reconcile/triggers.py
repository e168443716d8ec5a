"""Deliveries that ask for no commit (a push to the config repo, a scan, a deletion), and the tasks that they cause.

Nothing is fetched or rendered here: the sender is answered at once, and a false delivery costs one look.
"""

import re
import threading
from collections import deque
from typing import TYPE_CHECKING

import structlog

from gitops.core.config_repo import layout
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.core.image_updates.events import ConfigPushed, ImageDeleted, ImageScanned
from gitops.core.promotion.requests import APPROVE, PROMOTE
from gitops.desired.desired_state import DesiredState
from gitops.ports import Queue, Task, Trees
from gitops.reconcile.leader_relay import LeaderRelay

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = structlog.get_logger(__name__)

_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")
_ASKED = tuple(f"refs/tags/{prefix}" for prefix in (PROMOTE, APPROVE))
_MOST_NAMED = 5
_MOST_REMEMBERED = 100


class Triggers:
    """Thread-safe. `trunk` is the branch of the config repo, `tasks` the queue of the controller's tasks; `relay` names
    overlays to the leader. No method that a sender waits for reads the clone, which may be busy with a fetch.
    """

    def __init__(self, repo: Trees, trunk: str, desired: DesiredState, tasks: Queue, relay: LeaderRelay) -> None:
        self._repo = repo
        self._trunk = f"refs/heads/{trunk}"
        self._desired = desired
        self._tasks = tasks
        self._relay = relay
        self._awaited: str | None = ""  # the head of the last push, not fetched yet; None: the webhook named none
        self._lock = threading.Lock()  # guards the fields below
        self._named: tuple[str, Mapping[bytes, list[str]]] = ("", {})
        self._unread: deque[ImageDeleted] = deque(maxlen=_MOST_REMEMBERED)
        self._warned: deque[ImageDeleted] = deque(maxlen=_MOST_REMEMBERED)

    def config_pushed(self, event: ConfigPushed) -> str:
        """Takes in a push to the config repo; returns the answer to its sender, one sentence."""
        if event.ref is None:
            self._fetch(None)
            return "looking at everything: the payload does not say which refs moved"
        if event.ref.startswith(_ASKED):
            self._tasks.add(Task.TAGS)
            self._relay.request_pass(*self._overlays_of(event.ref.split("/")[3]))
            return "looking at what was asked for"
        if event.ref != self._trunk:
            return f"{event.ref} is not the trunk; nothing depends on it"
        if event.after is not None and self._is_taken_in(event.after):
            self._tell_leader()  # the leader may not have heard of it
            return f"already at {event.after[:12]}"
        self._fetch(event.after)
        return "looking at the trunk's new head"

    def registry_news(self, event: ImageScanned | ImageDeleted) -> str:
        """Takes in a scan or a deletion; returns the answer to its sender, one sentence."""
        short = event.digest.removeprefix("sha256:")[:12]
        if isinstance(event, ImageScanned):
            self._tasks.add(Task.PROMOTE)
            self._tell_leader()
            return f"looking at what waits for the scan of {event.image} ({short})"
        where = self._find_overlays(event)
        if where is None:
            self._tasks.add(Task.REFRESH)
            return f"looking whether an overlay of the trunk names {event.image} ({short})"
        if not where:
            return f"no overlay of the trunk names {event.image} ({short})"
        self._warn(event, where)
        return (
            f"{where}: names {event.image} ({short}), which the registry no longer has: "
            "push it again or deploy another one before a pod has to pull it"
        )

    def take_in(self) -> None:
        """Looks for the overlays of deleted images that could not be named at once. Called after a head was taken in,
        by a thread that may wait. Raises: Unavailable when the clone cannot be read now; the next call tries again.
        """
        head = self._desired.head()
        with self._lock:
            if not self._unread or not head:
                return
        if self._named[0] != head:
            named = self._digests(head)
            with self._lock:
                self._named = (head, named)
        with self._lock:
            unread = list(self._unread)
            self._unread.clear()
        for event in unread:
            if where := self._find_overlays(event):
                self._warn(event, where)

    def _is_taken_in(self, head: str) -> bool:
        """True if this head was read already and no other is expected. If another head is expected, the trunk was
        force-pushed and is fetched again.
        """
        return head == self._desired.head() and self._awaited in {"", head}

    def _fetch(self, head: str | None) -> None:
        self._awaited = head
        self._tasks.add(Task.FETCH)
        self._tell_leader()

    def _tell_leader(self) -> None:
        """A leader that is asked for a pass fetches the head, reads the tags and looks at promotions. It cannot be
        asked for a pass over an overlay that was never applied, hence several.
        """
        self._relay.request_pass(*list(self._desired.overlays())[:_MOST_NAMED])

    def _overlays_of(self, environment: str) -> list[str]:
        """The overlays of an environment; empty for one that git does not know, as a sender may name any."""
        return [each.name for each in self._desired.overlays().values() if each.environment == environment]

    def _find_overlays(self, event: ImageDeleted) -> str | None:
        """The overlays whose kustomization names the digest, at the head that was taken in last; None until `take_in`
        has read that head.
        """
        head = self._desired.head()
        with self._lock:
            known_head, named = self._named
            if known_head != head or not head:
                if event not in self._unread:
                    self._unread.append(event)
                return None
        found = named.get(event.digest.encode("ascii"), [])
        return ", ".join(found[:_MOST_NAMED]) + (" and others" if len(found) > _MOST_NAMED else "")

    def _warn(self, event: ImageDeleted, where: str) -> None:
        with self._lock:
            if event in self._warned:
                return
            self._warned.append(event)
        _log.warning("an image in use was deleted", image=event.image, digest=event.digest, deployed_in=where)

    def _digests(self, head: str) -> dict[bytes, list[str]]:
        tree, found = self._repo.tree(head), dict[bytes, list[str]]()
        for name, overlay in self._desired.overlays().items():
            file = layout.kustomization(overlay.path, tree)
            for digest in set(_DIGEST.findall(self._text(tree, file))):
                found.setdefault(digest, []).append(name)
        return found

    def _text(self, tree: Tree, file: str | None) -> bytes:
        """The text of a file; empty when it is missing or too large, which passes report."""
        try:
            return b"" if file is None else self._repo.read(tree[file].id)
        except Rejected:
            return b""
