"""ports.Ledger and ports.ProofLedger: status, history and proofs of each overlay, in a ConfigMap beside its parent.

Only the leader writes, so it reads from memory. Followers and the CLI read from the API server.
"""

import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from gitops.adapters.kubernetes import state_namespace
from gitops.adapters.kubernetes.api import ApiRequest, KubernetesApi
from gitops.adapters.kubernetes.state_namespace import CONFIG_MAPS, MANAGED_BY, NAMESPACE
from gitops.core.errors import Conflict, Rejected
from gitops.core.ownership.applyset import REPO_ANNOTATION
from gitops.core.promotion.proof import PROOFS_JSON, Proofs
from gitops.core.sync.status import HISTORY_JSON, STATUS_JSON, Account, Record, SyncStatus
from gitops.ports import Clock, Leadership

LEDGER_LABEL = "lockstep.gitops/ledger"
_PREFIX = "lockstep-ledger."
_MOST_RECORDS = 100
_MOST_HISTORY_BYTES = 256 * 1024
_FRESH_SECONDS = 2.0
_TRIES = 3

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A ledger as stored under this resourceVersion. `status` is None if the stored one is not readable."""

    resource_version: str
    status: SyncStatus | None
    history: tuple[Record, ...]
    proofs: Proofs | None = None


class KubernetesLedger:
    """Implements ports.Ledger and ports.ProofLedger. Thread-safe. `repo` is the name in the annotation, as in
    KubernetesApplySets.

    While this replica leads, its own copy is valid, and read_all sends one request only.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        repo: str,
        leadership: Leadership,
        clock: Clock,
    ) -> None:
        self._api = api
        self._repo = repo
        self._leadership = leadership
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._listed_at: float | None = None
        self._listed_as_writer = False

    def read(self, overlay: str) -> Account | None:
        with self._lock:
            entry = self._entries.get(overlay) if self._is_current() else None
        entry = entry or self._fetch(overlay)
        return (entry.status, entry.history) if entry and entry.status else None

    def read_all(self) -> Mapping[str, Account]:
        with self._lock:
            current = self._is_current()
        if not current:
            self._list()
        with self._lock:
            entries = sorted(self._entries.items())
        return {overlay: (entry.status, entry.history) for overlay, entry in entries if entry.status}

    def write(self, status: SyncStatus, record: Record | None) -> None:
        """Raises: Conflict if another writer was faster three times; Rejected(ForeignLedger) for the ledger of another
        config repo.
        """

        def add(entry: _Entry | None) -> _Entry:
            before = entry or _Entry("", None, ())
            history = _limit(((record,) if record else ()) + before.history)
            return replace(before, status=status, history=history)

        self._change(status.overlay, add)

    def read_proofs(self, overlay: str) -> Proofs | None:
        with self._lock:
            entry = self._entries.get(overlay) if self._is_current() else None
        entry = entry or self._fetch(overlay)
        return entry.proofs if entry else None

    def write_proofs(self, overlay: str, proofs: Proofs) -> None:
        """Raises as write does."""
        self._change(overlay, lambda entry: replace(entry, proofs=proofs) if entry and entry.status else None)

    def remove(self, overlay: str) -> None:
        path = f"{CONFIG_MAPS}/{ledger_name(overlay)}"
        try:
            self._api.request(ApiRequest("DELETE", path, path))
        except Rejected as error:
            if error.reason != "NotFound":
                raise
        with self._lock:
            self._entries.pop(overlay, None)

    def forget(self) -> None:
        """Drops the list, because another replica may write from now on. The next read asks the API server."""
        with self._lock:
            self._listed_at = None

    def _is_current(self) -> bool:
        if self._listed_at is None:
            return False
        if self._leadership.is_leader():
            return self._listed_as_writer
        return self._clock.monotonic() - self._listed_at < _FRESH_SECONDS

    def _list(self) -> None:
        as_writer, at = self._leadership.is_leader(), self._clock.monotonic()
        query = (("labelSelector", LEDGER_LABEL),)
        listed: dict[str, _Entry] = {}
        position = ""
        for page in self._api.items(ApiRequest("GET", CONFIG_MAPS, f"ledgers in {NAMESPACE}", query)):
            listed.update({_overlay_of(item): _entry(item) for item in page["items"] if self._is_ours(item)})
            position = page["metadata"]["resourceVersion"]
        with self._lock:  # entries that this process wrote during the list are newer
            newer = {name: entry for name, entry in self._entries.items() if _is_after(entry, position)}
            self._entries = {**listed, **newer}
            self._listed_at, self._listed_as_writer = at, as_writer

    def _fetch(self, overlay: str) -> _Entry | None:
        body = state_namespace.read(self._api, f"{CONFIG_MAPS}/{ledger_name(overlay)}")
        if body is None:
            return None
        if not self._is_ours(body):
            raise Rejected(
                "ForeignLedger",
                f"ConfigMap {NAMESPACE}/{ledger_name(overlay)} belongs to another config repo, not to {self._repo}; "
                "rename the environment in one of them",
            )
        return _entry(body)

    def _change(self, overlay: str, change: Callable[[_Entry | None], _Entry | None]) -> None:
        """Stores the result of `change` by compare-and-swap. `change` gets the stored entry; if it returns None,
        nothing is written.
        """
        with self._lock:
            entry = self._entries.get(overlay)
        for attempt in range(_TRIES):
            after = change(entry)
            if after is None:
                return
            try:
                self._store(overlay, after)
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
                entry = self._fetch(overlay)
            else:
                return

    def _store(self, overlay: str, entry: _Entry) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": ledger_name(overlay),
                "namespace": NAMESPACE,
                "labels": {**MANAGED_BY, LEDGER_LABEL: "true"},
                "annotations": {REPO_ANNOTATION: self._repo},
                **({"resourceVersion": entry.resource_version} if entry.resource_version else {}),
            },
            "data": _data(entry),
        }
        stored = state_namespace.store(self._api, CONFIG_MAPS, body)
        with self._lock:
            self._entries[overlay] = replace(entry, resource_version=stored["metadata"]["resourceVersion"])

    def _is_ours(self, body: Mapping[str, Any]) -> bool:
        return bool((body["metadata"].get("annotations") or {}).get(REPO_ANNOTATION) == self._repo)


