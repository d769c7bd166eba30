"""Somebody of whom a server tells nothing that can be read: what is known of them stays, nothing is done about them, the others go on."""

from __future__ import annotations

import pytest

from panel.domain.reasons import Reason
from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.jobs import invites
from panel.models import Migration, Move, Share, User
from panel.services import run as running
from panel.services.run import steer
from panel.services.shares import ServerBusy, read_again
from panel.services.sync import sync_server
from panel.simulators.http import Call
from tests.run.bending import Bender, of_one
from tests.scene import Scene, Side

WRONG = [("emby", "Policy"), ("emby", "Id"), ("jellyfin", "Name"), ("plex", "id"), ("plex", "libraries"), ("plex", "machineIdentifier")]


def set_up(scene: Scene, source: str, target: str) -> None:
    """Two people on the source."""
    scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    for name in ("ada", "ben", "cleo"):
        scene.person(name)


def hosts(scene: Scene, side: Side) -> tuple[object, ...]:
    """Who answers for a server."""
    return (scene.tv, side.sim) if side.kind.value == "plex" else (side.sim,)


def shares_on(side: Side) -> dict[str, tuple[str, list[str]]]:
    """Name → the platform's id and the libraries, as the panel has them."""
    rows = db.session.scalars(db.select(Share).where(Share.server_id == side.row.id, Share.is_owner.is_(False)))
    return {share.user.name: (share.remote_id, sorted(library.name for library in share.libraries)) for share in rows}


def move_of(run: Migration, name: str) -> Move:
    return next(move for move in run.moves if move.name == name)


@pytest.mark.parametrize(("platform", "path"), WRONG)
def test_a_sync_leaves_what_is_known_of_them_and_says_so(scene: Scene, platform: str, path: str) -> None:
    set_up(scene, platform, "jellyfin")
    for name in ("dan", "eve"):
        scene.person(name)
    before, people = shares_on(scene.source), db.session.query(User).count()
    scene.place(db.session.scalars(db.select(User).where(User.name == "ben")).one(), scene.target, ("Films",))
    side = scene.source
    if platform == "plex":
        scene.tv.remove(side.sim.share_of("cleo@example.test"))
    else:
        side.sim.users.pop(side.sim.user("cleo").id)
    db.session.commit()
    with Bender(of_one("ada", path, "null")).around(*hosts(scene, side)):
        result = sync_server(side.row)
    assert not result.problem, result.problem
    assert result.note.startswith("What the server tells of these cannot be read") and "ada" in result.note
    assert db.session.query(User).count() == people + (platform != "plex"), "nobody is made out of it; the administrator is new"
    assert shares_on(side)["ada"] == before["ada"]
    gone = "cleo" not in shares_on(side)
    assert gone or path == "Id", "who is missing is gone, unless the one without an id may be them"
    assert shares_on(side)["ben"] == before["ben"]


@pytest.mark.parametrize(("platform", "path"), [("emby", "Policy"), ("jellyfin", "Id"), ("plex", "libraries")])
def test_an_entry_that_is_read_again_stays_as_it_was(scene: Scene, platform: str, path: str) -> None:
    set_up(scene, platform, "jellyfin")
    before = shares_on(scene.source)
    share = db.session.scalars(db.select(Share).where(Share.account_name == "ada")).one()
    with Bender(of_one("ada", path, "null")).around(*hosts(scene, scene.source)), pytest.raises(ServerBusy, match="Nothing was changed"):
        read_again(share)
    db.session.rollback()
    assert shares_on(scene.source) == before


def test_of_two_invites_one_that_cannot_be_read_waits_on(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    with Bender(of_one("ada", "libraries", "wrong type")).around(scene.tv):
        invites.check(scene.target.row.id)
    running.work(run.id)
    db.session.expire_all()
    assert scene.outcome(run) == {"ada": "invited", "ben": "moved", "cleo": "moved"}
    assert scene.opened("ada", scene.source) == {"Films"}
    invites.check(scene.target.row.id)
    running.work(run.id)
    db.session.expire_all()
    assert scene.outcome(run)["ada"] == "moved"


@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
def test_who_cannot_be_read_before_a_run_stays_with_that_reason(scene: Scene, side: int) -> None:
    set_up(scene, "jellyfin", "emby")
    if side:
        scene.place(db.session.scalars(db.select(User).where(User.name == "ada")).one(), scene.target, ("Films",))
        db.session.commit()
    run = scene.start()
    with Bender(of_one("ada", "Policy", "null")).around(scene.sides[side].sim):
        scene.finish(run)
    assert scene.outcome(run) == {"ada": "skipped", "ben": "moved", "cleo": "moved"}
    assert move_of(run, "ada").reasons == (Reason.UNREADABLE,)
    assert scene.opened("ada", scene.source) == {"Films"}


@pytest.mark.parametrize(("source", "path"), [("jellyfin", "Policy"), ("emby", "Name")])
def test_who_cannot_be_read_any_more_once_they_are_to_be_taken_is_left_and_a_retry_takes_them(scene: Scene, source: str, path: str) -> None:
    set_up(scene, source, "emby")
    bender, begun = Bender(of_one("ada", path, "missing")), []

    def begin(call: Call, moment: str) -> None:
        if call.path.endswith("/Users/New") and not begun:
            begun.append(bender.around(scene.source.sim))
            begun[0].__enter__()

    run = scene.start()
    scene.target.sim.on_call = begin
    scene.finish(run)
    assert begun and bender.bent
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    ada = move_of(run, "ada")
    assert "the account" in ada.detail and "cannot be read" in ada.detail and ada.retryable
    assert scene.opened("ada", scene.source) == {"Films"} and scene.opened("ada") == {"Films", "Shows"}
    assert scene.opened("ben", scene.source) is None
    begun[0].__exit__(None, None, None)
    steer.retry(run, ada.id)
    db.session.commit()
    scene.finish(run)
    assert move_of(run, "ada").status is MoveStatus.MOVED and scene.opened("ada", scene.source) is None


def test_an_account_of_emby_that_was_made_and_cannot_be_read_gets_a_password(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    with Bender(of_one("ada", "Policy", "null")).around(scene.target.sim):
        scene.finish(run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    assert scene.target.sim.user("ada") is not None and not scene.target.sim.can_sign_in("ada", "")
    assert not [moment for moment in scene.target.sim.exposed_moments() if moment[1] > 1], "within one request"
