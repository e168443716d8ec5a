"""The routes of the status page. All answer GET and HEAD only; none changes anything.

None waits for more than the ledger and the clone's past: what takes longer is worked out elsewhere, and the page says
so.
The security headers (CSP and its kind) are set by the server for every response.
"""

from collections.abc import Callable

from flask import Blueprint, Response, abort
from werkzeug.exceptions import NotFound

from gitops.core.errors import GitopsError
from gitops.core.images import reference as images
from gitops.status_page.responses import API, Answers, as_json, not_yet
from gitops.status_page.source import PageInputs, Statuses
from gitops.status_page.views import overlay as views
from gitops.status_page.views import overview, parity, promotions, service_images
from gitops.status_page.views.parity import PairsView, ParityView
from gitops.status_page.views.promotions import PromotionsView

_View = Callable[..., Response]
_WORKED_OUT_IN = 2


class _Pages:
    def __init__(self, views: PageInputs, answers: Answers) -> None:
        self._source = views.source
        self._answers = answers

    def front(self) -> Response:
        shown = self._overview(self._source.statuses())
        return self._answers.page("lockstep/overview.html", self._source.controller(), overview=shown)

    def overlay(self, environment: str, service: str = "") -> Response:
        shown = self._overlay(_name(environment, service))
        return self._answers.page("lockstep/overlay.html", self._source.controller(), overlay=shown)

    def api_status(self) -> Response:
        statuses = self._source.statuses()
        told = overview.controller(self._source.controller())
        return as_json({"controller": told, "status": self._overview(statuses)})

    def api_overlay(self, environment: str, service: str = "") -> Response:
        return as_json(self._overlay(_name(environment, service)))

    def api_history(self, environment: str, service: str = "") -> Response:
        return as_json({"history": self._overlay(_name(environment, service)).history})

    def _overview(self, statuses: Statuses) -> overview.Overview:
        return overview.overview(statuses, self._source.pipeline())

    def _overlay(self, name: str) -> views.OverlayView:
        found = self._source.statuses().get(name)
        return views.overlay(*found) if found else abort(404)


class _Releases:
    """Parity, promotions and images: what compares environments, and what moves between them."""

    def __init__(self, views: PageInputs, answers: Answers) -> None:
        self._source = views.source
        self._now = views.now
        self._answers = answers

    def pairs(self) -> Response:
        return self._answers.page("lockstep/pairs.html", self._source.controller(), pairs=self._pairs())

    def api_pairs(self) -> Response:
        return as_json(self._pairs())

    def parity(self, a: str, b: str) -> Response:
        names, shown = tuple(self._after()), self._parity(a, b)
        return self._answers.page("lockstep/parity.html", self._source.controller(), parity=shown, names=names)

    def api_parity(self, a: str, b: str) -> Response:
        shown = self._parity(a, b)
        response = as_json(shown)
        return response if shown.state == "current" else not_yet(response, _WORKED_OUT_IN)

    def promotions(self) -> Response:
        return self._answers.page("lockstep/promotions.html", self._source.controller(), promotions=self._promotions())

    def api_promotions(self) -> Response:
        return as_json(self._promotions())

    def images(self, service: str) -> Response:
        return self._answers.page("lockstep/images.html", self._source.controller(), shown=self._service(service))

    def api_images(self, name: str) -> Response:
        """By digest: where it is. By service: where its images came from and went."""
        if images.is_digest(name):
            return as_json({"digest": name, "runs": overview.whereabouts(self._source.statuses(), name)})
        return as_json(self._service(name))

    def api_digest(self, service: str, digest: str) -> Response:
        statuses, pipeline = self._source.statuses(), self._source.pipeline()
        if not (images.is_digest(digest) and service_images.is_service(service, statuses, pipeline)):
            abort(404)
        return as_json(service_images.digest(service, digest, self._source))

    def _after(self) -> dict[str, str]:
        """Environment -> the one before it, in the pipeline's order."""
        pipeline = self._source.pipeline()
        return {name: pipeline.environments[name].after or "" for name in pipeline.order} if pipeline else {}

    def _pairs(self) -> PairsView:
        return parity.pairs(self._after(), self._source.parity, self._source.known_parity)

    def _parity(self, a: str, b: str) -> ParityView:
        """Only environments of the pipeline are compared: no other name reaches a worker, and their number is small."""
        known = self._after()
        if a not in known or b not in known or a == b:
            abort(404)
        return parity.parity(a, b, self._source.parity(a, b))

    def _promotions(self) -> PromotionsView:
        statuses, pipeline = self._source.statuses(), self._source.pipeline()
        return promotions.promotions(statuses, pipeline, self._source.past(), self._now())

    def _service(self, name: str) -> service_images.ServiceView:
        statuses, pipeline = self._source.statuses(), self._source.pipeline()
        if not service_images.is_service(name, statuses, pipeline):
            abort(404)
        return service_images.service(name, self._source)


def blueprint(views: PageInputs) -> Blueprint:
    """The page and its JSON twins; to be registered without a prefix."""
    made, answers = Blueprint("status_page", __name__, template_folder="templates"), Answers(views.now)
    pages, releases = _Pages(views, answers), _Releases(views, answers)
    overlays = ("<environment>", "<environment>/<service>")
    routes: list[tuple[str, str, _View]] = [
        ("/", "overview", pages.front),
        ("/parity", "pairs", releases.pairs),
        ("/parity/<a>/<b>", "parity", releases.parity),
        ("/promotions", "promotions", releases.promotions),
        ("/images/<service>", "images", releases.images),
        ("/assets/<name>", "asset", answers.asset),
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
    made.register_error_handler(NotFound, answers.absent)
    made.register_error_handler(GitopsError, answers.failed)
    return made


def _name(environment: str, service: str) -> str:
    return f"{environment}/{service}" if service else environment
