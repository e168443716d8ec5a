"""Reads the status API and the metrics of the local controller."""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from gitops.core.errors import Unavailable
from gitops.local.site import LocalSite
from gitops.local.supervision import processes
from gitops.local.supervision.processes import ProcessIdentity

_ASK_EVERY = 0.1
_OUTCOMES = ("ok", "failed")
_PASSES = re.compile(r'^lockstep_reconcile_seconds_count\{outcome="(\w+)",overlay="([^"]+)"\}', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OverlayReport:
    """One overlay. `message` explains why it is not ready. `objects` counts its objects by health."""

    sync: str
    health: str
    message: str
    objects: Mapping[str, int]

    @property
    def is_settled(self) -> bool:
        return (self.sync, self.health) == ("Synced", "Healthy")


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service in one environment, with the image that runs there."""

    digest: str
    tag: str
    sync: str
    health: str

    @property
    def is_settled(self) -> bool:
        return (self.sync, self.health) == ("Synced", "Healthy")


@dataclass(frozen=True, slots=True)
class ControllerReport:
    """`services` are keyed by (service, environment). `troubles` are failures that keep the controller from its work.

    `seen` are the overlays that this process has reconciled; the status of the others is that of an earlier process,
    from the ledger. `failing` are the overlays whose passes have all failed.
    """

    leads: bool
    seen: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    overlays: Mapping[str, OverlayReport] = field(default_factory=dict)
    services: Mapping[tuple[str, str], ServiceReport] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()


class PageClient:
    """A client for the site's controller process. Close it after use."""

    def __init__(self, site: LocalSite, controller: ProcessIdentity) -> None:
        self._url = site.url("page")
        self._metrics = site.url("metrics")
        self._controller = controller
        self._pool = PoolManager(timeout=10.0, retries=False)

    def close(self) -> None:
        self._pool.clear()

    def is_ready(self) -> bool:
        try:
            return self._pool.request("GET", f"{self._url}/readyz").status == 200
        except HTTPError:
            return False

    def report(self) -> ControllerReport:
        """Raises: Unavailable(NoAnswer)."""
        metrics = self._fetch(f"{self._metrics}/metrics").decode()  # first: the status must not be older
        answer = json.loads(self._fetch(f"{self._url}/api/v1/status"))
        return _parse_report(answer, _PASSES.findall(metrics))

    def await_ready(self, seconds: float) -> bool:
        """False if the controller is not ready after `seconds`, or its process has ended."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if processes.wait_ended(self._controller, within=_ASK_EVERY) or time.monotonic() > deadline:
                return False
        return True

    def follow(self, seconds: float) -> Iterator[ControllerReport]:
        """Yields a report now and at each change, for `seconds` or until the controller's process ends. Errors of the
        page are skipped.
        """
        deadline = time.monotonic() + seconds
        last = None
        while time.monotonic() < deadline:
            with suppress(Unavailable):
                report = self.report()
                if report != last:
                    last = report
                    yield report
            if processes.wait_ended(self._controller, within=_ASK_EVERY):
                return

    def _fetch(self, url: str) -> bytes:
        try:
            response = self._pool.request("GET", url)
        except HTTPError as error:
            raise Unavailable("NoAnswer", f"no answer from {url}: is the controller running?") from error
        if response.status != 200:
            raise Unavailable("NoAnswer", f"{url} answered {response.status}; the controller's log says why")
        return response.data


def _parse_report(answer: Any, passes: Iterable[tuple[str, str]]) -> ControllerReport:
    """`passes` are (outcome, overlay) from the metrics."""
    tried = {outcome: frozenset(overlay for ended, overlay in passes if ended == outcome) for outcome in _OUTCOMES}
    controller, status = answer["controller"], answer["status"]
    cells = [cell for row in status["rows"] for cell in row["cells"] if cell]
    return ControllerReport(
        leads=controller["leader"],
        seen=tried["ok"],
        failing=tried["failed"] - tried["ok"],
        overlays={card["overlay"]: _parse_overlay(card) for card in status["cards"]},
        services={(cell["service"], cell["environment"]): _parse_service(cell) for cell in cells},
        troubles=tuple(f"{each['reason']}: {each['message']}" for each in controller["troubles"]),
    )


def _parse_overlay(card: Any) -> OverlayReport:
    why = card["not_ready"]
    return OverlayReport(
        card["sync"], card["health"], f"{why['reason']}: {why['message']}" if why else "", card["counts"]
    )


def _parse_service(cell: Any) -> ServiceReport:
    return ServiceReport(cell["image"]["digest"], cell["image"]["tag"], cell["sync"], cell["health"])
