"""Whose account, share or request something is, as the servers know it: their ids are given out anew from try to try, people are not."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import select

from panel.extensions import db
from panel.models import Migration, Move, SentRequest
from panel.services.proof import DIED
from panel.simulators.http import Call
from panel.simulators.plex_tv import PlexTv
from tests.faults.stage import Stage
from tests.scene import Side

#: What stands for an id that its server does not know.
NOBODY = "nobody"


class Whose:
    """Who stands behind the ids of the two servers: the name of an account, on Plex the address."""

    def __init__(self, stage: Stage) -> None:
        self._sides = {side.row.id: side for side in stage.scene.sides}
        self._tv: PlexTv = stage.scene.tv
        runs = db.session.execute(select(Migration.id, Migration.target_id))
        self._targets: dict[int, int] = {row.id: row.target_id for row in runs}

    def access(self, server_id: int, key: str) -> str:
        """Whose access it is: on Plex `key` is that of a share, which may be gone by now."""
        side = self._sides[server_id]
        if not key or side.kind != "plex":
            return self._account(side, key)
        shares = (*self._tv.shares.values(), *self._tv.deleted_shares)
        return next((share.email for share in shares if share.server is side.sim and str(share.id) == key), NOBODY)

    def row(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """A row of our database, with people in the place of the ids that a run was given by a server."""
        if table in ("shares", "accounts"):
            return row | {"remote_id": self.access(row["server_id"], row["remote_id"])}
        if table == "moves":
            target = self._targets[row["migration_id"]]
            account = self._account(self._sides[target], row["target_account_id"])
            return row | {"target_member_id": self.access(target, row["target_member_id"]), "target_account_id": account}
        return row

    def _account(self, side: Side, key: str) -> str:
        """Whose account it is, on Plex that of the person."""
        if not key:
            return ""
        if side.kind == "plex":
            return next((person.email for person in self._tv.people.values() if str(person.id) == key), NOBODY)
        return str(side.sim.users[key].name) if key in side.sim.users else NOBODY


def asked_for(sim: Any, call: Call) -> str:
    """The name of the person a changing request is about; `NOBODY` where that cannot be said."""
    if isinstance(sim, PlexTv):
        return _invited(sim, call).partition("@")[0]
    # Jellyfin names whose password it is beside the path.
    part = call.query.get("userId") or call.path.partition("/Users/")[2].partition("/")[0]
    if part == "New":
        return str(dict(call.json() or {}).get("Name", NOBODY))  # type: ignore[call-overload]
    return str(sim.users[part].name) if part in sim.users else NOBODY


def _invited(tv: PlexTv, call: Call) -> str:
    body: Any = (call.json() or {}) if call.body else {}
    if person := tv.people.get(body.get("invitedId", 0)):
        return person.email
    key = call.path.rpartition("/")[2]
    found = [share.email for share in (*tv.shares.values(), *tv.deleted_shares) if str(share.id) == key]
    return str(body.get("invitedEmail") or next(iter(found), NOBODY))


def unproved(stage: Stage, *, lost: int = 0) -> list[str]:
    """Where the record of requests and the servers' journals differ: what was sent and is not written down, but for somebody of whom it
    says that a worker died; what is written down and was never sent. `lost`: how many unanswered requests the tests themselves have kept
    from arriving, because the server had just closed the kept connection they left on."""
    db.session.rollback()
    what = Move.name, SentRequest.method, SentRequest.path, SentRequest.result, SentRequest.status
    query = select(*what).outerjoin(Move, Move.id == SentRequest.move_id).where(SentRequest.migration_id == stage.run_id)
    rows = db.session.execute(query).all()
    written = Counter((name, method, path) for name, method, path, *_ in rows if method)
    unanswered = Counter((name, method, path) for name, method, path, _, status in rows if method and status is None)
    with_the_dead = {name for name, _, _, result, _ in rows if result == DIED}
    came = Counter(
        (asked_for(sim, entry.call), entry.call.method, entry.call.path.removeprefix("/emby"))
        for sim in stage.sims
        for entry in sim.calls(changes=True)
    )
    found = [f"{method} {path} about {name} is not written down" for name, method, path in came - written if name not in with_the_dead]
    never_sent = written - came
    if never_sent.total() <= lost and never_sent <= unanswered:
        return found
    return found + [f"{method} {path} about {name} was never sent" for name, method, path in never_sent]
