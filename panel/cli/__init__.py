"""The commands: a stable contract for scripts, each also a screen."""

from __future__ import annotations

from flask import Flask

from panel.cli import admins, backup, demo, estate, migrations, seed, up
from panel.extensions import db
from panel.services.database import schema


def register(app: Flask) -> None:
    """All commands onto the app's `flask` command, `flask db` among them."""
    schema.init_app(app, db)
    for module in (up, demo, estate, migrations, admins, seed, backup):
        for command in module.COMMANDS:
            app.cli.add_command(command)
