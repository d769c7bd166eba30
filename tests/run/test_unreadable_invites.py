"""Invites of whose rows plex.tv tells nothing that can be read: whether they are accepted is not guessed, none is taken for withdrawn, and
who waits in vain is named."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, Move, Setting, Share
from panel.services import invites, reminders
from panel.services.run import undo
from panel.simulators.http import Call
from tests.invited import remind_after
from tests.run.bending import Bender, of_one
from tests.run.test_unreadable import move_of, set_up, shares_on
from tests.scene import Scene


def by_number_only(_call: Call, body: bytes) -> tuple[bytes, str] | None:
    """The row of ada tells neither its id nor an address, only the number of her account."""
    if not body.startswith(b"["):
        return None
    rows: list[dict[str, Any]] = json.loads(body)
    hers = [row for row in rows if str(row.get("invitedEmail")).startswith("ada@")]
    for row in hers:
        row |= {"id": None, "invitedEmail": None, "invitedId": 999_999, "invited": None}
    return (json.dumps(rows).encode(), "by number only") if hers else None


def asked(scene: Scene) -> invites.Found:
    """What a look at the target's invites answers; what it has written is read afresh."""
    found = invites.check(scene.target.row)
    db.session.expire_all()
    return found


def invited(scene: Scene) -> Migration:
    """A run that has invited three people."""
    set_up(scene, "jellyfin", "plex")
    return scene.move()


def invited_and_unreadable(scene: Scene) -> Migration:
    """The same; the invite of ada could not be read since."""
    run = invited(scene)
    with Bender(of_one("ada", "id", "null")).around(scene.tv):
        asked(scene)
    return run


def accepted_by_all(scene: Scene) -> Migration:
    """The same; all have accepted since."""
    run = invited(scene)
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    return run


def days_later(name: str) -> None:
    """Their reminder is due, and mails can be sent."""
    remind_after(3)
    move = db.session.scalars(db.select(Move).where(Move.name == name)).one()
    assert move.given_at is not None
    move.given_at -= timedelta(days=4)
    db.session.commit()


@pytest.mark.parametrize("others", [(), ("ben",)], ids=["alone", "beside another"])
def test_an_invite_that_cannot_be_read_is_not_taken_for_withdrawn(scene: Scene, others: tuple[str, ...]) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    Setting.current().pace_s = 0.0
    scene.person("ada", accepted=False)
    for name in others:
        scene.person(name)
    before = shares_on(scene.source)
    share = db.session.scalars(db.select(Share).where(Share.account_name == "ada")).one()
    with Bender(of_one("ada", "id", "null")).around(scene.tv), pytest.raises(invites.NotNow, match="share of ada.* cannot be read"):
        invites.withdraw_share(share)
    db.session.rollback()
    assert shares_on(scene.source) == before
    assert scene.source.sim.share_of("ada@example.test") is not None
    invites.withdraw_share(share)
    db.session.commit()
    assert "ada" not in shares_on(scene.source) and scene.source.sim.share_of("ada@example.test") is None


def test_who_has_accepted_and_cannot_be_read_is_named_and_not_reminded(scene: Scene) -> None:
    run = accepted_by_all(scene)
    with Bender(of_one("ada", "libraries", "wrong type")).around(scene.tv):
        found = asked(scene)
    ada = move_of(run, "ada")
    assert (found.accepted, found.waiting, found.untold) == (2, 1, ("ada",))
    assert ada.status is MoveStatus.INVITED
    assert ada.unreadable and "cannot be told" in ada.detail and "share of ada" in ada.detail
    assert not move_of(run, "ben").unreadable
    days_later("ada")
    assert reminders.remind_due() == []
    asked(scene)
    ada = move_of(run, "ada")
    assert (ada.unreadable, ada.detail, ada.accepted) == (False, "", True)


def test_who_still_waits_and_can_be_read_again_is_reminded(scene: Scene) -> None:
    run = invited_and_unreadable(scene)
    assert "cannot be told" in move_of(run, "ada").detail and not move_of(run, "ben").detail
    found = asked(scene)
    assert found.untold == () and (move_of(run, "ada").unreadable, move_of(run, "ada").detail) == (False, "")
    days_later("ada")
    assert [mail.recipient for mail in reminders.remind_due()] == ["ada@example.test"]


def test_what_their_detail_says_decides_nothing(scene: Scene) -> None:
    run = invited_and_unreadable(scene)
    said = move_of(run, "ada").detail
    for name, detail in (("ada", "Said otherwise."), ("ben", said)):
        move_of(run, name).detail = detail
        days_later(name)
    assert [mail.recipient for mail in reminders.remind_due()] == ["ben@example.test"]
    with Bender(of_one("ada", "id", "null")).around(scene.tv):
        assert asked(scene).untold == ("ada",)
    assert (move_of(run, "ada").detail, move_of(run, "ben").detail) == (said, said)


def test_an_invite_that_is_withdrawn_is_no_longer_one_that_cannot_be_read(scene: Scene) -> None:
    run = invited_and_unreadable(scene)
    assert move_of(run, "ada").unreadable
    Setting.current().pace_s = 0.0
    invites.withdraw(move_of(run, "ada"))
    db.session.commit()
    db.session.expire_all()
    ada = move_of(run, "ada")
    assert (ada.status, ada.unreadable) == (MoveStatus.FAILED, False) and ada.detail.startswith(invites.WITHDRAWN)


def test_an_invite_that_is_taken_back_is_no_longer_one_that_cannot_be_read(scene: Scene) -> None:
    run = invited_and_unreadable(scene)
    back = undo.start_undo(run)
    db.session.commit()
    db.session.expire_all()
    assert move_of(run, "ada").unreadable, "until it is withdrawn it may be accepted"
    scene.finish(back)
    db.session.expire_all()
    ada = move_of(run, "ada")
    assert (ada.status, ada.detail, ada.unreadable) == (MoveStatus.FAILED, "The invite was taken back.", False)


def test_nobody_is_gone_while_a_row_may_be_theirs(scene: Scene) -> None:
    run = accepted_by_all(scene)
    with Bender(by_number_only).around(scene.tv):
        found = asked(scene)
    ada = move_of(run, "ada")
    assert ada.status is MoveStatus.INVITED and "cannot be told" in ada.detail and found.untold == ("ada",)
    assert scene.opened("ada", scene.source) == {"Films"}
    asked(scene)
    assert move_of(run, "ada").accepted
