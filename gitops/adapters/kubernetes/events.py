"""ports.EventRecorder: Kubernetes Events on an overlay's parent, where `kubectl get events` and consoles show them.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import socket
from collections.abc import Callable
from typing import Any

import structlog

from gitops.adapters.kubernetes.api import ApiRequest, KubernetesApi
from gitops.adapters.kubernetes.state_namespace import MANAGED_BY, NAMESPACE
from gitops.core.errors import GitopsError
from gitops.core.health import Health
from gitops.core.ownership.applyset import parent_name
from gitops.core.sync import missing_images
from gitops.core.sync.status import Record, Sync

_EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
_LONGEST_NOTE = 1024
_log = structlog.get_logger(__name__)


class KubernetesEvents:
    """Implements ports.EventRecorder. `name()` returns a unique suffix for the name of an event."""

    def __init__(self, api: KubernetesApi, *, name: Callable[[], str]) -> None:
        self._api = api
        self._name = name

    def announce(self, overlay: str, record: Record) -> None:
        body = _event(overlay, record, f"{parent_name(overlay)}.{self._name()}")
        try:
            self._api.request(ApiRequest("POST", _EVENTS, f"event on {overlay}", body=body))
        except GitopsError as error:
            _log.info("event not stored", overlay=overlay, reason=error.reason)


def _event(overlay: str, record: Record, name: str) -> dict[str, Any]:
    is_well = record.sync is Sync.SYNCED and record.health in {Health.HEALTHY, Health.PROGRESSING, Health.SUSPENDED}
    is_normal = is_well and record.reason not in missing_images.REASONS
    message = record.message or f"{record.sync}, {record.health}"
    revision = f" at {record.revision}" if record.revision else ""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": MANAGED_BY},
        "eventTime": record.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Normal" if is_normal else "Warning",
        "reason": record.reason or "Reconciled",
        "action": "Reconcile",
        "note": f"{overlay}{revision}: {message}"[:_LONGEST_NOTE],
        "regarding": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": NAMESPACE, "name": parent_name(overlay)},
        "reportingController": "lockstep.gitops/controller",
        "reportingInstance": socket.gethostname()[:128],
    }
