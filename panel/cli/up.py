"""`flask up`: the whole panel in one process tree."""

from __future__ import annotations

from contextlib import suppress

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from panel import launcher
from panel.extensions import config, db
from panel.services import admins, basics, database
from panel.services.claims import links


@click.command("up")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 to be reached from other machines.")
@with_appcontext
def up(port: int, host: str) -> None:
    """Run the panel: Redis (unless REDIS_URL is set), database upgrade, worker and web."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    raise SystemExit(launcher.up(config(), port=port, host=host, upgrade=upgrade, when_up=lambda url: welcome(app, url)))


def upgrade() -> None:
    """Bring the database to the newest schema, with the groups that ship, and let go of it: the children open their own connections."""
    database.upgrade()
    basics.ensure_basics()
    db.session.commit()
    db.session.remove()
    db.engine.dispose()


def welcome(app: Flask, url: str) -> None:
    """On the first start, say how to create the first admin. Where nothing can be written (a full disk) the panel works all the same; the
    next start says it again."""
    with app.app_context():
        if not admins.exist():
            token = links.make(links.SETUP)
            db.session.commit()
            with suppress(OSError):
                click.echo(f"Create the first admin (the link works once, for two days): {url}/setup/{token}")


COMMANDS = [up]
