"""The screens: one module each, server-rendered, every address a full page, HTMX only where it spares a wait."""

from __future__ import annotations

from flask import Flask
from flask_bootstrap import Bootstrap5

from panel.web import access, auth, claims, errors, headers, health, limits, live, migrations, moves, navigation, servers, words, workers

SCREENS = (
    auth,
    servers,
    migrations,
    moves,
    claims,
    health,
)

bootstrap = Bootstrap5()


def register(app: Flask) -> None:
    """Bind all screens, and what they share, to an app."""
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    bootstrap.init_app(app)
    app.jinja_options = {**app.jinja_options, "trim_blocks": True, "lstrip_blocks": True}
    limits.register(app)
    access.register(app)
    for screen in SCREENS:
        app.register_blueprint(screen.screen)
    headers.register(app)
    words.register(app)
    navigation.register(app)
    live.register(app)
    workers.register(app)
    errors.register(app)