def ledger_name(overlay: str) -> str:
    """`prod/print-api` -> `lockstep-ledger.prod.print-api`."""
    return _PREFIX + overlay.replace("/", ".")


def _data(entry: _Entry) -> dict[str, str]:
    proofs = {"proofs": PROOFS_JSON.dump_json(entry.proofs).decode()} if entry.proofs else {}
    texts = {
        "status": STATUS_JSON.dump_json(entry.status).decode() if entry.status else "",
        "history": HISTORY_JSON.dump_json(entry.history).decode(),
        **proofs,
    }
    return {key: state_namespace.pack(text) for key, text in texts.items()}


def _limit(history: tuple[Record, ...]) -> tuple[Record, ...]:
    """The newest records up to 100 and 256 KiB of JSON, at least one."""
    total, kept = 0, 0
    for record in history[:_MOST_RECORDS]:
        total += len(HISTORY_JSON.dump_json((record,)))
        if total > _MOST_HISTORY_BYTES and kept:
            break
        kept += 1
    return history[:kept]


def _overlay_of(body: Mapping[str, Any]) -> str:
    return str(body["metadata"]["name"]).removeprefix(_PREFIX).replace(".", "/")


def _is_after(entry: _Entry, position: str) -> bool:
    return int(entry.resource_version) > int(position)


def _entry(body: Mapping[str, Any]) -> _Entry:
    """Parses a ledger. An unreadable one (of an older release, or edited) counts as empty: the next pass writes it."""
    metadata, data = body["metadata"], body.get("data") or {}
    try:
        status = STATUS_JSON.validate_json(state_namespace.unpack(data.get("status") or ""))
        history = HISTORY_JSON.validate_json(state_namespace.unpack(data.get("history") or "[]"))
    except (ValueError, zlib.error):
        _log.warning("ledger is not readable and starts anew", config_map=metadata["name"])
        return _Entry(metadata["resourceVersion"], None, ())
    return _Entry(metadata["resourceVersion"], status, history, _proofs(data.get("proofs") or "", metadata["name"]))


def _proofs(text: str, name: str) -> Proofs | None:
    """Parses proofs. Unreadable proofs count as none."""
    try:
        return PROOFS_JSON.validate_json(state_namespace.unpack(text)) if text else None
    except (ValueError, zlib.error):
        _log.warning("proofs are not readable and start anew", config_map=name)
        return None
