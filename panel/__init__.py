"""Streamferry: a panel that moves all users of one media server to another."""

from __future__ import annotations

from cryptography.fernet import Fernet, MultiFernet
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from panel.config import ROOT, Config

#: A host that is gone is noticed within half a minute: else the kernel would try for a quarter of an hour, and wait for two hours.
WHILE_THERE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
#: PostgreSQL may go away and come back, and compares times by the zone of the session.
ON_A_SERVER = {"pool_pre_ping": True, "connect_args": {"options": "-c timezone=UTC", **WHILE_THERE}}


def create_app(config: Config | None = None, *, screens: bool = True, commands: bool = True) -> Flask:
    """The application for this configuration (the environment's by default). Raises `ConfigError`.

    A process that shows nothing does without the `screens`, one that nobody types at without the `commands`: it starts in half the time.
    """
    from panel import extensions

    config = (config or Config.from_env()).ensure()
    app = Flask("panel", root_path=str(ROOT), static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=config.secret_key,
        SQLALCHEMY_DATABASE_URI=config.database_url,
        # A connection for each thread of the web process: one more than the pool keeps would be opened and closed with every page.
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 10} | ({} if config.database_url.startswith("sqlite") else ON_A_SERVER),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.public_url.startswith("https://"),
        WTF_CSRF_TIME_LIMIT=None,
        # A proxy may hand on another host name than the browser asked for, so that the referrer cannot be held against it.
        WTF_CSRF_SSL_STRICT=False,
        MAX_CONTENT_LENGTH=4 * 1024 * 1024,
    )
    app.extensions["panel_config"] = config
    app.extensions["panel_cipher"] = MultiFernet([Fernet(key) for key in config.encryption_keys])
    if config.trusted_proxies:
        # The visitor's address, for the limits on guessing, and whether they came by https; the host stays as it comes.
        proxies = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=0)  # type: ignore[method-assign]
    extensions.bind(app)
    if screens:
        from panel import web

        web.register(app)
    if commands:
        from panel import cli

        cli.register(app)
    return app
