"""Deaths in a row: who takes a run in hand writes down how many before them have died without getting anywhere, and where it stood.

A run that kills its worker at the same place each time, by taking all of its memory for example, would go in a circle without it. What is
counted are holds that were not given back. Why one was not is known only of who fell with its machine, and of who lives still; a worker
that has ended as it should, but with the database gone as it was to give back its hold, counts as dead.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import case, func, select

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, Move

#: So many workers may die at a run one after the other, without anything having come of it, until it is ended: more than somebody who is
#: about to repair a machine kills by starting everything anew.
MOST_DEATHS = 12
#: The same of holders that were lost in whichever way, also together with their machine: a run may be what takes that down each time.
MOST_FALLS = 50


def where_it_stands(run_id: int) -> str:
    """12 hexadecimal digits that change with everything that brings a run nearer to its end. Taking somebody in hand does not."""
    run = db.session.execute(
        select(Migration.status, Migration.started_at, Migration.prepared_at, Migration.ended_at, Migration.outages).where(
            Migration.id == run_id
        )
    ).one()
    status = case((Move.status == MoveStatus.MOVING, MoveStatus.PENDING.value), else_=Move.status)
    columns = Move.step, status
    # Accounts that may stand open and are closed one after the other.
    doubtful = func.sum(case((Move.secure_after.is_(None), 0), else_=1))
    missing = func.sum(case((Move.missing_since.is_(None), 0), else_=1))
    known = func.sum(case((Move.target_member_id == "", 0), else_=1))
    sums = func.count(), func.sum(Move.attempts), doubtful, missing, known
    people = db.session.execute(select(*columns, *sums).where(Move.migration_id == run_id).group_by(*columns).order_by(*columns))
    return hashlib.sha256(repr((tuple(run), [tuple(row) for row in people])).encode()).hexdigest()[:12]
