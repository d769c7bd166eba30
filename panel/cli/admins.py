"""`flask admins create EMAIL`."""

from __future__ import annotations

import sys

import click

from panel.cli.answers import Refused, command, say
from panel.extensions import db
from panel.services import admins


@command("create")
@click.argument("email")
def create(email: str) -> None:
    """Create an administrator; the password is asked for, or read from standard input."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        admins.create(email, password)
    except ValueError as error:
        raise Refused("refused", str(error)) from None
    db.session.commit()
    say(f"{email} can sign in now.")


COMMANDS = [click.Group("admins", commands=[create], help="Who may sign in to the panel.")]
