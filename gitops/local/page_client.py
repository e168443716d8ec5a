"""What the controller says of itself and of the overlays: a reader of its page's JSON, and of its metrics."""

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
class PageOverlay:
    """`message` says why it is not ready; `objects` counts them by their health."""

    sync: str
    health: str
    message: str
    objects: Mapping[str, int]

    @property
    def is_settled(self) -> bool:
        return (self.sync, self.health) == ("Synced", "Healthy")


@dataclass(frozen=True, slots=True)
class PageImage:
    """One service in one environment."""

    digest: str
    tag: str
    sync: str
    health: str

    @property
    def is_settled(self) -> bool:
        return (self.sync, self.health) == ("Synced", "Healthy")


@dataclass(frozen=True, slots=True)
class PageReport:
    """`services` are keyed by (service, environment), `troubles` what keeps the controller from working. `seen` are the
    overlays that this process has looked at: the state of others is what an earlier one has left in the ledger.
    `failing` are those that it tried to look at in vain.
    """

    leads: bool
    seen: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    overlays: Mapping[str, PageOverlay] = field(default_factory=dict)
    services: Mapping[tuple[str, str], PageImage] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()


class PageClient:
    """The page of one controller process, the site's. To be closed."""

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

    def report(self) -> PageReport:
        """Raises: Unavailable(NoAnswer)."""
        metrics = self._asked(f"{self._metrics}/metrics").decode()  # first: what follows must not be older
        answer = json.loads(self._asked(f"{self._url}/api/v1/status"))
        return _report(answer, _PASSES.findall(metrics))

    def await_ready(self, seconds: float) -> bool:
        """False when it is not ready after so long, or its process has ended."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if processes.ended(self._controller, within=_ASK_EVERY) or time.monotonic() > deadline:
                return False
        return True

    def follow(self, seconds: float) -> Iterator[PageReport]:
        """A report now and at each change. Ends after so long, and when the controller's process ends; that the page
        cannot be had for a while is no change.
        """
        deadline = time.monotonic() + seconds
        last = None
        while time.monotonic() < deadline:
            with suppress(Unavailable):
                report = self.report()
                if report != last:
                    last = report
                    yield report
            if processes.ended(self._controller, within=_ASK_EVERY):
                return

    def _asked(self, url: str) -> bytes:
        try:
            response = self._pool.request("GET", url)
        except HTTPError as error:
            raise Unavailable("NoAnswer", f"no answer from {url}: does the controller run?") from error
        if response.status != 200:
            raise Unavailable("NoAnswer", f"{url} answered {response.status}; the controller's log says why")
        return response.data


def _report(answer: Any, passes: Iterable[tuple[str, str]]) -> PageReport:
    """`passes`: outcomes that were counted, each with its overlay."""
    tried = {outcome: frozenset(overlay for ended, overlay in passes if ended == outcome) for outcome in _OUTCOMES}
    controller, status = answer["controller"], answer["status"]
    cells = [cell for row in status["rows"] for cell in row["cells"] if cell]
    return PageReport(
        leads=controller["leader"],
        seen=tried["ok"],
        failing=tried["failed"] - tried["ok"],
        overlays={card["overlay"]: _overlay(card) for card in status["cards"]},
        services={(cell["service"], cell["environment"]): _running(cell) for cell in cells},
        troubles=tuple(f"{each['reason']}: {each['message']}" for each in controller["troubles"]),
    )


def _overlay(card: Any) -> PageOverlay:
    why = card["not_ready"]
    return PageOverlay(
        card["sync"], card["health"], f"{why['reason']}: {why['message']}" if why else "", card["counts"]
    )


def _running(cell: Any) -> PageImage:
    return PageImage(cell["image"]["digest"], cell["image"]["tag"], cell["sync"], cell["health"])
