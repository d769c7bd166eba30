"""What the tests of the mission share: a pair with three people, a whole run to its end, a command, and the other tables as they are."""

from __future__ import annotations

import contextvars
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from click.testing import Result
from flask import Flask

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Migration
from panel.services.preflight import Preflight
from panel.services.run.accept import check_invites
from tests.scene import Scene, Side

PEOPLE = ("ada", "ben", "cleo")


def set_up(scene: Scene, source: str, target: str, *, same_account: bool = False, people: tuple[str, ...] = PEOPLE) -> None:
    """Two servers, the plan *Basic* (group Standard) and people who pay for it on the source, where they see Films."""
    first = scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", owner=first.owner if same_account else None)
    for name in people:
        scene.person(name)


def accept_all(scene: Scene) -> None:
    """Everyone who was invited to the target accepts; the panel has not looked yet."""
    for share in scene.tv.shares_of(scene.target.sim):
        if not share.accepted:
            scene.tv.accept(share)


def settle(scene: Scene, run: Migration) -> Migration:
    """Invites accepted and noticed, and what follows from it on the source."""
    if scene.target.kind is Platform.PLEX:
        accept_all(scene)
        check_invites(scene.target.row)
    return scene.finish(run)


def codes(flight: Preflight) -> list[str]:
    """The codes of what keeps the pair from starting."""
    return [refusal.code.value for refusal in flight.blockers]


def reasons(flight: Preflight) -> dict[str, list[str]]:
    """Name → reasons."""
    return {verdict.candidate.name: [reason.value for reason in verdict.reasons] for verdict in flight.verdicts}


def forget_calls(scene: Scene) -> None:
    """Begin counting requests anew."""
    for sim in {id(sim): sim for sim in (scene.tv, *(side.sim for side in scene.sides))}.values():
        sim.journal.clear()


def changed_anything(scene: Scene) -> list[str]:
    """Every changing request any server was sent, as `METHOD path`."""
    sims = {id(sim): sim for sim in (scene.tv, *(side.sim for side in scene.sides))}.values()
    return [f"{entry.call.method} {entry.call.path}" for sim in sims for entry in sim.calls(changes=True)]


def cli(app: Flask, *args: str, input: str | None = None) -> Result:
    """`flask ARGS…`, with an application context and a database session of its own, as in a process of its own."""
    db.session.commit()
    result = contextvars.Context().run(app.test_cli_runner().invoke, args=list(args), input=input)
    db.session.expire_all()
    return result


def document(result: Result) -> Any:
    """The one JSON document on standard output. Fails when there is anything else."""
    return json.loads(result.stdout)


def rows_of(*tables: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of these tables, whole, in the order of their ids."""
    db.session.commit()
    return {
        table: [tuple(row) for row in db.session.execute(db.select(db.metadata.tables[table]).order_by(db.metadata.tables[table].c.id))]
        for table in tables
    }


@contextmanager
def licence(side: Side, has_it: bool) -> Iterator[None]:
    """*Has Plex Pass* of the account or *Has Emby Premiere* of the server, put back at the end."""
    holder, column = (side.row.plex_account, "has_plex_pass") if side.kind is Platform.PLEX else (side.row, "has_emby_premiere")
    before = getattr(holder, column)
    setattr(holder, column, has_it)
    db.session.commit()
    yield
    setattr(holder, column, before)
    db.session.commit()
