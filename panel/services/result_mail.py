"""The System Message at the end of a run: how many moved, and everyone who did not, with the reason."""

from __future__ import annotations

from typing import Any

from panel.domain.reasons import Reason
from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Email, Migration, Move, Setting
from panel.services import notices, report


def put_in_outbox(run: Migration) -> Email | None:
    """Put the result mail of a run into the outbox; flushed. `None` when none is to be sent (`notices.why_no_mail_of` says why)."""
    if notices.why_no_mail_of(run):
        return None
    mail = notices.render(notices.SYSTEM_MESSAGE, values_of(run))
    row = Email(
        event=notices.SYSTEM_MESSAGE,
        migration_id=run.id,
        recipient=Setting.current().admin_email,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        attachment_name=f"migration-{run.id}.csv",
        attachment=report.run_csv(run),
    )
    db.session.add(row)
    db.session.flush()
    return row


def values_of(run: Migration) -> dict[str, Any]:
    """What the System Message template may use."""
    moves = db.session.scalars(report.moves_now(run.id)).all()
    stayed = [move for move in moves if move.status not in (MoveStatus.MOVED, MoveStatus.INVITED)]
    return {
        "run": {"id": run.id, "status": run.status.value, "note": run.note, "problem": run.problem, "undoes": run.undoes_id or 0},
        "source": run.source.name,
        "target": run.target.name,
        "counts": vars(report.counts_of(run.id)),
        "stayed": [{"name": move.name, "status": move.status.value, "why": report.detail_of(move)} for move in stayed if _was_there(move)],
        "not_shared": [move.name for move in stayed if not _was_there(move)],
        "invited": [move.name for move in moves if move.status is MoveStatus.INVITED],
        "remarks": [{"name": move.name, "what": move.remark} for move in moves if move.remark and move not in stayed],
        "link": notices.link_to(f"/migrations/{run.id}"),
    }


def _was_there(move: Move) -> bool:
    """Whether there was anything to move: whoever is not on the source has no other reason that matters."""
    return move.status is not MoveStatus.SKIPPED or Reason.NOT_SHARED not in move.reasons
