"""Proof of what a run did: every request that changed something, or may have, written in the transaction that notes what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Table, bindparam, case, delete, func, insert, literal, select

from panel.domain.statuses import Step
from panel.extensions import db
from panel.models import Migration, Move, SentRequest
from panel.models.types import utc_now
from panel.platforms.sent import SentCall, collecting

#: Stands where a worker had a user in hand and cannot say any more what it had sent: the trail does not pretend to know.
DIED = "A worker died, was stopped or had to give way here; whether a request of it arrived was looked up afterwards."
#: Stands while something by hand is on its way, and for good where the panel was stopped in between.
ANNOUNCED = "Something was about to be sent; the panel has not learned what came of it."

_SENT = cast(Table, SentRequest.__table__)
#: With the name of whom it is for, which stays when they are removed from the panel.
_NAMED = select(Move.name).where(Move.id == bindparam("for_move")).scalar_subquery()
_INSERT = insert(_SENT).values(user_name=func.coalesce(_NAMED, ""))


def write(run_id: int, server_id: int, sent: Iterable[tuple[int, list[SentCall]]]) -> int:
    """Write down what was sent to a server, by the ids of the moves it was sent for, in one statement; flushed. Answers how many there
    were."""
    rows: list[dict[str, Any]] = [
        {
            "migration_id": run_id,
            "move_id": move_id,
            "for_move": move_id,
            "server_id": server_id,
            "at": call.at,
            "method": call.method,
            "path": call.path,
            "status": call.status,
            "result": call.result,
        }
        for move_id, calls in sent
        for call in calls
    ]
    if rows:
        db.session.connection().execute(_INSERT, rows)
    return len(rows)


@contextmanager
def announced(run_id: int, move_id: int, server_id: int) -> Iterator[None]:
    """Around requests for one user whom no worker has in hand, such as what a person does by hand. That they are about to leave is
    committed first, with nothing else pending; in its place what was sent is written down, flushed, and committed where it fails, because
    whoever hears of the failure takes back what is not."""
    row = {"migration_id": run_id, "move_id": move_id, "for_move": move_id, "server_id": server_id, "at": utc_now()}
    made = db.session.connection().execute(_INSERT, {**row, "method": "", "path": "", "status": None, "result": ANNOUNCED})
    key = made.inserted_primary_key
    assert key is not None
    announcement = delete(_SENT).where(_SENT.c.id == key[0])
    db.session.commit()
    calls: list[SentCall] = []
    try:
        with collecting(calls):
            yield
    except Exception:
        if not db.session.is_active:
            db.session.rollback()
        db.session.connection().execute(announcement)
        write(run_id, server_id, [(move_id, calls)])
        db.session.commit()
        raise
    db.session.connection().execute(announcement)
    write(run_id, server_id, [(move_id, calls)])


def note_left_behind(run_id: int, epoch: int) -> None:
    """One row for each user whom a worker that died had in hand while something could be on its way; they have just been taken over under
    `epoch`. Flushed."""
    server = case((Move.step == Step.TAKE, Migration.source_id), else_=Migration.target_id)
    now, nothing = literal(utc_now(), _SENT.c.at.type), literal("")
    unknown = select(Move.migration_id, Move.id, Move.name, server, now, nothing, nothing, literal(DIED))
    left = unknown.join(Migration).where(Move.migration_id == run_id, Move.claim == epoch, Move.step.in_((Step.GIVE, Step.TAKE)))
    columns = ["migration_id", "move_id", "user_name", "server_id", "at", "method", "path", "result"]
    db.session.execute(insert(_SENT).from_select(columns, left))
