"""The removal that comes late: nobody loses the source access on a read-back that is not fresh, or because of a run that a later one has
overtaken, and the panel forgets no share that exists."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.domain.statuses import MoveStatus, Removal, Step
from panel.extensions import db
from panel.models import Migration, Share
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.preflight import ask_both, assess
from panel.services.run import steer, undo
from panel.services.run.accept import check_invites
from panel.services.run.start import start
from panel.simulators.http import Call, Fault
from tests.scene import Scene, Side


def set_up(scene: Scene, source: str = "jellyfin", target: str = "emby", *people: str) -> None:
    """Two servers, and people on the first."""
    scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    for name in people or ("ada", "ben"):
        scene.person(name)


def go(scene: Scene, source: Side, target: Side) -> Migration:
    """A whole run between any two of the servers."""
    flight = assess(source.row, target.row, looks=ask_both(source.row, target.row), pace_s=0.0)
    db.session.commit()
    run = start(flight)
    db.session.commit()
    return scene.finish(run)


def refuse_removal(scene: Scene, name: str, status: int) -> None:
    """The source refuses to change this account."""
    sim = scene.source.sim
    sim.faults.append(Fault("POST", f"/Users/{sim.user(name).id}/Policy", status=status, times=None, body="no"))


def retry(scene: Scene, run: Migration, name: str | None = None) -> None:
    """Retry one or all, worked off."""
    steer.retry(run, next((move.id for move in run.moves if move.name == name), None))
    db.session.commit()
    scene.finish(run)


def lists_of(side: Side) -> int:
    """How often everybody of an Emby or Jellyfin server was asked for."""
    return sum(call.path.rstrip("/").endswith(("/Users", "/Users/Query")) for call in (entry.call for entry in side.sim.journal))


def work_until_taking(scene: Scene, run: Migration) -> None:
    """Up to the moment in which everybody has been read back and nobody has been taken."""
    for _ in range(20):
        db.session.expire_all()
        if all(move.step is Step.TAKE for move in run.moves):
            return
        running.work(run.id, slice_s=0)
    raise AssertionError([(move.name, move.step, move.status) for move in run.moves])


def stored_on(side: Side) -> set[str]:
    """Who has access to a server as far as the panel knows."""
    return {share.user.name for share in db.session.scalars(db.select(Share).where(Share.server_id == side.row.id))}


def test_a_retry_takes_nothing_from_somebody_whom_a_later_run_has_moved_back(scene: Scene) -> None:
    set_up(scene)
    refuse_removal(scene, "ada", 400)
    first = go(scene, *scene.sides)
    assert scene.outcome(first) == {"ada": "failed", "ben": "moved"}
    scene.source.sim.faults.clear()
    later = go(scene, scene.target, scene.source)
    assert (scene.outcome(later)["ada"], scene.opened("ada")) == ("moved", None)
    retry(scene, first, "ada")
    assert scene.opened("ada", scene.source) == {"Films", "Shows"}
    (ada,) = [move for move in first.moves if move.name == "ada"]
    assert (ada.status, ada.step, ada.taken_at) == (MoveStatus.SKIPPED, Step.DONE, None)
    assert f"Migration {later.id} has moved this user since" in ada.detail
    assert "ada" in stored_on(scene.source)


def test_a_retry_takes_nothing_from_somebody_whom_a_later_run_has_taken_on(scene: Scene) -> None:
    set_up(scene)
    refuse_removal(scene, "ada", 400)
    first = go(scene, *scene.sides)
    scene.source.sim.faults.clear()
    third = scene.add_server("jellyfin", "Third")
    go(scene, scene.target, third)
    assert scene.opened("ada") is None
    retry(scene, first, "ada")
    assert (scene.outcome(first)["ada"], scene.opened("ada"), scene.opened("ada", third)) == ("skipped", None, {"Films", "Shows"})
    assert scene.opened("ada", scene.source) == {"Films"}


def test_a_retry_gives_again_first_where_the_target_access_is_gone(scene: Scene) -> None:
    set_up(scene)
    refuse_removal(scene, "ada", 500)
    run = go(scene, *scene.sides)
    assert scene.outcome(run)["ada"] == "failed"
    scene.source.sim.faults.clear()
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    retry(scene, run)
    assert scene.outcome(run)["ada"] == "moved"
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == ({"Films", "Shows"}, None)


def test_a_retry_makes_an_account_anew_where_it_was_deleted(scene: Scene) -> None:
    set_up(scene)
    refuse_removal(scene, "ada", 500)
    run = go(scene, *scene.sides)
    scene.source.sim.faults.clear()
    scene.target.sim.delete_account(scene.target.sim.user("ada"))
    retry(scene, run)
    assert scene.outcome(run)["ada"] == "moved"
    assert (scene.opened("ada"), scene.target.sim.can_sign_in("ada", "")) == ({"Films", "Shows"}, False)


def test_who_may_not_move_any_more_keeps_the_source_access_where_the_target_access_is_gone(scene: Scene) -> None:
    set_up(scene)
    refuse_removal(scene, "ada", 500)
    run = go(scene, *scene.sides)
    scene.source.sim.faults.clear()
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    (ada,) = [move for move in run.moves if move.name == "ada"]
    for payment in ada.user.payments:
        payment.end_at = utc_now() - timedelta(days=1)
    db.session.commit()
    retry(scene, run)
    assert scene.outcome(run)["ada"] == "skipped"
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == (None, {"Films"})


def test_after_a_pause_everybody_is_looked_at_again(scene: Scene) -> None:
    set_up(scene)
    run = scene.start()
    work_until_taking(scene, run)
    steer.pause(run)
    db.session.commit()
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    scene.target.sim.user("ben").policy["EnabledFolders"] = []
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}
    assert [scene.opened(name) for name in ("ada", "ben")] == [{"Films", "Shows"}] * 2
    assert [scene.opened(name, scene.source) for name in ("ada", "ben")] == [None, None]


@pytest.mark.parametrize("cancelled", [False, True])
def test_hours_after_the_read_back_it_is_repeated_once_for_everybody(scene: Scene, cancelled: bool) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben", "cleo", "dora")
    run = scene.start()
    work_until_taking(scene, run)
    run.looked_at = utc_now() - timedelta(hours=2)
    if cancelled:
        steer.cancel(run)
    db.session.commit()
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    scene.target.sim.journal.clear()
    scene.finish(run)
    assert [scene.opened(name, scene.source) for name in ("ben", "cleo", "dora")] == [None] * 3
    if cancelled:
        assert (scene.outcome(run)["ada"], scene.opened("ada", scene.source)) == ("failed", {"Films"})
        (ada,) = [move for move in run.moves if move.name == "ada"]
        assert "the access on Old was left as it was" in ada.detail
        assert lists_of(scene.target) == 1
    else:
        assert (scene.outcome(run)["ada"], scene.opened("ada")) == ("moved", {"Films", "Shows"})


def test_a_removal_after_acceptance_looks_at_the_target_as_well(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = go(scene, *scene.sides)
    assert set(scene.outcome(run).values()) == {"invited"}
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    assert check_invites(scene.target.row) == [run.id]
    scene.tv.remove(scene.target.sim.share_of("ada@example.test"))
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved"}
    assert (scene.opened("ada", scene.source), scene.opened("ben", scene.source)) == ({"Films"}, None)
    retry(scene, run)
    assert (scene.outcome(run)["ada"], scene.opened("ada", scene.source)) == ("invited", {"Films"})


def test_an_undo_takes_nothing_on_an_old_read_back(scene: Scene) -> None:
    set_up(scene)
    run = scene.move(removal=Removal.KEEP)
    back = undo.start_undo(run)
    db.session.commit()
    work_until_taking(scene, back)
    steer.pause(back)
    db.session.commit()
    scene.source.sim.user("ada").policy["IsDisabled"] = True
    steer.resume(back)
    db.session.commit()
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "failed", "ben": "moved"}
    assert (scene.opened("ada"), scene.opened("ben")) == ({"Films", "Shows"}, None)


def test_a_retry_of_others_forgets_no_share_that_was_given_again(scene: Scene) -> None:
    set_up(scene, "jellyfin", "jellyfin")
    scene.target.sim.faults.append(Fault("POST", "/Users/New", status=403, skip=1, times=1, body="no"))
    first = go(scene, *scene.sides)
    (moved,) = [move.name for move in first.moves if move.status is MoveStatus.MOVED]
    (failed,) = [move.name for move in first.moves if move.status is MoveStatus.FAILED]
    go(scene, scene.target, scene.source)
    assert scene.opened(moved, scene.source) == {"Films", "Shows"}
    retry(scene, first, failed)
    assert (scene.outcome(first)[failed], stored_on(scene.source)) == ("moved", {moved})


@pytest.mark.parametrize("shared_anew", [True, False])
def test_a_plex_share_that_was_made_anew_while_the_invite_waited_is_removed_too(scene: Scene, shared_anew: bool) -> None:
    set_up(scene, "plex", "plex")
    run = go(scene, *scene.sides)
    assert scene.outcome(run) == {"ada": "invited", "ben": "invited"}
    old, person = scene.source.sim.share_of("ada@example.test"), scene.tv.find("ada@example.test")
    scene.tv.remove(old)
    if shared_anew:
        assert scene.tv.share(scene.source.sim, person, ["Films"], accepted=True).id != old.id
    scene.tv.accept(scene.target.sim.share_of("ada@example.test"))
    check_invites(scene.target.row)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved", "ben": "invited"}
    assert (scene.opened("ada", scene.source), scene.opened("ben", scene.source)) == (None, {"Films"})
    assert "ada" not in stored_on(scene.source)


def test_a_paced_run_reads_back_once_for_many_users_however_often_it_is_let_go_of(scene: Scene) -> None:
    set_up(scene, "plex", "jellyfin", *(f"person{number}" for number in range(6)))
    run = scene.start(pace_s=0.01)
    scene.target.sim.journal.clear()
    stretches = 0
    while run.ended_at is None:
        stretches += 1
        assert stretches < 200
        running.work(run.id, slice_s=0)
        db.session.refresh(run)
    assert set(scene.outcome(run).values()) == {"moved"}
    assert stretches > 6
    assert lists_of(scene.target) <= 3, "judging, and one read-back for all"


def test_somebody_in_hand_is_let_go_of_where_the_target_cannot_be_looked_at(scene: Scene) -> None:
    set_up(scene)
    run = scene.start()
    work_until_taking(scene, run)
    for move in run.moves:
        move.claim = run.epoch
    key, scene.target.row.token = scene.target.row.token, "revoked"
    db.session.commit()
    scene.finish(run)
    assert (set(scene.outcome(run).values()), run.ended_at is None) == ({"failed"}, False)
    assert [scene.opened(name, scene.source) for name in ("ada", "ben")] == [{"Films"}] * 2
    scene.target.row.token = key
    db.session.commit()
    retry(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"}


def test_somebody_who_has_accepted_waits_for_a_target_that_is_away(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = go(scene, *scene.sides)
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    check_invites(scene.target.row)
    scene.tv.faults.append(Fault(status=503, times=None))
    scene.finish(run)
    for _ in range(6):
        db.session.refresh(run)
        run.wake_at = None
        db.session.commit()
        running.work(run.id)
    db.session.refresh(run)
    assert run.wake_at is not None
    assert run.wake_at > utc_now() + timedelta(seconds=60)
    assert [scene.opened(name, scene.source) for name in ("ada", "ben")] == [{"Films"}] * 2
    scene.tv.faults.clear()
    run.wake_at = None
    db.session.commit()
    running.work(run.id)
    db.session.expire_all()
    assert set(scene.outcome(run).values()) == {"moved"}


def hidden_from_the_next_list(side: Side, name: str) -> list[str]:
    """The next list of everybody leaves this account out; answers whom it has left out so far."""
    sim, left_out = side.sim, []
    account = sim.user(name)

    def hide(call: Call, moment: str) -> None:
        if not call.path.rstrip("/").endswith("/Users") or call.method != "GET":
            return
        if moment == "before":
            left_out.append(sim.users.pop(account.id).name)
        else:
            sim.users[account.id] = account
            sim.on_call = None

    sim.on_call = hide
    return left_out


@pytest.mark.parametrize(("source", "target"), [("emby", "jellyfin"), ("jellyfin", "emby")])
def test_an_account_that_is_missing_in_one_list_is_removed_all_the_same(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    run = scene.start()
    work_until_taking(scene, run)
    left_out = hidden_from_the_next_list(scene.source, "ada")
    scene.finish(run)
    assert left_out == ["ada"]
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}
    assert [scene.opened(name, scene.source) for name in ("ada", "ben")] == [None, None]
    assert all(move.taken["libraries"] for move in run.moves), "what it was is kept, to give it back"


def test_nobody_counts_as_removed_while_it_cannot_be_found_out_whether_they_are(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin")
    run = scene.start()
    work_until_taking(scene, run)
    sim = scene.source.sim
    left_out = hidden_from_the_next_list(scene.source, "ada")
    sim.faults.append(Fault("GET", f"/Users/{sim.user('ada').id}$", status=500, times=None))
    scene.finish(run)
    assert left_out == ["ada"]
    assert [scene.opened(name, scene.source) for name in ("ada", "ben")] == [None, None], "the next list had her"
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}


def test_after_a_request_to_slow_down_nobody_of_the_same_batch_is_removed(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin")
    run = scene.start()
    work_until_taking(scene, run)
    sim = scene.source.sim
    left_out = hidden_from_the_next_list(scene.source, "ada")
    sim.faults.append(Fault("GET", f"/Users/{sim.user('ada').id}$", status=429, headers={"Retry-After": "40"}))
    running.work(run.id)
    statuses = [entry.status for entry in sim.journal]
    assert left_out == ["ada"] and statuses.index(429) == len(statuses) - 1, "nothing was asked for after it"
    db.session.expire_all()
    assert {move.name: (move.step, move.claim, move.taken) for move in run.moves} == {
        name: (Step.TAKE, None, {}) for name in ("ada", "ben")
    }
    assert [scene.opened(name, scene.source) for name in ("ada", "ben")] == [{"Films"}, {"Films"}]


def test_an_account_that_slips_over_the_border_of_two_pages_is_removed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panel.platforms.emby.PAGE", 2)
    set_up(scene, "emby", "jellyfin", "ada", "ben", "cleo")
    sim = scene.source.sim
    for name in ("aaa", "aab"):
        sim.add_user(name, "x", libraries=["Films"])
    sim.no_users_route = True
    run = scene.start()
    work_until_taking(scene, run)

    def delete_one(call: Call, moment: str) -> None:
        if call.path.endswith("/Users/Query") and moment == "after":
            sim.on_call = None
            sim.delete_account(sim.user("aaa"))

    sim.on_call = delete_one
    scene.finish(run)
    assert sim.user("aaa") is None
    assert set(scene.outcome(run).values()) == {"moved"}
    assert [scene.opened(name, scene.source) for name in ("ada", "ben", "cleo")] == [None] * 3


def test_a_share_that_belongs_to_another_person_by_now_is_left_alone(scene: Scene) -> None:
    set_up(scene, "plex", "jellyfin")
    run = scene.start()
    work_until_taking(scene, run)
    tv, ada = scene.tv, scene.tv.find("ada@example.test")
    tv.remove(scene.source.sim.share_of("ada@example.test"))
    ada.email = "ada.of.old@example.test"
    another = tv.add_account("someone", "ada@example.test")
    tv.share(scene.source.sim, another, ["Shows"])
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}
    assert scene.source.sim.share_of(another), "it is not hers"
