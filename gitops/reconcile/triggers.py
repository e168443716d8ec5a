"""What a delivery makes the controller look at, when it asks for no commit. Nothing is fetched, rendered or asked of
anybody here: whoever sent it is answered at once, and a wrong hint costs one look.
"""

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from gitops.core.config_repo import layout
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.core.image_updates.events import ConfigPushed, ImageDeleted, ImageScanned
from gitops.core.promotion.requests import APPROVE, PROMOTE
from gitops.desired.desired_state import DesiredState
from gitops.ports import Trees

_log = structlog.get_logger(__name__)

_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")
_ASKED = tuple(f"refs/tags/{prefix}" for prefix in (PROMOTE, APPROVE))
_MOST_NAMED = 5
_MOST_REMEMBERED = 100


class Triggers:
    """Thread-safe. `look` adds a task of the controller's; `tell` makes the replica that leads look at overlays, should
    this one not be it. Nothing that a sender waits for reads the clone: that waits while it is fetched.
    """

    def __init__(
        self, repo: Trees, trunk: str, desired: DesiredState, look: Callable[[str], None], tell: Callable[..., None]
    ) -> None:
        self._repo = repo
        self._trunk = f"refs/heads/{trunk}"
        self._desired = desired
        self._look = look
        self._tell = tell
        self._awaited: str | None = ""  # the newest head that was told and not known; None: unknown which
        self._lock = threading.Lock()  # for the rest
        self._named: tuple[str, Mapping[bytes, list[str]]] = ("", {})
        self._unread: deque[ImageDeleted] = deque(maxlen=_MOST_REMEMBERED)
        self._warned: deque[ImageDeleted] = deque(maxlen=_MOST_REMEMBERED)

    def config_pushed(self, event: ConfigPushed) -> str:
        """A push to the config repo. The sentence says what comes of it."""
        if event.ref is None:
            self._look_at_head(None)
            return "looking at everything: the payload does not say which refs moved"
        if event.ref.startswith(_ASKED):
            self._look("tags")
            self._tell(*self._overlays_of(event.ref.split("/")[3]))
            return "looking at what was asked for"
        if event.ref != self._trunk:
            return f"{event.ref} is not the trunk; nothing depends on it"
        if event.after is not None and self._is_taken_in(event.after):
            self._tell_of_head()  # the leader may not have heard of it
            return f"already at {event.after[:12]}"
        self._look_at_head(event.after)
        return "looking at the trunk's new head"

    def registry_news(self, event: ImageScanned | ImageDeleted) -> str:
        """A scan or a deletion. The sentence says what comes of it."""
        short = event.digest.removeprefix("sha256:")[:12]
        if isinstance(event, ImageScanned):
            self._look("promote")
            self._tell_of_head()
            return f"looking at what waits for the scan of {event.image} ({short})"
        where = self._deployed_in(event)
        if where is None:
            self._look("refresh")
            return f"looking whether an overlay of the trunk names {event.image} ({short})"
        if not where:
            return f"no overlay of the trunk names {event.image} ({short})"
        self._warn(event, where)
        return (
            f"{where}: names {event.image} ({short}), which the registry no longer has: "
            "push it again or deploy another one before a pod has to pull it"
        )

    def take_in(self) -> None:
        """Finds out what was deleted and could not be answered at once. Called by a thread that may wait, when a head
        was taken in. Raises: Unavailable when the clone cannot be read now; the next call does it.
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
            if where := self._deployed_in(event):
                self._warn(event, where)

    def _is_taken_in(self, head: str) -> bool:
        """Whether nothing is to be looked at. When another head was told meanwhile, which may be on its way in, this
        one is looked for again: the trunk was forced back.
        """
        return head == self._desired.head() and self._awaited in {"", head}

    def _look_at_head(self, told: str | None) -> None:
        self._awaited = told
        self._look("fetch")
        self._tell_of_head()

    def _tell_of_head(self) -> None:
        """Whatever overlay the leader is asked about, it fetches the head, reads the tags and looks at promotions. One
        that was never applied cannot be asked about, hence several.
        """
        self._tell(*list(self._desired.overlays())[:_MOST_NAMED])

    def _overlays_of(self, environment: str) -> list[str]:
        """None for an environment that git does not know: a sender may say anything."""
        return [each.name for each in self._desired.overlays().values() if each.environment == environment]

    def _deployed_in(self, event: ImageDeleted) -> str | None:
        """The overlays whose kustomization names the digest, at the head that was taken in last; None while nobody has
        read them since.
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
        """Empty for what is not there or too large to be read: the passes say so."""
        try:
            return b"" if file is None else self._repo.read(tree[file].id)
        except Rejected:
            return b""
