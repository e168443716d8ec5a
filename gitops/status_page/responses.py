"""The responses of the routes: HTML with an ETag, JSON, assets and error pages.

A page has a weak ETag of the data shown, not of its text, so "3 min ago" becoming "4 min ago" is no change. page.js
polls with If-None-Match and gets 304 while the data is unchanged. Browsers store nothing (no-store).
"""

from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Any

from flask import Response, abort, render_template, request
from werkzeug.exceptions import NotFound

from gitops.core.errors import GitopsError, Unavailable
from gitops.ports import Clock
from gitops.status_page import json_format, safe_text
from gitops.status_page.page_context import PageContext, page_context
from gitops.status_page.source import ControllerState
from gitops.status_page.texts.language import Language
from gitops.status_page.views import overview

API = "/api/v1/"
_ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_RETRY_AFTER = 5


@dataclass(frozen=True, slots=True)
class _ErrorPage:
    """The page shown for an error. `title` and `hint` are names in TEXTS."""

    title: str
    hint: str
    message: str = ""


class PageResponses:
    """Makes the Flask responses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._assets = {name: resources.files(__package__).joinpath("static", name).read_bytes() for name in _ASSETS}
        self._build = sha256(b"".join(self._assets.values())).hexdigest()[:12]

    def page(self, template: str, own: ControllerState, **shown: Any) -> Response:
        controller, context = overview.show_controller(own), self._context(own.commit_url)
        etag = _hash(self._build, request.full_path, context.language, controller, shown)
        response = _forbid_storing(Response(content_type="text/html; charset=utf-8"))
        response.set_etag(etag, weak=True)
        if request.if_none_match.contains_weak(etag):
            response.status_code = 304
        else:
            response.set_data(render_template(template, f=context, controller=controller, etag=f'W/"{etag}"', **shown))
        return response

    def asset(self, name: str) -> Response:
        if name not in _ASSETS:
            abort(404)
        response = Response(self._assets[name], content_type=f"{_ASSETS[name]}; charset=utf-8")
        response.cache_control.no_cache = True
        response.set_etag(sha256(self._assets[name]).hexdigest()[:32])
        response.make_conditional(request)
        return response

    def not_found(self, _: NotFound) -> Response:
        return self._show_error(_ErrorPage("absent", "absent.hint"), "NotFound", 404)

    def failed(self, error: GitopsError) -> Response:
        message = safe_text.clean(error.message, safe_text.LONG)
        response = self._show_error(_ErrorPage("unavailable", "unavailable.hint", message), error.reason, 503)
        wait = error.retry_after if isinstance(error, Unavailable) else None
        response.headers["Retry-After"] = str(max(1, round(wait or _RETRY_AFTER)))
        return response

    def _show_error(self, error: _ErrorPage, reason: str, status: int) -> Response:
        if request.path.startswith(API):
            response = as_json({"reason": reason, "message": error.message or Language("en").text(error.title)})
        else:
            html = render_template("lockstep/error.html", f=self._context(), error=error, etag="", controller=None)
            response = _forbid_storing(Response(html, content_type="text/html; charset=utf-8"))
        response.status_code = status
        return response

    def _context(self, commit_url: str = "") -> PageContext:
        return page_context(request, now=self._clock.now(), build=self._build, commit_url=commit_url)


def as_json(value: object) -> Response:
    response = _forbid_storing(Response(json_format.to_json(value), content_type="application/json"))
    response.add_etag()
    response.make_conditional(request)
    return response


def mark_pending(response: Response, seconds: int) -> Response:
    """Marks an answer that is still being computed: 202 and Retry-After (RFC 9110, 15.3.3)."""
    if response.status_code == 200:
        response.status_code = 202
    response.headers["Retry-After"] = str(seconds)
    return response


def _hash(*parts: object) -> str:
    return sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _forbid_storing(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept-Language"
    return response
