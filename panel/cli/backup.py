"""`flask backup FILE` and `flask restore FILE`: the whole installation in one file, and back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import OperationalError

from panel import jobs, launcher
from panel.cli.answers import Refused, say
from panel.extensions import config, db
from panel.models.types import utc_now
from panel.services import backup as backups
from panel.services.backup.file import BackupRefused
from panel.services.backup.restore import Restored
from panel.services.backup.restore import restore as restore_backup
from panel.tree import TreeError

P = ParamSpec("P")

#: Of whom a migration's line tells by name.
MOST_NAMES = 20


def _command(name: str) -> Callable[[Callable[P, None]], click.Command]:
    """A command whose refusals are a sentence and exit code 1. Unlike others it takes a database as it is, of whatever version."""

    def make(function: Callable[P, None]) -> click.Command:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except BackupRefused as error:
                raise Refused("refused", str(error)) from None
            except OperationalError as error:
                raise Refused("database", f"The database cannot be used ({type(error.orig).__name__}): check DATABASE_URL.") from None

        return click.command(name)(with_appcontext(run))

    return make


@_command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Also where the file exists.")
def backup(file: Path, overwrite: bool) -> None:
    """Write the database and the keys into one file, also while everything runs. Works for SQLite and PostgreSQL."""
    manifest = backups.make(file, db.engine, config(), utc_now(), overwrite=overwrite)
    say(f"{file}: {manifest.rows} rows of {len(manifest.tables)} tables, schema {manifest.revision}, read back and complete.")
    say("It holds all passwords and tokens of this installation and the keys to them: keep it where nobody else can read it.")


@_command("restore")
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Put a backup in the place of the database and the keys. Streamferry must not be running; what is replaced is kept."""
    try:
        with launcher.single_tree(config()):
            _require_no_workers()
            _report(file, restore_backup(file, config(), utc_now()))
    except TreeError as error:
        raise Refused("running", f"Nothing was changed: {error}") from None


def _require_no_workers() -> None:
    """Workers on other machines are known to Redis; our own connections are given up, so that others can be told from them."""
    if jobs.workers_alive():
        raise Refused(
            "running", "Nothing was changed: a worker is running. Stop web and workers first (one that was killed counts for 40 s)."
        )
    db.session.remove()
    db.engine.dispose()


def _report(file: Path, done: Restored) -> None:
    say(f"Restored {done.manifest.rows} rows from {file}, made at {done.manifest.made_at} by version {done.manifest.program}.")
    if done.kept:
        say(f"The replaced database is kept: {done.kept}")
    if done.paused:
        were = "1 migration was at work then and is" if done.paused == 1 else f"{done.paused} migrations were at work then and are"
        say(f"{were} paused now. Look what has happened since, then resume or cancel.")
    for line in (*_about_accounts(done.unknown), *_about_closing(done.to_close), *_about_links(done.linkless)):
        say(line)
    if done.unreadable:
        say(f"{done.unreadable} stored tokens or passwords cannot be read with the backup's keys: enter them anew.", err=True)
    say("Start with “flask up”.")


def _about_accounts(unknown: tuple[tuple[str, int], ...]) -> list[str]:
    if not unknown:
        return []
    were = "1 account was" if len(unknown) == 1 else f"{len(unknown)} accounts were"
    what = "being made then, and may be in use by now. Look on the target whether these people have theirs before you resume or cancel:"
    return [f"{were} {what}", *_by_migration(unknown)]


def _about_closing(to_close: tuple[tuple[str, int], ...]) -> list[str]:
    if not to_close:
        return []
    were = "1 account was" if len(to_close) == 1 else f"{len(to_close)} accounts were"
    what = "begun and never finished by migrations that had ended. Any without a password is closed as soon as Streamferry starts:"
    return [f"{were} {what}", *_by_migration(to_close), "If one of these people uses theirs without a password, give it one first."]


def _about_links(linkless: tuple[tuple[str, int], ...]) -> list[str]:
    if not linkless:
        return []
    had = "1 link to choose a password was" if len(linkless) == 1 else f"{len(linkless)} links to choose a password were"
    what = "unused then and may have been used since: void now. Make fresh ones on the pages of these people:"
    return [f"{had} {what}", *_by_migration(linkless)]


def _by_migration(people: tuple[tuple[str, int], ...]) -> list[str]:
    """Names by migration: that is where something can be done for them."""
    lines = []
    for run_id in sorted({number for _name, number in people}):
        names = [name for name, number in people if number == run_id]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        lines.append(f"  migration {run_id}: {', '.join(names[:MOST_NAMES])}{more}")
    return lines


COMMANDS = [backup, restore]
