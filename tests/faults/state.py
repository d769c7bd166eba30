"""The end state of a run as plain values: both servers, plex.tv and our database, without what differs from try to try."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Table, select

from panel.extensions import db
from panel.models import Share
from panel.models.share import share_libraries
from panel.services.notices import SYSTEM_MESSAGE
from tests.faults.stage import PEOPLE, Stage
from tests.faults.whose import Whose
from tests.scene import Side

#: How a run got there (epochs, tries, turns), which a crash may lengthen; not where it ended. For the record of requests see `unproved`.
WAYS = {"pacemakers", "pace_waiters", "sent_requests"}
STEPS_ON_THE_WAY = {
    "migrations": {"epoch", "deaths", "falls", "stood", "outages"},
    "moves": {"attempts", "needs_look", "secure_after", "missing_since"},
    "servers": {"checked_at"},
}
#: Numbers that our database gives out anew: equal states may have other ones.
NUMBERS = {"shares": {"id"}, "accounts": {"id"}, "emails": {"id"}, "audit_entries": {"id"}}
#: What a mail says.
TOLD = {"text": "", "html": "", "attachment": ""}


def end_state(stage: Stage) -> dict[str, Any]:
    """Everything that has to be equal, by where it stands."""
    db.session.rollback()
    found: dict[str, Any] = {side.row.name: of_server(stage, side) for side in stage.scene.sides}
    return found | {f"table {name}": rows for name, rows in of_database(stage).items()}


def of_server(stage: Stage, side: Side) -> Any:
    """Who has what on one server."""
    if side.kind == "plex":
        shares = stage.scene.tv.shares_of(side.sim)
        return sorted(
            (share.email, share.accepted, sorted(section.title for section in share.sections), share.settings) for share in shares
        )
    return sorted(
        (
            account.name,
            sorted(side.sim.visible(account)),
            bool(account.password),
            account.connect_email,
            sorted((key, str(value)) for key, value in account.policy.items()),
        )
        for account in side.sim.users.values()
    )


def of_database(stage: Stage) -> dict[str, list[dict[str, object]]]:
    """All rows, times as set or not, people in the place of the ids servers and our database give out, sorted."""
    whose = Whose(stage)
    found = {table.name: _rows(table, whose) for table in db.metadata.sorted_tables if table.name not in WAYS}
    return found | {"share_libraries": _libraries_of_shares()}


def _rows(table: Table, whose: Whose) -> list[dict[str, object]]:
    left_out = STEPS_ON_THE_WAY.get(table.name, set()) | NUMBERS.get(table.name, set())
    columns = [column for column in table.columns if column.name not in left_out]
    rows = db.session.execute(select(*columns)).all()
    plain = [{column.name: _plain(value) for column, value in zip(columns, row, strict=True)} for row in rows]
    return sorted((whose.row(table.name, row) for row in plain), key=str)


def _libraries_of_shares() -> list[dict[str, object]]:
    """Who may see what, as our database has it."""
    query = select(Share.user_id, Share.server_id, share_libraries.c.library_id).join(share_libraries)
    return sorted((dict(row) for row in db.session.execute(query).mappings()), key=str)


def _plain(value: object) -> object:
    return "a moment" if isinstance(value, datetime) else value


def wrongs(stage: Stage) -> list[str]:
    """What must never be, whatever happened: somebody doubled, left open, or without access anywhere."""
    found = []
    for side in stage.scene.sides:
        if side.kind == "plex":
            found += _doubled_shares(stage, side)
        else:
            found += _wrong_accounts(side)
    for name in PEOPLE:
        if not (_has(stage, name, stage.scene.source) or _has(stage, name, stage.scene.target)):
            found.append(f"{name} has access nowhere")
    return found


def _has(stage: Stage, name: str, side: Side) -> bool:
    """Access, or for a Plex target an invite that waits."""
    if side.kind == "plex" and side is stage.scene.target:
        return side.sim.share_of(f"{name}@example.test") is not None
    return bool(stage.scene.opened(name, side))


def _doubled_shares(stage: Stage, side: Side) -> list[str]:
    tv = stage.scene.tv
    ever = [share.email for share in (*tv.shares.values(), *tv.deleted_shares) if share.server is side.sim]
    return [f"{email} was invited to {side.row.name} {ever.count(email)} times" for email in sorted(set(ever)) if ever.count(email) > 1]


def _wrong_accounts(side: Side) -> list[str]:
    names = [account.name.casefold() for account in side.sim.users.values()]
    found = [f"{name} has {names.count(name)} accounts on {side.row.name}" for name in set(names) if names.count(name) > 1]
    found += [f"{name} stood open for {changes} changes" for name, changes in side.sim.exposed_moments() if changes > 1]
    found += [f"{name} stands open" for name in side.sim.exposure.still_open()]
    found += [f"{name} can sign in to {side.row.name} without a password" for name in PEOPLE if side.sim.can_sign_in(name, "")]
    return found


def without_link(state: dict[str, Any], server: str, names: set[str]) -> dict[str, Any]:
    """An end state without what tells whether these people are linked with Emby Connect on a server: the address there, the remark, and
    what the result mail says, which names it too. That there is this mail, once, to whom and about what, stays."""
    accounts = [(account[0], *account[1:3], "" if account[0] in names else account[3], *account[4:]) for account in state[server]]
    moves = [{**row, "remark": ""} if row["name"] in names else row for row in state["table moves"]]
    mails = [{**row, **TOLD} if row["event"] == SYSTEM_MESSAGE else row for row in state["table emails"]]
    return state | {server: accounts, "table moves": moves, "table emails": mails}


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Where two end states differ, in as few words as will do."""
    return [f"{where}: {_told(rows, found[where])}" for where, rows in expected.items() if rows != found[where]]


def _told(expected: list[Any], found: list[Any]) -> str:
    if len(expected) == len(found):
        fields = [_fields(one, other) for one, other in zip(expected, found, strict=True) if one != other]
        return "; ".join(fields)
    return f"expected {len(expected)} rows, found {found}"


def _fields(expected: Any, found: Any) -> str:
    if isinstance(expected, dict):
        return ", ".join(f"{name} {value!r} -> {found[name]!r}" for name, value in expected.items() if value != found[name])
    return f"{[one for one in expected if one not in found]} -> {[one for one in found if one not in expected]}"
