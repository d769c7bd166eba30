"""Somebody of whom a server tells nothing that can be read is judged by what is known of them, and is told where to look."""

from __future__ import annotations

import pytest

from panel.domain.reasons import Reason
from panel.domain.statuses import MoveStatus, Removal
from panel.extensions import db
from panel.jobs import invites
from panel.models import Account, Evidence, Migration, User
from panel.models.types import utc_now
from panel.platforms.base import Member
from panel.services.preflight import Preflight
from panel.services.roster import Roster
from panel.services.run import steer
from panel.services.user_facts import all_users
from tests.run.bending import Bender, of_one
from tests.run.test_unreadable import hosts, move_of, set_up
from tests.scene import Scene


def user(name: str) -> User:
    return db.session.scalars(db.select(User).where(User.name == name)).one()


def reasons_of(flight: Preflight, name: str) -> tuple[Reason, ...]:
    return next(verdict.reasons for verdict in flight.verdicts if verdict.candidate.name == name)


def declined(scene: Scene) -> Migration:
    """Ada's account on the source is closed, and the invite she got for it is gone: she is tried again."""
    set_up(scene, "jellyfin", "plex")
    run = scene.move(removal=Removal.AT_ONCE)
    assert move_of(run, "ada").taken_at is not None and scene.opened("ada", scene.source) is None
    scene.tv.remove(scene.target.sim.share_of("ada@example.test"))
    invites.check(scene.target.row.id)
    db.session.expire_all()
    steer.retry(run, move_of(run, "ada").id)
    db.session.commit()
    return run


def test_who_was_removed_already_is_invited_again_though_the_closed_account_cannot_be_read(scene: Scene) -> None:
    run = declined(scene)
    with Bender(of_one("ada", "Policy", "null")).around(scene.source.sim):
        scene.finish(run)
    assert move_of(run, "ada").status is MoveStatus.INVITED
    assert scene.target.sim.share_of("ada@example.test") is not None


def test_who_was_removed_already_and_cannot_be_read_on_the_target_fails_until_they_can(scene: Scene) -> None:
    run = declined(scene)
    scene.tv.share(scene.target.sim, scene.tv.add_account("ada", "ada@example.test"), ["Films"], accepted=True)
    with Bender(of_one("ada", "libraries", "wrong type")).around(scene.tv):
        scene.finish(run)
    ada = move_of(run, "ada")
    assert (ada.status, ada.retryable) == (MoveStatus.FAILED, True)
    assert ada.detail.startswith("New: plex.tv") and "ada" in ada.detail
    steer.retry(run, ada.id)
    db.session.commit()
    scene.finish(run)
    assert move_of(run, "ada").status is MoveStatus.MOVED and scene.opened("ada") == {"Films", "Shows"}


def test_who_was_given_something_fails_and_is_not_passed_over(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    move_of(run, "ada").given_at = utc_now()
    db.session.commit()
    with Bender(of_one("ada", "Policy", "null")).around(scene.source.sim):
        scene.finish(run)
    ada = move_of(run, "ada")
    assert (ada.status, ada.retryable, ada.reasons) == (MoveStatus.FAILED, True, (Reason.UNREADABLE,))
    assert "“ada”" in ada.detail


@pytest.mark.parametrize("begun", [False, True], ids=["before a run", "in a run"])
def test_who_stays_is_told_on_which_server_and_what_to_do(scene: Scene, begun: bool) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start() if begun else None
    with Bender(of_one("ada", "Policy", "null")).around(scene.source.sim):
        run = scene.finish(run or scene.start())
    ada = move_of(run, "ada")
    assert ada.status is MoveStatus.SKIPPED
    assert ada.detail.startswith("Old: ") and "the account “ada”" in ada.detail and "save it" in ada.detail
    assert "protocol" not in ada.detail


def test_an_account_that_was_renamed_and_has_no_id_is_not_made_twice(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.place(user("ada"), scene.target, ("Films",))
    scene.target.sim.user("ada").name = "ada lovelace"
    db.session.commit()
    run = scene.start()
    with Bender(of_one("ada lovelace", "Id", "null")).around(scene.target.sim):
        scene.finish(run)
    assert scene.outcome(run) == {"ada": "skipped", "ben": "moved", "cleo": "moved"}
    assert move_of(run, "ada").reasons == (Reason.UNREADABLE,) and move_of(run, "ada").detail.startswith("New: ")
    assert scene.target.sim.user("ada") is None and scene.opened("ada", scene.source) == {"Films"}


def test_whose_account_was_renamed_on_the_source_and_has_no_id_is_not_said_to_have_none(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.source.sim.user("ada").name = "ada lovelace"
    with Bender(of_one("ada lovelace", "Id", "null")).around(scene.source.sim):
        flight = scene.preflight()
    assert reasons_of(flight, "ada") == (Reason.UNREADABLE,) and not reasons_of(flight, "ben")


def test_two_accounts_of_one_name_that_are_the_same_users_are_nobody_elses(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    db.session.add(Account(user_id=user("ada").id, server_id=scene.source.row.id, remote_id="old", name="ada", known_by=Evidence.FOUND))
    db.session.commit()
    with Bender(of_one("ada", "Id", "null")).around(*hosts(scene, scene.source)):
        flight = scene.preflight()
    assert reasons_of(flight, "ada") == (Reason.UNREADABLE,)


def test_of_two_accounts_the_one_that_cannot_be_read_counts_before_one_that_is_closed(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    ada, server = user("ada"), scene.source.row
    now = db.session.scalars(db.select(Account.remote_id).where(Account.user_id == ada.id)).one()
    db.session.add(Account(user_id=ada.id, server_id=server.id, remote_id="old", name="ada old", known_by=Evidence.FOUND))
    db.session.commit()
    closed, odd = Member("old", "old", "ada old", disabled=True), Member(now, now, "ada", unreadable="It cannot be read.")
    opened = Member(now, now, "ada", library_ids=frozenset({"1"}))
    for members, counts in [((closed, odd), odd), ((odd, closed), odd), ((odd, opened), opened), ((opened, odd), opened)]:
        assert Roster(server, members, all_users()).of(ada.id) is counts
