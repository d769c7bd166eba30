"""Deaths in a row: who holds a run writes beside their name how many before them have died without getting anywhere, and where it stood.

A run that kills its worker at the same place each time, by taking all of its memory for example, would go in a circle without it.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import case, func, select

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, Move

#: So many workers may die at a run one after the other, without anything having come of it, until it is ended.
MOST_DEATHS = 7


def deaths_before(run_id: int, holder: str) -> int:
    """How many have died in a row, the one that still stands as the run's `holder` included; 0 where it had got anywhere, or let go."""
    count, stood = (holder.split("/") + [""] * 7)[5:7]
    return int(count) + 1 if count.isdigit() and stood == _where_it_stands(run_id) else 0


def with_deaths(name: str, run_id: int, deaths: int) -> str:
    """The name of a holder (`holder.process_name`) with what `deaths_before` reads of it: 10 characters more."""
    return f"{name}/{deaths}/{_where_it_stands(run_id)}"


def _where_it_stands(run_id: int) -> str:
    """6 hexadecimal digits that change with everything that brings a run nearer to its end. Taking somebody in hand does not."""
    run = db.session.execute(
        select(Migration.status, Migration.started_at, Migration.prepared_at, Migration.ended_at, Migration.outages).where(
            Migration.id == run_id
        )
    ).one()
    status = case((Move.status == MoveStatus.MOVING, MoveStatus.PENDING.value), else_=Move.status)
    columns = Move.step, status
    people = db.session.execute(
        select(*columns, func.count(), func.sum(Move.attempts)).where(Move.migration_id == run_id).group_by(*columns).order_by(*columns)
    )
    return hashlib.sha256(repr((tuple(run), [tuple(row) for row in people])).encode()).hexdigest()[:6]
