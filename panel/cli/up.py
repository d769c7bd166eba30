"""`flask up`: the whole panel in one process tree."""

from __future__ import annotations

import logging
from contextlib import suppress

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import OperationalError

from panel import launcher, patience
from panel.extensions import config, db
from panel.services import admins, basics, database
from panel.services.claims import links
from panel.tree import TreeError

#: How many seconds one question of the upgrade is waited for: a new schema may rewrite a large table. A service manager that starts the
#: panel waits as long for a PostgreSQL that has fallen silent, then the panel ends and is started anew.
UPGRADE_QUESTION_S = 600.0

log = logging.getLogger(__name__)


@click.command("up")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 to be reached from other machines.")
@with_appcontext
def up(port: int, host: str) -> None:
    """Run the panel: Redis (unless REDIS_URL is set), database upgrade, worker and web."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    raise SystemExit(launcher.up(config(), port=port, host=host, upgrade=upgrade, when_up=lambda url: welcome(app, url)))


def upgrade() -> None:
    """Bring the database to the newest schema, with the groups that ship, and let go of it: the children open their own connections. Raises
    `TreeError` where the database cannot be asked, or says nothing for too long."""
    try:
        with patience.at_most(UPGRADE_QUESTION_S):
            database.upgrade()
            basics.ensure_basics()
            db.session.commit()
            db.session.remove()
            db.engine.dispose()
    except OperationalError as error:
        raise TreeError(f"the database could not be brought up to date: {error.orig}") from error


def welcome(app: Flask, url: str) -> None:
    """On the first start, say how to create the first admin. Where nothing can be written (a full disk) the panel works all the same; the
    next start says it again."""
    with app.app_context():
        if not admins.exist():
            token = links.make(links.SETUP)
            db.session.commit()
            sentence = f"Create the first admin (the link works once, for two days): {url}/setup/{token}"
            if config().log_json:
                log.info("%s", sentence)
                return
            with suppress(OSError):
                click.echo(sentence)


COMMANDS = [up]
