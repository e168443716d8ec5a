"""The routes of the status page and its JSON API. All answer GET and HEAD only and change nothing.

A route waits for the ledger and the local clone at most. A comparison that takes longer is made by the parity queue,
and the page shows that it is pending. The server sets the security headers (CSP and others) on every response.
"""

from collections.abc import Callable

from flask import Blueprint, Response, abort
from werkzeug.exceptions import NotFound

from gitops.core.errors import GitopsError
from gitops.core.images import reference as images
from gitops.status_page.responses import API, PageResponses, as_json, mark_pending
from gitops.status_page.source import PageInputs, Statuses
from gitops.status_page.views import overview, parity, promotions, service_images
from gitops.status_page.views.overlay import OverlayView, show_overlay
from gitops.status_page.views.overview import Overview
from gitops.status_page.views.parity import PairsView, ParityView
from gitops.status_page.views.promotions import PromotionsView

_View = Callable[..., Response]
_PENDING_SECONDS = 2


class _StatusRoutes:
    """The overview and the overlays."""

    def __init__(self, inputs: PageInputs, responses: PageResponses) -> None:
        self._source = inputs.source
        self._responses = responses

    def overview(self) -> Response:
        shown = self._show_overview(self._source.statuses())
        return self._responses.page("lockstep/overview.html", self._source.controller(), overview=shown)

    def overlay(self, environment: str, service: str = "") -> Response:
        shown = self._show_overlay(_overlay_name(environment, service))
        return self._responses.page("lockstep/overlay.html", self._source.controller(), overlay=shown)

    def api_status(self) -> Response:
        statuses = self._source.statuses()
        controller = overview.show_controller(self._source.controller())
        return as_json({"controller": controller, "status": self._show_overview(statuses)})

    def api_overlay(self, environment: str, service: str = "") -> Response:
        return as_json(self._show_overlay(_overlay_name(environment, service)))

    def api_history(self, environment: str, service: str = "") -> Response:
        return as_json({"history": self._show_overlay(_overlay_name(environment, service)).history})

    def _show_overview(self, statuses: Statuses) -> Overview:
        return overview.show_overview(statuses, self._source.pipeline())

    def _show_overlay(self, name: str) -> OverlayView:
        found = self._source.statuses().get(name)
        return show_overlay(*found) if found else abort(404)


class _ReleaseRoutes:
    """Parity, promotions and images."""

    def __init__(self, inputs: PageInputs, responses: PageResponses) -> None:
        self._source = inputs.source
        self._clock = inputs.clock
        self._responses = responses

    def pairs(self) -> Response:
        return self._responses.page("lockstep/pairs.html", self._source.controller(), pairs=self._show_pairs())

    def api_pairs(self) -> Response:
        return as_json(self._show_pairs())

    def parity(self, a: str, b: str) -> Response:
        names, shown = tuple(self._after()), self._show_pair(a, b)
        return self._responses.page("lockstep/parity.html", self._source.controller(), parity=shown, names=names)

    def api_parity(self, a: str, b: str) -> Response:
        shown = self._show_pair(a, b)
        response = as_json(shown)
        return response if shown.state == "current" else mark_pending(response, _PENDING_SECONDS)

    def promotions(self) -> Response:
        return self._responses.page(
            "lockstep/promotions.html", self._source.controller(), promotions=self._show_promotions()
        )

    def api_promotions(self) -> Response:
        return as_json(self._show_promotions())

    def images(self, service: str) -> Response:
        return self._responses.page(
            "lockstep/images.html", self._source.controller(), shown=self._show_service(service)
        )

    def api_images(self, name: str) -> Response:
        """`name` is a digest (where it is deployed) or a service (its images)."""
        if images.is_digest(name):
            return as_json({"digest": name, "runs": overview.find_digest(self._source.statuses(), name)})
        return as_json(self._show_service(name))

    def api_digest(self, service: str, digest: str) -> Response:
        statuses, pipeline = self._source.statuses(), self._source.pipeline()
        if not (images.is_digest(digest) and service_images.is_service(service, statuses, pipeline)):
            abort(404)
        return as_json(service_images.show_digest(service, digest, self._source))

    def _after(self) -> dict[str, str]:
        """Environment -> the one before it, in the pipeline's order."""
        pipeline = self._source.pipeline()
        return {name: pipeline.environments[name].after or "" for name in pipeline.order} if pipeline else {}

    def _show_pairs(self) -> PairsView:
        return parity.show_pairs(self._after(), self._source)

    def _show_pair(self, a: str, b: str) -> ParityView:
        """Only environments of pipeline.yaml are compared, so no other name reaches the parity queue."""
        known = self._after()
        if a not in known or b not in known or a == b:
            abort(404)
        return parity.show_pair(a, b, self._source.parity(a, b))

    def _show_promotions(self) -> PromotionsView:
        statuses, pipeline = self._source.statuses(), self._source.pipeline()
        return promotions.show_promotions(statuses, pipeline, self._source.past(), self._clock.now())

    def _show_service(self, name: str) -> service_images.ServiceView:
        statuses, pipeline = self._source.statuses(), self._source.pipeline()
        if not service_images.is_service(name, statuses, pipeline):
            abort(404)
        return service_images.show_service(name, self._source)


def blueprint(inputs: PageInputs) -> Blueprint:
    """The page and its JSON API, to be registered without a prefix."""
    made, responses = Blueprint("status_page", __name__, template_folder="templates"), PageResponses(inputs.clock)
    pages, releases = _StatusRoutes(inputs, responses), _ReleaseRoutes(inputs, responses)
    overlays = ("<environment>", "<environment>/<service>")
    routes: list[tuple[str, str, _View]] = [
        ("/", "overview", pages.overview),
        ("/parity", "pairs", releases.pairs),
        ("/parity/<a>/<b>", "parity", releases.parity),
        ("/promotions", "promotions", releases.promotions),
        ("/images/<service>", "images", releases.images),
        ("/assets/<name>", "asset", responses.asset),
        (f"{API}status", "api_status", pages.api_status),
        (f"{API}parity", "api_pairs", releases.api_pairs),
        (f"{API}parity/<a>/<b>", "api_parity", releases.api_parity),
        (f"{API}promotions", "api_promotions", releases.api_promotions),
        (f"{API}images/<name>", "api_images", releases.api_images),
        (f"{API}images/<service>/<digest>", "api_digest", releases.api_digest),
        *((f"/overlays/{name}", "overlay", pages.overlay) for name in overlays),
        *((f"{API}overlays/{name}", "api_overlay", pages.api_overlay) for name in overlays),
        *((f"{API}overlays/{name}/history", "api_history", pages.api_history) for name in overlays),
    ]
    for rule, endpoint, view in routes:
        made.add_url_rule(rule, endpoint, view, methods=["GET"], provide_automatic_options=False)
    made.register_error_handler(NotFound, responses.not_found)
    made.register_error_handler(GitopsError, responses.failed)
    return made


def _overlay_name(environment: str, service: str) -> str:
    return f"{environment}/{service}" if service else environment
