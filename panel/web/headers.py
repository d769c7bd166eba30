"""What every answer tells the browser to refuse, and which files a page loads."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request, url_for

from panel import assets

HTMX_CONFIG = (
    '{"allowEval":false,"includeIndicatorStyles":false,"historyCacheSize":0,"selfRequestsOnly":true,"responseHandling":'
    '[{"code":"204","swap":false},{"code":"[23]..","swap":true},{"code":"422","swap":true},{"code":"[45]..","swap":false,"error":true}]}'
)

#: Shown in a frame of one of our pages: an admin's own HTML, which may have inline styles and nothing else: no script, no form, no
#: request to anybody, and no origin.
FRAMED = ("templates.show_html",)
FRAMED_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


def register(app: Flask) -> None:
    """Bind headers and the names the base template uses to an app."""
    app.after_request(protect)
    app.context_processor(scripts)


def policy() -> str:
    """The Content-Security-Policy: nothing from elsewhere, nothing inline; the CDN alone where no local copy of htmx is installed."""
    cdn = "" if assets.local_htmx() else f" https://{urlsplit(assets.HTMX_CDN_URL).netloc}"
    return (
        f"default-src 'self'; script-src 'self'{cdn}; style-src 'self'; img-src 'self' data:; object-src 'none'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )


def protect(response: Response) -> Response:
    """Security headers on everything; pages are never kept by a cache, and depend on whether HTMX asked."""
    framed = request.endpoint in FRAMED
    response.headers["Content-Security-Policy"] = FRAMED_POLICY if framed else policy()
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Frame-Options"] = "SAMEORIGIN" if framed else "DENY"
    if request.endpoint not in ("static", "bootstrap.static"):
        response.headers["Cache-Control"] = "no-store"
        response.vary.add("HX-Request")
    return response


def scripts() -> dict[str, object]:
    """Where htmx comes from, and how it is set up."""
    local = assets.local_htmx() is not None
    return {
        "htmx_url": url_for("static", filename=assets.HTMX_STATIC, v=assets.HTMX_VERSION) if local else assets.HTMX_CDN_URL,
        "htmx_integrity": assets.HTMX_INTEGRITY,
        "htmx_is_local": local,
        "htmx_config": HTMX_CONFIG,
    }
