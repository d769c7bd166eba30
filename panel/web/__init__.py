"""The screens: one module each, server-rendered, every address a full page, HTMX only where it spares a wait."""

from __future__ import annotations

from flask import Flask
from flask_bootstrap import Bootstrap5

from panel.web import (
    access,
    account,
    admins,
    audit,
    auth,
    claims,
    comparison,
    errors,
    first_steps,
    groups,
    headers,
    health,
    ids,
    invites,
    libraries,
    limits,
    live,
    metrics,
    migrations,
    move_actions,
    move_detail,
    moves,
    navigation,
    payments,
    plans,
    plex_accounts,
    plex_sign_in,
    remedies,
    server_forms,
    servers,
    settings,
    shared_look,
    shares,
    smtp,
    templates,
    twins,
    undo,
    user_bulk,
    user_forms,
    users,
    words,
    workers,
)
from panel.web.session_cookie import SessionCookie

SCREENS = (
    auth,
    servers,
    server_forms,
    plex_accounts,
    plex_sign_in,
    first_steps,
    migrations,
    moves,
    move_detail,
    move_actions,
    undo,
    claims,
    admins,
    account,
    audit,
    libraries,
    groups,
    comparison,
    plans,
    settings,
    smtp,
    templates,
    health,
    metrics,
    users,
    user_forms,
    user_bulk,
    payments,
    shares,
    invites,
    twins,
)

bootstrap = Bootstrap5()


def register(app: Flask) -> None:
    """Bind all screens, and what they share, to an app."""
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    bootstrap.init_app(app)
    app.jinja_options = {**app.jinja_options, "trim_blocks": True, "lstrip_blocks": True}
    app.session_interface = SessionCookie()
    limits.register(app)
    access.register(app)
    ids.register(app)
    for screen in SCREENS:
        app.register_blueprint(screen.screen)
    headers.register(app)
    words.register(app)
    navigation.register(app)
    remedies.register(app)
    live.register(app)
    shared_look.register(app)
    workers.register(app)
    errors.register(app)
