"""The cookie that keeps a session: over https it never leaves on a plain connection again."""

from __future__ import annotations

from flask import Flask, has_request_context, request
from flask.sessions import SecureCookieSessionInterface


class SessionCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, marked `Secure` where the panel's public address is https or this very request came by it."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether browsers may send it by https alone."""
        return super().get_cookie_secure(app) or (has_request_context() and request.is_secure)
