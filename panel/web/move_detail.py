"""One user in a run, in detail: how far it came, what was kept to be given back, the mails, and every request that changed something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response, abort
from markupsafe import Markup
from sqlalchemy import select

from panel.domain.statuses import RunKind, Step
from panel.extensions import db
from panel.models import Email, Migration, Move, Server
from panel.services import proof_report
from panel.services.run.undo import begun_by
from panel.services.run.way_back import way_back
from panel.web import htmx, words
from panel.web.words import brief, zone

screen = Blueprint("move_detail", __name__, url_prefix="/migrations/<int:run_id>/moves")

#: Requests shown at most, the newest; the download has all.
MOST_SHOWN = 200


@dataclass(frozen=True)
class Keepsake:
    """What somebody's access to a server was before the run changed it. `moment` and `libraries` are parts of a sentence."""

    server: str
    moment: str
    libraries: str


@screen.get("/<int:move_id>")
def show(run_id: int, move_id: int) -> Response:
    """The page, or the same in the dialog."""
    move = db.get_or_404(Move, move_id)
    if move.migration_id != run_id:
        abort(404)
    run = move.migration
    back = way_back(move)
    calls = list(proof_report.sent(run.id, move.id))
    return htmx.page_or_partial(
        "migrations/detail.html",
        {htmx.DIALOG: "migrations/_detail.html"},
        title=f"{brief(move.name)} in migration {run.id}",
        run=run,
        move=move,
        back=back,
        # What has become of it stands beside.
        remark=move.remark.replace(begun_by(back.run_id), "").strip() if back else move.remark,
        read_back=read_back(move, is_undone=bool(back and back.is_done)),
        keepsakes=keepsakes(run, move),
        mails=db.session.scalars(select(Email).where(Email.move_id == move.id).order_by(Email.id)).all(),
        calls=calls[-MOST_SHOWN:],
        exact=exact,
        calls_left_out=max(0, len(calls) - MOST_SHOWN),
    )


def read_back(move: Move, *, is_undone: bool = False) -> str:
    """What looking at the target after giving has shown, in a few words."""
    if move.accepted:
        return "The access was effective" if is_undone else "The access is effective"
    if move.step is Step.ACCEPT or move.taken_at is not None:
        return "The invite is there, not accepted yet"
    return ""


def keepsakes(run: Migration, move: Move) -> list[Keepsake]:
    """What was kept, so that it can be given back."""
    changed = run.source if run.kind is RunKind.UNDO else run.target
    kept = ((changed, move.before, "before it was changed"), (run.source, move.taken, "before it was removed"))
    return [Keepsake(server.name, moment, _libraries(server, access)) for server, access, moment in kept if access]


def exact(at: datetime) -> Markup:
    """A time to the second in the zone that is set, which programs can read too."""
    utc, here = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), at.astimezone(zone())
    return Markup('<time datetime="{}" title="{}">{}</time>').format(utc, words.exact(at), here.strftime("%-d %b, %H:%M:%S"))


def _libraries(server: Server, access: Mapping[str, object]) -> str:
    if access.get("all_libraries") is True:
        return "all libraries"
    ids = access.get("libraries")
    ids = [str(key) for key in ids] if isinstance(ids, list) else []
    names = {library.remote_id: library.name for library in server.libraries if library.remote_id}
    known = sorted(names[key] for key in ids if key in names)
    gone = len(ids) - len(known)
    parts = [brief(name) for name in known] + ([f"{gone} that {'is' if gone == 1 else 'are'} no longer there"] if gone else [])
    return ", ".join(parts) if parts else "no library"
