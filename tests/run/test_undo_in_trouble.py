"""Taking a run back when something has gone wrong, before or meanwhile: nobody is left without access, nothing is opened too far."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from panel.domain.statuses import MigrationStatus, MoveStatus, Removal
from panel.extensions import db
from panel.models import Migration, Server, User
from panel.models.types import utc_now
from panel.platforms.base import Member
from panel.services import run as running
from panel.services.run import accept, invite_lists, steer, undo
from panel.services.run.accept import check_invites
from panel.services.run.rounds import next_round_of
from panel.services.run.start import Schedule, start
from panel.simulators.http import Call, Fault
from tests.clock import Clock, clock
from tests.run.claiming import choose, closed_without_a_password, housekeep, killed_at, link_to, pair
from tests.run.test_faults import work_off
from tests.run.test_looked_at_first import move_of
from tests.run.test_taken_late import work_until_taking
from tests.run.test_undo import PEOPLE, set_up, shares_on, undo_all
from tests.scene import Scene, Side

__all__ = ["clock"]


def held(scene: Scene) -> set[int | None]:
    return {db.session.scalar(db.select(Server.migration_id).where(Server.id == side.row.id)) for side in scene.sides}


def test_a_removal_whose_answer_was_lost_is_given_back_too(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    sim = scene.source.sim
    sim.faults += [Fault("POST", "/Policy", effect=True, drop=True, times=None)]

    def die(call: Call, moment: str) -> None:
        if call.path.endswith("/Policy") and moment == "after":
            sim.faults.insert(0, Fault(drop=True, times=None))

    sim.on_call = die
    run = scene.move()
    removed = {name for name in PEOPLE if scene.opened(name, scene.source) is None}
    assert removed, "it was carried out"
    assert all(move.taken_at is None for move in run.moves), "but nobody knows"
    sim.on_call = None
    sim.faults.clear()
    back = undo_all(scene, run)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert scene.opened("ada", scene.source) == {"Films"}


def test_nothing_is_withdrawn_from_somebody_whose_source_access_a_later_run_removed(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    first = scene.move(removal=Removal.KEEP)
    scene.move()
    back = undo_all(scene, first)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "failed")
    assert [scene.opened(name) for name in PEOPLE] == [{"Films", "Shows"}] * 2


def test_an_undo_that_is_cancelled_before_it_begins_does_nothing(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    back = undo.start_undo(scene.move(removal=Removal.KEEP))
    db.session.commit()
    steer.cancel(back)
    db.session.commit()
    scene.finish(back)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "cancelled")
    assert [scene.opened(name) for name in PEOPLE] == [{"Films", "Shows"}] * 2


def test_it_stops_with_a_sentence_where_it_cannot_withdraw(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    key, scene.target.row.token = scene.target.row.token, "revoked"
    db.session.commit()
    back = undo_all(scene, run)
    assert (back.status, "refused the key" in back.problem) == (MigrationStatus.FAILED, True)
    assert [scene.opened(name, scene.source) for name in PEOPLE] == [None, None], "nothing was begun"
    scene.target.row.token = key
    db.session.commit()
    steer.retry(back)
    db.session.commit()
    scene.finish(back)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert [scene.opened(name) for name in PEOPLE] == [None, None]


def test_what_was_taken_back_cannot_be_retried_in_the_first_run(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    undo_all(scene, run)
    for move in run.moves:
        with pytest.raises(steer.NotPossible):
            steer.retry(run, move.id)
    assert run.id not in running.due()
    assert held(scene) == {None}


def test_a_further_round_leaves_out_those_who_were_taken_back(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    lara = scene.person("lara", days=(-40, -10))
    run = start(scene.preflight(), Schedule(repeat_every_h=1.0, rounds=3))
    db.session.commit()
    scene.finish(run)
    undo_all(scene, run)
    following = next_round_of(run)
    assert following is not None
    db.session.add(scene.payment(db.session.get_one(User, lara.id), "Basic", (-1, 30)))
    following.start_at = following.wake_at = utc_now() - timedelta(seconds=1)
    db.session.commit()
    scene.finish(following)
    assert scene.outcome(following) == {"lara": "moved"}
    assert scene.opened("ada", scene.source) == {"Films"}


def test_an_access_with_libraries_the_panel_does_not_know_comes_back_whole(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    account = scene.source.sim.user("ada")
    account.policy["EnabledFolders"] = [*account.policy["EnabledFolders"], "0123456789abcdef0123456789abcdef"]
    before = sorted(account.policy["EnabledFolders"])
    run = scene.move()
    back = undo_all(scene, run)
    assert scene.outcome(back)["ada"] == "moved"
    assert sorted(scene.source.sim.user("ada").policy["EnabledFolders"]) == before
    assert scene.opened("ada") is None


def test_no_more_is_given_back_than_there_was_when_the_run_began(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    scene.person("ben", libraries=("Films", "Shows", "Home videos"))
    share = scene.source.sim.share_of("ben@example.test")
    share.section_ids = [section.id for section in scene.source.sim.sections if section.title == "Films"]
    run = scene.move()
    back = undo_all(scene, run)
    for waiting in [one for one in scene.tv.shares_of(scene.source.sim) if not one.accepted]:
        scene.tv.accept(waiting)
    check_invites(scene.source.row)
    scene.finish(back)
    assert scene.opened("ben", scene.source) == {"Films"}


def test_a_plex_share_that_was_there_before_is_as_it_was(scene: Scene) -> None:
    set_up(scene, "plex", "plex", one_owner=True)
    scene.place(db.session.scalars(db.select(User).where(User.name == "ada")).one(), scene.target, ("Home videos",))
    db.session.commit()
    run = scene.move()
    assert scene.opened("ada") == {"Films", "Shows"}
    back = undo_all(scene, run, "ada")
    for waiting in [one for one in scene.tv.shares_of(scene.source.sim) if not one.accepted]:
        scene.tv.accept(waiting)
    check_invites(scene.source.row)
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "moved"}
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == ({"Home videos"}, {"Films"})


def test_a_restriction_set_since_on_a_plex_share_that_was_there_before_is_not_lifted(scene: Scene) -> None:
    set_up(scene, "plex", "plex", one_owner=True)
    scene.place(db.session.scalars(db.select(User).where(User.name == "ben")).one(), scene.target, ("Home videos",))
    db.session.commit()
    run = scene.move()
    assert scene.opened("ben") == {"Films", "Shows"}
    settings = scene.target.sim.share_of("ben@example.test").relation.settings
    assert not settings["filterTelevision"]
    settings["filterTelevision"] = "contentRating=TV-G"
    back = undo_all(scene, run, "ben")
    for waiting in [one for one in scene.tv.shares_of(scene.source.sim) if not one.accepted]:
        scene.tv.accept(waiting)
    check_invites(scene.source.row)
    scene.finish(back)
    assert scene.outcome(back) == {"ben": "moved"}
    assert scene.opened("ben") == {"Home videos"}
    assert scene.target.sim.share_of("ben@example.test").relation.settings["filterTelevision"] == "contentRating=TV-G"


def test_a_later_retry_of_others_forgets_no_share_that_was_given_back(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.target.sim.faults.append(Fault("POST", "/Users/New", status=403, skip=1, times=None))
    run = scene.move()
    scene.target.sim.faults.clear()
    (moved,) = [move.name for move in run.moves if move.status is MoveStatus.MOVED]
    (failed,) = [move for move in run.moves if move.status is MoveStatus.FAILED]
    undo_all(scene, run, moved)
    steer.retry(run, failed.id)
    db.session.commit()
    scene.finish(run)
    assert shares_on(scene.source) == {moved}


def test_an_account_made_anew_for_somebody_whose_own_was_deleted_is_never_left_open(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin")
    run = scene.move()
    sim = scene.source.sim
    sim.delete_account(sim.user("ada"))
    sim.faults.extend(Fault("POST", path, status=500, times=None) for path in ("/Password", "/Policy"))
    back = undo_all(scene, run, "ada")
    sim.faults.clear()
    assert sim.can_sign_in("ada", ""), "nothing could be closed"
    for move in back.moves:
        move.secure_after = None
    db.session.commit()
    assert back.id in running.due()
    running.work(back.id)
    assert not sim.can_sign_in("ada", "")


def test_after_a_removal_at_once_an_invite_that_is_gone_is_given_anew(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move(removal=Removal.AT_ONCE)
    scene.tv.withdraw(next(share for share in scene.tv.shares_of(scene.target.sim) if share.email == "ada@example.test"))
    check_invites(scene.target.row)
    db.session.expire_all()
    assert scene.outcome(run)["ada"] == "failed"
    steer.retry(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "invited"
    assert len(scene.tv.shares_of(scene.target.sim)) == 2


def test_an_invite_sent_while_the_list_was_read_is_not_taken_for_gone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.start()
    ask = invite_lists.lists_of

    def slowly(server: Server, others: Sequence[Server]) -> dict[int, list[Member]]:
        lists = ask(server, others)
        scene.finish(run)
        return lists

    monkeypatch.setattr(accept, "lists_of", slowly)
    check_invites(scene.target.row)
    db.session.expire_all()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "invited")


def closed_by_a_link_before_the_removal(scene: Scene, clock: Clock, *, all_libraries: bool) -> tuple[Migration, Side, Side]:
    """A run that has taken ada on from the server on which an earlier one had made her account, with the account closed at the moment of
    the removal: her link had closed it to set a password, and died. By now it would have been opened again."""
    pair(scene)
    first = scene.move()
    third, new = scene.add_server("jellyfin", "Third"), scene.target
    if all_libraries:
        new.sim.user("ada").policy.update(EnableAllFolders=True, EnabledFolders=[])
    scene.sides[:] = [new, third]
    run = scene.start()
    work_until_taking(scene, run)
    token = link_to(first.moves[0])
    with killed_at(3, "after"):
        choose(token)
    assert new.sim.user("ada").policy["IsDisabled"], "the trap is set"
    clock.ahead += timedelta(minutes=3)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"}
    housekeep()
    return run, new, third


@pytest.mark.parametrize("all_libraries", [False, True])
def test_an_account_that_a_link_had_closed_when_it_was_removed_stays_removed_and_is_given_back_open(
    scene: Scene, clock: Clock, all_libraries: bool
) -> None:
    run, new, third = closed_by_a_link_before_the_removal(scene, clock, all_libraries=all_libraries)
    assert scene.opened("ada", new) is None and scene.opened("ada", third) == {"Films", "Shows"}
    assert new.sim.user("ada").policy["EnabledFolders"] == [] and not new.sim.user("ada").policy["EnableAllFolders"]
    back = undo.start_undo(run)
    db.session.commit()
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "moved"}
    opened = scene.opened("ada", new)
    assert opened is not None and opened >= {"Films", "Shows"} and (len(opened) > 2) is all_libraries
    assert scene.opened("ada", third) is None and not new.sim.can_sign_in("ada", "")


def test_who_is_given_back_a_closed_account_keeps_the_other_one(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    ada = move_of(run, "ada")
    settings = ada.taken["settings"]
    assert isinstance(settings, dict)
    ada.taken = {**ada.taken, "settings": {**settings, "IsDisabled": True}}
    db.session.commit()
    back = undo.start_undo(run)
    db.session.commit()
    work_off(scene, back)
    assert scene.outcome(back) == {"ada": "failed", "ben": "moved"}
    assert scene.opened("ada") == {"Films", "Shows"} and scene.opened("ben") is None


def test_an_account_with_all_libraries_that_a_link_had_closed_is_withdrawn_all_the_same(scene: Scene, clock: Clock) -> None:
    pair(scene)
    run = scene.move()
    scene.target.sim.user("ada").policy.update(EnableAllFolders=True, EnabledFolders=[])
    closed_without_a_password(scene, run.moves[0])
    back = undo.start_undo(run)
    db.session.commit()
    scene.finish(back)
    clock.ahead += timedelta(minutes=3)
    housekeep()
    assert scene.outcome(back) == {"ada": "moved"}
    assert scene.opened("ada") is None and scene.opened("ada", scene.source) == {"Films"}
