"""What a delivery makes the controller look at, when it asks for no commit. Nothing is fetched, rendered or asked of
anybody here: whoever sent it is answered at once, and a wrong hint costs one look.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from gitops.core import pipeline
from gitops.core.errors import Rejected
from gitops.core.events import ConfigPushed, ImageDeleted, ImageScanned
from gitops.core.requests import APPROVE, PROMOTE
from gitops.core.tree import Tree
from gitops.desired import DesiredState
from gitops.ports import Trees

_log = structlog.get_logger(__name__)

_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")
_ASKED = tuple(f"refs/tags/{prefix}" for prefix in (PROMOTE, APPROVE))
_MOST_NAMED = 5


class Hints:
    """Thread-safe. `look` adds a task of the controller's; `tell` makes the replica that leads look at overlays, should
    this one not be it.
    """

    def __init__(
        self, repo: Trees, trunk: str, desired: DesiredState, look: Callable[[str], None], tell: Callable[..., None]
    ) -> None:
        self._repo = repo
        self._trunk = f"refs/heads/{trunk}"
        self._desired = desired
        self._look = look
        self._tell = tell
        self._named: tuple[str, Mapping[bytes, list[str]]] = ("", {})
        self._warned: deque[ImageDeleted] = deque(maxlen=100)

    def config_pushed(self, event: ConfigPushed) -> str:
        """A push to the config repo. The sentence says what comes of it."""
        if event.ref is None:
            self._look_at_head()
            return "looking at everything: the payload does not say which refs moved"
        if event.ref.startswith(_ASKED):
            self._look("tags")
            self._tell(*self._overlays_of(event.ref.split("/")[3]))
            return "looking at what was asked for"
        if event.ref != self._trunk:
            return f"{event.ref} is not the trunk; nothing depends on it"
        if event.after is not None and event.after == self._desired.head():
            return f"already at {event.after[:12]}"
        self._look_at_head()
        return "looking at the trunk's new head"

    def registry_news(self, event: ImageScanned | ImageDeleted) -> str:
        """A scan or a deletion. Raises: Rejected or Unavailable when the clone cannot be read now."""
        short = event.digest.removeprefix("sha256:")[:12]
        if isinstance(event, ImageScanned):
            self._look("promote")
            self._tell_of_head()
            return f"looking at what waits for the scan of {event.image} ({short})"
        named = self._naming(event.digest)
        if not named:
            return f"no overlay of the trunk names {event.image} ({short})"
        where = ", ".join(named[:_MOST_NAMED]) + (" and others" if len(named) > _MOST_NAMED else "")
        if event not in self._warned:
            self._warned.append(event)
            _log.warning("an image in use was deleted", image=event.image, digest=event.digest, deployed_in=where)
        return (
            f"{where}: names {event.image} ({short}), which the registry no longer has: "
            "push it again or deploy another one before a pod has to pull it"
        )

    def _look_at_head(self) -> None:
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

    def _naming(self, digest: str) -> list[str]:
        """The overlays whose kustomization names the digest, at the head that was taken in last."""
        head = self._desired.head()
        known_head, named = self._named
        if head and known_head != head:
            named = self._digests(head)
            self._named = (head, named)
        return named.get(digest.encode("ascii"), [])

    def _digests(self, head: str) -> dict[bytes, list[str]]:
        tree, found = self._repo.tree(head), dict[bytes, list[str]]()
        for name, overlay in self._desired.overlays().items():
            file = pipeline.kustomization(overlay.path, tree)
            for digest in set(_DIGEST.findall(self._text(tree, file))):
                found.setdefault(digest, []).append(name)
        return found

    def _text(self, tree: Tree, file: str | None) -> bytes:
        """Empty for what is not there or too large to be read: the passes say so."""
        try:
            return b"" if file is None else self._repo.read(tree[file].id)
        except Rejected:
            return b""
