"""The browser files that are installed, not copied into the repository: exact versions, where they come from, what they must hash to."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

HTMX_VERSION = "2.0.10"
HTMX_INTEGRITY = "sha384-H5SrcfygHmAuTDZphMHqBJLc3FhssKjG7w/CeCpFReSfwBWDTKpkzPP8c+cLsK+V"
HTMX_CDN_URL = f"https://cdn.jsdelivr.net/npm/htmx.org@{HTMX_VERSION}/dist/htmx.min.js"
HTMX_STATIC = "vendor/htmx.min.js"

# A Python wheel that carries the very same file: set-up needs no way to a CDN, and neither does a browser afterwards.
HTMX_WHEEL = "django-htmx==1.29.0"
HTMX_IN_WHEEL = "django_htmx/static/django_htmx/htmx-2.min.js"


def local_htmx() -> Path | None:
    """The copy that set-up put under `static/`, or `None`: the page then names the CDN, with version and integrity."""
    path = ROOT / "static" / HTMX_STATIC
    return path if path.is_file() else None
