"""Elects one leader among the replicas, by a Lease, with the rules of client-go's tools/leaderelection.

The election of the kubernetes package cannot be stopped, does not release the Lease, and uses the wall clock. No
election can stop a leader whose process slept past its deadline: the resourceVersions of the parents reject its writes.
"""

import math
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import structlog

from gitops.adapters.kubernetes import state_namespace
from gitops.adapters.kubernetes.api import KubernetesApi
from gitops.adapters.kubernetes.state_namespace import MANAGED_BY, NAMESPACE
from gitops.core.errors import GitopsError
from gitops.ports import Clock, LeadershipListener

_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
_JITTER = 1.2

_random = random.SystemRandom()
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """The times of the election in seconds, client-go's defaults; duration > deadline > retry. Other replicas may take
    a Lease that was not renewed for `duration`. A leader that could not renew for `deadline` steps down. Every replica
    tries every `retry`.
    """

    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0

    @classmethod
    def lasting(cls, seconds: float) -> Self:
        """The default proportions for another duration."""
        return cls(seconds, seconds * 2 / 3, seconds * 2 / 15)


@dataclass(frozen=True, slots=True)
class LeaseCandidate:
    """`identity` differs between any two processes."""

    identity: str
    terms: LeaseTerms = LeaseTerms()


class _ObservedLease:
    """The Lease as this replica saw it last. `at` is monotonic time: the clocks of other replicas may differ."""

    def __init__(self, candidate: LeaseCandidate) -> None:
        self._identity = candidate.identity
        self._duration = candidate.terms.duration
        self._spec: Mapping[str, Any] = {}
        self._changed_at = 0.0

    def observe(self, lease: Mapping[str, Any], at: float) -> None:
        spec = lease.get("spec") or {}
        if spec != self._spec:
            self._spec, self._changed_at = spec, at

    def may_take(self, at: float) -> bool:
        """True if no replica holds the Lease, if this one does, or if it has not changed for its duration."""
        if self._spec.get("holderIdentity") in (None, "", self._identity):
            return True
        duration = max(self._duration, float(self._spec.get("leaseDurationSeconds") or 0))
        return at - self._changed_at >= duration

    def held_spec(self, now: datetime) -> Mapping[str, Any]:
        """The spec with which this replica takes or renews the Lease."""
        time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        is_ours = self._spec.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(self._duration),
            "acquireTime": self._spec.get("acquireTime") if is_ours else time,
            "renewTime": time,
            "leaseTransitions": int(self._spec.get("leaseTransitions") or 0) + (not is_ours),
        }

    def released_spec(self) -> Mapping[str, Any]:
        """The spec of a released Lease, as client-go writes it: no holder, and a duration of 1 s."""
        return {**self._spec, "holderIdentity": "", "leaseDurationSeconds": 1}


class LeaderElection:
    """Implements ports.Leadership. Takes part in the election from start() to stop(). `name` is the Lease's."""

    def __init__(self, api: KubernetesApi, name: str, candidate: LeaseCandidate, *, clock: Clock) -> None:
        self._api = api
        self._name = name
        self._terms = candidate.terms
        self._clock = clock
        self._stopping = threading.Event()
        self._observed = _ObservedLease(candidate)
        self._held: Mapping[str, Any] | None = None  # the Lease as we stored it last
        self._renewed_at: float | None = None
        self._thread: threading.Thread | None = None

    def start(self, listener: LeadershipListener) -> None:
        """`listener` learns when this replica starts and stops to lead, from the thread of the election."""
        self._thread = threading.Thread(target=self._run, args=(listener,), name=f"lease {self._name}", daemon=True)
        self._thread.start()

    def is_leader(self) -> bool:
        """Never True later than `deadline` after the last renewal, even if a renewal hangs or the process slept."""
        renewed_at = self._renewed_at
        return renewed_at is not None and self._clock.monotonic() - renewed_at < self._terms.deadline

    def stop(self) -> None:
        """Steps down, and releases the Lease so that the next leader need not wait. Returns when that is done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * self._terms.deadline)

    def _run(self, listener: LeadershipListener) -> None:
        leading = False
        while not self._stopping.is_set():
            if leading and not self.is_leader():  # slept past the deadline: another replica may have led meanwhile
                leading = False
                self._announce(listener, leading=False)
            self._renew()
            if self.is_leader() != leading:
                leading = not leading
                self._announce(listener, leading=leading)
            self._stopping.wait(self._pause(leading=leading))
        if leading:
            self._renewed_at = None
            self._announce(listener, leading=False)
            self._release()

    def _pause(self, *, leading: bool) -> float:
        if not leading or self._renewed_at is None:
            return self._terms.retry * _random.uniform(1.0, _JITTER)
        remaining = self._renewed_at + self._terms.deadline - self._clock.monotonic()
        return min(self._terms.retry, max(0.0, remaining))  # step down on time, not one pause later

    def _announce(self, listener: LeadershipListener, *, leading: bool) -> None:
        _log.info("leadership begins" if leading else "leadership ends", lease=self._name)
        if leading:
            listener.started_leading()
        else:
            listener.stopped_leading()

    def _renew(self) -> None:
        """Renews or takes the Lease if it may. After failures is_leader() becomes False by the clock alone."""
        begun = self._clock.monotonic()  # not after the request: other replicas may see the renewal before its answer
        try:
            lease = (self._held if self.is_leader() else None) or self._read()
            self._observed.observe(lease, self._clock.monotonic())
            may_take = self._observed.may_take(self._clock.monotonic())
            self._held, self._renewed_at = (self._take(lease), begun) if may_take else (None, None)
        except GitopsError as error:
            self._held = None
            _log.info("lease not renewed", lease=self._name, reason=error.reason, error=error.message)

    def _read(self) -> Mapping[str, Any]:
        path = f"{_LEASES}/{self._name}"
        return state_namespace.read(self._api, path, urgent_seconds=self._request_seconds) or {}

    def _take(self, lease: Mapping[str, Any]) -> Mapping[str, Any]:
        stored = self._store(lease, self._observed.held_spec(self._clock.now()))
        self._observed.observe(stored, self._clock.monotonic())
        return stored

    def _release(self) -> None:
        if self._held is None:
            return
        try:
            self._store(self._held, self._observed.released_spec())
        except GitopsError as error:  # the next leader waits until the Lease expires
            _log.warning("lease not released", lease=self._name, reason=error.reason, error=error.message)

    def _store(self, lease: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
        version = {"resourceVersion": lease["metadata"]["resourceVersion"]} if lease else {}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": NAMESPACE, "labels": MANAGED_BY, **version},
            "spec": spec,
        }
        return state_namespace.store(self._api, _LEASES, body, urgent_seconds=self._request_seconds)

    @property
    def _request_seconds(self) -> float:
        return self._terms.deadline / 2
