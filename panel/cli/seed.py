"""`flask seed`: invented users in any number, to try out how the panel does with them."""

from __future__ import annotations

import click

from panel.cli.answers import Refused, command
from panel.extensions import db


@command("seed")
@click.option("--users", type=click.IntRange(1, 200_000), default=1000, show_default=True, help="How many.")
@click.option("--force", is_flag=True, help="Also where there are users already.")
def seed(users: int, force: bool) -> None:
    """Fill the database with invented users, payments and shares on two servers that do not exist."""
    from panel.models import User
    from panel.services import seed as service

    if not force and db.session.scalar(db.select(User.id).limit(1)) is not None:
        raise Refused("not_empty", "There are users already. With --force the invented ones are added to them.")
    service.plant(users)
    db.session.commit()
    click.echo(f"Added {users} invented users, with two servers that do not exist and two plans.")


COMMANDS = [seed]
