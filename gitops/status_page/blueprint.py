"""The routes of the status page. All answer GET and HEAD only; none changes anything.

Pages carry a weak ETag made of the data shown, not of the text, so that "3 min ago" becoming "4 min ago" is no change:
the script asks with If-None-Match and gets 304 while nothing happened. Browsers store nothing (no-store).
The security headers (CSP and its kind) are set by the server for every response.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Any

from flask import Blueprint, Response, abort, render_template, request
from werkzeug.exceptions import NotFound

from gitops.core import images
from gitops.core.errors import GitopsError, Unavailable
from gitops.status_page import json_twin, overview, plain, views
from gitops.status_page.frame import Frame, frame
from gitops.status_page.source import Statuses, Views
from gitops.status_page.texts import Language

_ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_API = "/api/v1/"
_RETRY_AFTER = 5
_View = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class _Absent:
    """What is shown instead of a page that cannot be: `title` and `hint` name texts."""

    title: str
    hint: str
    message: str = ""


class _Pages:
    def __init__(self, views: Views) -> None:
        self._source = views.source
        self._now = views.now
        self._assets = {name: resources.files(__package__).joinpath("static", name).read_bytes() for name in _ASSETS}
        self._build = sha256(b"".join(self._assets.values())).hexdigest()[:12]

    def front(self) -> Response:
        return self._page("lockstep/overview.html", overview=self._overview(self._source.statuses()))

    def overlay(self, environment: str, service: str = "") -> Response:
        return self._page("lockstep/overlay.html", overlay=self._overlay(_name(environment, service)))

    def api_status(self) -> Response:
        statuses = self._source.statuses()
        told = overview.controller(self._source.controller())
        return _json({"controller": told, "status": self._overview(statuses)})

    def api_overlay(self, environment: str, service: str = "") -> Response:
        return _json(self._overlay(_name(environment, service)))

    def api_history(self, environment: str, service: str = "") -> Response:
        return _json({"history": self._overlay(_name(environment, service)).history})

    def api_image(self, digest: str) -> Response:
        if not images.is_digest(digest):
            abort(404)
        return _json({"digest": digest, "runs": overview.whereabouts(self._source.statuses(), digest)})

    def asset(self, name: str) -> Response:
        if name not in _ASSETS:
            abort(404)
        response = Response(self._assets[name], content_type=f"{_ASSETS[name]}; charset=utf-8")
        response.cache_control.no_cache = True
        response.set_etag(sha256(self._assets[name]).hexdigest()[:32])
        response.make_conditional(request)
        return response

    def absent(self, _: NotFound) -> Response:
        return self._instead(_Absent("absent", "absent.hint"), "NotFound", 404)

    def failed(self, error: GitopsError) -> Response:
        message = plain.clean(error.message, plain.LONG)
        response = self._instead(_Absent("unavailable", "unavailable.hint", message), error.reason, 503)
        wait = error.retry_after if isinstance(error, Unavailable) else None
        response.headers["Retry-After"] = str(max(1, round(wait or _RETRY_AFTER)))
        return response

    def _overview(self, statuses: Statuses) -> overview.Overview:
        return overview.overview(statuses, self._source.pipeline())

    def _overlay(self, name: str) -> views.OverlayView:
        found = self._source.statuses().get(name)
        return views.overlay(*found) if found else abort(404)

    def _page(self, template: str, **shown: Any) -> Response:
        found = self._source.controller()
        told, made = overview.controller(found), self._frame(found.commit_url)
        etag = _etag(self._build, request.full_path, made.language, told, shown)
        response = _guarded(Response(content_type="text/html; charset=utf-8"))
        response.set_etag(etag, weak=True)
        if request.if_none_match.contains_weak(etag):
            response.status_code = 304
        else:
            response.set_data(render_template(template, f=made, controller=told, etag=f'W/"{etag}"', **shown))
        return response

    def _instead(self, absent: _Absent, reason: str, status: int) -> Response:
        if request.path.startswith(_API):
            response = _json({"reason": reason, "message": absent.message or Language("en").text(absent.title)})
        else:
            shown = render_template("lockstep/absent.html", f=self._frame(), absent=absent, etag="", controller=None)
            response = _guarded(Response(shown, content_type="text/html; charset=utf-8"))
        response.status_code = status
        return response

    def _frame(self, commit_url: str = "") -> Frame:
        return frame(request, now=self._now(), build=self._build, commit_url=commit_url)


def blueprint(views: Views) -> Blueprint:
    """The page and its JSON twins; to be registered without a prefix."""
    made, pages = Blueprint("status_page", __name__, template_folder="templates"), _Pages(views)
    overlays = ("<environment>", "<environment>/<service>")
    routes: list[tuple[str, str, _View]] = [
        ("/", "overview", pages.front),
        ("/assets/<name>", "asset", pages.asset),
        (f"{_API}status", "api_status", pages.api_status),
        (f"{_API}images/<digest>", "api_image", pages.api_image),
        *((f"/overlays/{name}", "overlay", pages.overlay) for name in overlays),
        *((f"{_API}overlays/{name}", "api_overlay", pages.api_overlay) for name in overlays),
        *((f"{_API}overlays/{name}/history", "api_history", pages.api_history) for name in overlays),
    ]
    for rule, endpoint, view in routes:
        made.add_url_rule(rule, endpoint, view, methods=["GET"], provide_automatic_options=False)
    made.register_error_handler(NotFound, pages.absent)
    made.register_error_handler(GitopsError, pages.failed)
    return made


def _name(environment: str, service: str) -> str:
    return f"{environment}/{service}" if service else environment


def _etag(*parts: object) -> str:
    return sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _json(value: object) -> Response:
    response = _guarded(Response(json_twin.text(value), content_type="application/json"))
    response.add_etag()
    response.make_conditional(request)
    return response


def _guarded(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept-Language"
    return response
