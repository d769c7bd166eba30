"""How commands answer: one JSON document or plain lines on standard output, a refusal with exit code 1."""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import DatabaseError

from panel.domain.reasons import Refusal
from panel.extensions import db
from panel.logs import visible
from panel.models import Migration, Server
from panel.models.types import SecretUnreadable
from panel.services import database
from panel.services.run.start import Blocked
from panel.services.run.steer import NotPossible

P = ParamSpec("P")
R = TypeVar("R")


#: No database holds larger ones.
LARGEST_ID = 2**31 - 1


class Refused(click.ClickException):
    """A command that was refused: exit code 1, with `--json` as a document on standard output."""

    def __init__(self, code: str, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.code, self.lines = code, lines
        # Taken now: click has let go of the context when it shows the error.
        context = click.get_current_context(silent=True)
        self.as_json = bool(context and context.params.get("as_json"))

    def show(self, file: Any = None) -> None:
        """The JSON document where it was asked for, else the sentence on standard error."""
        if self.as_json:
            print_json({"error": {"code": self.code, "message": self.message}})
        else:
            for line in self.lines:
                say(line, err=True)


def command(name: str, **how: Any) -> Callable[[Callable[P, R]], click.Command]:
    """A command with the app at hand and a database that has its tables; refusals become exit code 1."""

    def make(function: Callable[P, R]) -> click.Command:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                database.ensure()
                return function(*args, **kwargs)
            except Blocked as error:
                refuse_blocked(error.refusals)
            except NotPossible as error:
                raise Refused("not_possible", str(error)) from None
            except DatabaseError as error:
                raise Refused("database", f"The database cannot be used ({type(error.orig).__name__}): check DATABASE_URL.") from None
            except (database.SchemaMismatch, SecretUnreadable) as error:
                raise Refused("installation", str(error)) from None

        return click.command(name, **how)(with_appcontext(run))

    return make


def refuse_blocked(refusals: tuple[Refusal, ...]) -> NoReturn:
    """The first blocker gives the code, all give the sentences."""
    raise Refused(refusals[0].code.value, " ".join(refusal.message for refusal in refusals))


def say(line: str, *, err: bool = False) -> None:
    """One line for whoever reads along: names and answers of strangers neither begin another nor steer the terminal."""
    click.echo(visible(line), err=err)


def print_json(document: object) -> None:
    """The one document on standard output; what steers terminals is escaped, as JSON can."""
    lines = json.dumps(document, ensure_ascii=False, indent=2).split("\n")
    sys.stdout.write("\n".join(map(visible, lines)) + "\n")
    sys.stdout.flush()


def server_named(name: str) -> Server:
    """The server of this name. Refused when there is none."""
    server = Server.by_name(name)
    if server is None:
        raise Refused("unknown_server", f"There is no server named “{name}”. Known: {known_servers() or 'none yet; use “flask import”'}.")
    return server


def known_servers() -> str:
    """All names, for sentences."""
    return ", ".join(db.session.scalars(db.select(Server.name).order_by(Server.name)))


def run_numbered(run_id: int) -> Migration:
    """The run of this number. Refused when there is none."""
    run = db.session.get(Migration, run_id) if 0 < run_id <= LARGEST_ID else None
    if run is None:
        raise Refused("unknown_migration", f"There is no migration number {run_id}.")
    return run


def finite(_context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A callback of options: not every number is one to wait for."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("it has to be a number of seconds.", param=parameter)
    return value


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
