"""`flask import FILE` and `flask sync [SERVER…]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from panel.cli.answers import Refused, command, say, server_named
from panel.extensions import db


@command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def import_(file: str) -> None:
    """Create or update an estate (accounts, servers, groups, plans, users, settings) from a YAML or JSON file."""
    from panel.services import estate

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        summary = estate.apply(estate.load(text, os.environ))
    except UnicodeDecodeError:
        raise Refused("bad_estate", f"{file} is not text in UTF-8.") from None
    except estate.EstateError as error:
        db.session.rollback()
        raise Refused("bad_estate", *f"{file}: {error}".split("\n")) from None
    db.session.commit()
    say(str(summary))


@command("sync")
@click.argument("servers", nargs=-1)
def sync(servers: tuple[str, ...]) -> None:
    """Read libraries, users and shares from the media servers (all, or those named)."""
    from panel.services import sync as syncing

    names = [server_named(name).name for name in servers]
    results = syncing.sync_servers(names or None)
    db.session.commit()
    if not results:
        raise Refused("no_servers", "There is no server yet. Add some with “flask import FILE”.")
    for result in results:
        say(str(result), err=bool(result.problem))
    if any(result.problem for result in results):
        sys.exit(1)


COMMANDS = [import_, sync]
