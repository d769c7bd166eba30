"""What may happen between the read-back and the removal: a retry, hours, a server that stays away, a clock; and a password that its person
has chosen by then."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Account, Email, Migration, Move, Setting, Share
from panel.models.types import utc_now
from panel.platforms.base import PlatformError
from panel.services import run as running
from panel.services.claims import choosing, links
from panel.services.claims.unclaimed import unclaimed_among
from panel.services.run import steer, undo
from panel.services.run.accept import check_invites
from panel.services.run.check import is_fresh
from panel.services.run.removal import Removal
from panel.services.run.take import Taking
from panel.simulators.http import Answer, Call, Fault
from tests.databases import BOTH
from tests.run.test_faults import work_off
from tests.run.test_taken_late import go, refuse_removal, retry, set_up, work_until_taking
from tests.scene import Scene, Side


def move_of(run: Migration, name: str) -> Move:
    """The row of this user."""
    return next(move for move in run.moves if move.name == name)


def choose(run: Migration, name: str) -> None:
    """The person opens their link and chooses a password."""
    link = links.find(links.CLAIM, links.make(links.CLAIM, move_of(run, name).id))
    assert link is not None
    choosing.choose_password(link, f"chosen by {name}")


def later(hours: float) -> None:
    """So long ago was the last look."""
    for run in db.session.scalars(select(Migration)):
        run.looked_at = utc_now() - timedelta(hours=hours)
    db.session.commit()


def test_a_retry_while_others_are_taken_is_looked_at_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "emby", "ada", *(f"person{number}" for number in range(12)))
    run = scene.start()
    work_until_taking(scene, run)
    ada = move_of(run, "ada")
    ada.status, ada.retryable = MoveStatus.FAILED, True
    db.session.commit()
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    noted = Taking.note
    taken: list[str] = []

    def note(self: Taking, removal: Removal, outcome: PlatformError | None) -> None:
        noted(self, removal, outcome)
        taken.append(removal.move.name)
        if len(taken) == 3:
            db.session.commit()
            steer.retry(db.session.get_one(Migration, run.id), ada.id)
            db.session.commit()

    monkeypatch.setattr(Taking, "note", note)
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "moved"
    assert scene.opened("ada") == {"Films", "Shows"}, "given again before anything was removed"


def test_what_a_person_has_chosen_survives_that_access_is_given_again(scene: Scene) -> None:
    set_up(scene)
    run = scene.start()
    work_until_taking(scene, run)
    choose(run, "ada")
    scene.target.sim.user("ada").policy["EnabledFolders"] = []
    later(hours=2)
    scene.finish(run)
    assert (scene.outcome(run)["ada"], scene.opened("ada")) == ("moved", {"Films", "Shows"})
    assert scene.target.sim.can_sign_in("ada", "chosen by ada")


def test_it_survives_a_retry_days_later_too(scene: Scene) -> None:
    set_up(scene)
    refuse_removal(scene, "ada", 400)
    run = go(scene, *scene.sides)
    choose(run, "ada")
    scene.source.sim.faults.clear()
    scene.target.sim.user("ada").policy["EnabledFolders"] = []
    retry(scene, run, "ada")
    assert scene.opened("ada") == {"Films", "Shows"}
    assert scene.target.sim.can_sign_in("ada", "chosen by ada")


def test_an_account_that_is_made_anew_is_told_of_again(scene: Scene) -> None:
    set_up(scene)
    setting = Setting.current()
    setting.smtp_host, setting.public_url = "127.0.0.1", "https://panel.example"
    db.session.commit()
    run = scene.start()
    work_until_taking(scene, run)
    choose(run, "ada")
    scene.target.sim.delete_account(scene.target.sim.user("ada"))
    later(hours=2)
    scene.finish(run)
    ada = move_of(run, "ada")
    assert (ada.status, scene.opened("ada")) == (MoveStatus.MOVED, {"Films", "Shows"})
    assert len(db.session.scalars(select(Email).where(Email.move_id == ada.id)).all()) == 2
    assert ada.id in unclaimed_among(run, [ada.id])


def test_a_run_whose_source_stays_away_ends(app: Flask, scene: Scene) -> None:
    set_up(scene)
    run = scene.start()
    work_until_taking(scene, run)
    scene.source.sim.faults.append(Fault(status=503, times=None))
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], outage_waits_s=(5.0, 15.0, 45.0, 120.0, 300.0))
    for _ in range(20):
        running.work(run.id)
        db.session.expire_all()
        if run.ended_at is not None:
            break
        # The time it wants to wait has passed.
        run.wake_at = None
        later(hours=0.1)
    assert run.ended_at is not None and run.problem
    assert all(scene.opened(name, scene.source) == {"Films"} for name in ("ada", "ben"))


@pytest.mark.parametrize("refused", [True, False])
def test_an_ended_run_whose_source_cannot_be_asked_waits(scene: Scene, refused: bool) -> None:
    set_up(scene, "jellyfin", "plex")
    run = go(scene, *scene.sides)
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    check_invites(scene.target.row)
    scene.source.sim.faults.append(Fault(status=401 if refused else 503, times=None))
    for _ in range(10):
        running.work(run.id)
        db.session.expire_all()
        if run.wake_at is None or (run.wake_at - utc_now()).total_seconds() > 60:
            break
        run.wake_at = None
        later(hours=0.1)
    assert run.wake_at is not None and run.wake_at > utc_now() and run.id not in running.due()
    assert scene.source.row.migration_id is None


def test_a_clock_put_back_makes_no_old_look_fresh(scene: Scene) -> None:
    set_up(scene)
    run = scene.start()
    work_until_taking(scene, run)
    later(hours=-1)
    assert not is_fresh(run)
    running.due()
    db.session.expire_all()
    assert not is_fresh(run)


class Hidden:
    """Accounts that a server's lists leave out, `times` of them (lists of everybody), though they are there."""

    def __init__(self, side: Side, names: tuple[str, ...], times: int) -> None:
        self.sim, self.names, self.left = side.sim, names, times
        self.answer = side.sim.answer
        side.sim.answer = self.without

    def without(self, call: Call) -> Answer:
        """The answer of the server, while it lasts without them."""
        found: Answer = self.answer(call)
        if call.method != "GET" or not call.path.rstrip("/").endswith(("/Users", "/Users/Query")) or self.left <= 0:
            return found
        rows = json.loads(found.body)
        if not isinstance(rows, list):
            return found
        self.left -= 1
        return Answer.of_json([row for row in rows if row["Name"] not in self.names])


def told_by_mail(scene: Scene, source: str = "jellyfin", target: str = "emby") -> Migration:
    """A run in which everybody was read back, was told, and is to be taken; the last look was long ago."""
    set_up(scene, source, target, "ada", "ben", "cleo")
    setting = Setting.current()
    setting.smtp_host, setting.public_url = "127.0.0.1", "https://panel.example"
    db.session.commit()
    run = scene.start()
    work_until_taking(scene, run)
    later(hours=2)
    return run


@pytest.mark.parametrize("target", ["emby", "jellyfin"])
@pytest.mark.parametrize(("names", "lists"), [(("ada", "ben", "cleo"), 1), (("ada",), 1), (("ada",), 2)])
def test_who_is_missing_from_a_list_and_there_in_the_next_keeps_link_and_mail(
    scene: Scene, target: str, names: tuple[str, ...], lists: int
) -> None:
    run = told_by_mail(scene, "emby" if target == "jellyfin" else "jellyfin", target)
    tokens = {move.name: links.make(links.CLAIM, move.id) for move in run.moves}
    db.session.commit()
    Hidden(scene.target, names, lists)
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"} and len(scene.target.sim.users) == 4
    for move in run.moves:
        assert scene.opened(move.name) == {"Films", "Shows"} and scene.opened(move.name, scene.source) is None
        assert links.find(links.CLAIM, tokens[move.name]) is not None
        assert move.id in unclaimed_among(run, [move.id]) and move.account_mail
        assert len(db.session.scalars(select(Email).where(Email.move_id == move.id)).all()) == 1


def test_who_has_chosen_a_password_keeps_it_when_lists_leave_them_out(scene: Scene) -> None:
    run = told_by_mail(scene)
    choose(run, "ada")
    Hidden(scene.target, ("ada",), 2)
    work_off(scene, run)
    assert scene.outcome(run)["ada"] == "moved" and scene.target.sim.can_sign_in("ada", "chosen by ada")
    assert not unclaimed_among(run, [move_of(run, "ada").id])


def test_a_list_that_lacks_nearly_everybody_is_not_believed(scene: Scene) -> None:
    run = told_by_mail(scene)
    hidden = Hidden(scene.target, ("ada", "ben", "cleo"), 1000)
    sent = len(scene.changes(scene.target))
    work_off(scene, run)
    assert run.status == "failed" and "listed none of the 3 people" in run.problem
    assert len(scene.changes(scene.target)) == sent
    assert all(scene.opened(name, scene.source) == {"Films"} for name in ("ada", "ben", "cleo"))
    hidden.left = 0
    retry(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"}


@pytest.mark.parametrize("lists", [3, 4, 1000])
def test_an_account_that_many_lists_in_a_row_leave_out_is_asked_for_by_its_id(scene: Scene, lists: int) -> None:
    run = told_by_mail(scene)
    token = links.make(links.CLAIM, move_of(run, "ada").id)
    db.session.commit()
    hidden = Hidden(scene.target, ("ada",), lists)
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"} and len(scene.target.sim.users) == 4
    assert scene.opened("ada") == {"Films", "Shows"} and scene.opened("ada", scene.source) is None
    link = links.find(links.CLAIM, token)
    assert link is not None
    choosing.choose_password(link, "chosen by ada")
    assert scene.target.sim.can_sign_in("ada", "chosen by ada")
    hidden.left = 0
    back = undo.start_undo(run)
    db.session.commit()
    scene.finish(back)
    assert scene.opened("ada") is None and scene.opened("ada", scene.source) == {"Films"}


@pytest.mark.parametrize("names", [("ada",), ("ada", "ben", "cleo")])
@pytest.mark.parametrize("lists", [1, 2])
def test_who_is_missing_from_the_first_read_back_keeps_the_account_that_was_made(scene: Scene, names: tuple[str, ...], lists: int) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben", "cleo")
    run = scene.start()
    for _ in range(30):
        db.session.expire_all()
        if all(move.step is Step.CHECK for move in run.moves):
            break
        running.work(run.id, slice_s=0)
    made = {move.name: move.target_account_id for move in run.moves}
    assert all(made.values())
    Hidden(scene.target, names, lists)
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"} and len(scene.target.sim.users) == 4
    assert {move.name: move.target_account_id for move in run.moves} == made


def test_about_whom_alone_the_target_says_nothing_fails_alone_and_keeps_the_account(scene: Scene) -> None:
    run = told_by_mail(scene)
    ada = move_of(run, "ada")
    account_id = ada.target_account_id
    hidden = Hidden(scene.target, ("ada",), 1000)
    scene.target.sim.faults.append(Fault("GET", f"/Users/{account_id}$", status=500, times=None))
    work_off(scene, run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    assert ada.retryable and ada.target_member_id == account_id and scene.opened("ada", scene.source) == {"Films"}
    hidden.left = 0
    scene.target.sim.faults.clear()
    retry(scene, run)
    assert scene.outcome(run)["ada"] == "moved" and ada.target_account_id == account_id and len(scene.target.sim.users) == 4


def test_an_account_that_came_in_the_place_of_one_that_is_gone_is_not_taken_over(scene: Scene) -> None:
    run = told_by_mail(scene)
    sim = scene.target.sim
    sim.delete_account(sim.user("ada"))
    stranger = sim.add_user("ada", "a stranger's own", libraries="all")
    work_off(scene, run)
    assert scene.outcome(run) == {"ada": "skipped", "ben": "moved", "cleo": "moved"}
    assert stranger.password == "a stranger's own" and stranger.policy["EnableAllFolders"]
    assert scene.opened("ada", scene.source) == {"Films"}


def test_an_account_that_was_sorted_out_to_somebody_else_is_not_looked_for(scene: Scene) -> None:
    run = told_by_mail(scene)
    sim = scene.target.sim
    account = sim.user("ada")
    account.name, account.policy["IsDisabled"] = "dora", True
    dora = scene.person("dora", plan=None, accepted=False)
    db.session.scalars(select(Account).where(Account.remote_id == account.id)).one().user_id = dora.id
    db.session.commit()
    work_off(scene, run)
    assert scene.outcome(run)["ada"] == "moved" and scene.opened("ada") == {"Films", "Shows"}
    assert account.policy["IsDisabled"] and account.id != move_of(run, "ada").target_account_id


def test_an_undo_finds_again_whom_a_list_left_out(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben", "cleo")
    back = undo.start_undo(scene.move())
    db.session.commit()
    work_until_taking(scene, back)
    later(hours=2)
    Hidden(scene.source, ("ada",), 1)
    work_off(scene, back)
    assert scene.outcome(back)["ada"] == "moved"
    assert (scene.opened("ada", scene.source), scene.opened("ada")) == ({"Films"}, None)


def test_the_late_removal_of_an_older_run_is_no_later_move(scene: Scene) -> None:
    third = scene.add_server("jellyfin", "Third")
    scene.plan("Basic")
    old, new = scene.add_server("emby", "Old"), scene.add_server("jellyfin", "New")
    scene.person("ada", on=third)
    for side in (third, old):
        if side is old:
            refused = side.sim.user("ada").id
            side.sim.faults.append(Fault("POST", f"/Users/{refused}/Policy", status=500, times=None, body="no"))
            second = go(scene, old, new)
        else:
            refuse_removal(scene, "ada", 500)
            first = go(scene, third, old)
        side.sim.faults.clear()
    assert (scene.outcome(first), scene.outcome(second)) == ({"ada": "failed"}, {"ada": "failed"})
    retry(scene, first)
    retry(scene, second)
    assert (scene.outcome(first), scene.outcome(second)) == ({"ada": "moved"}, {"ada": "moved"})
    assert [scene.opened("ada", side) for side in (third, old, new)] == [None, None, {"Films", "Shows"}]


def test_an_ended_run_is_due_again_when_the_next_try_is(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = go(scene, *scene.sides)
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    check_invites(scene.target.row)
    for move in run.moves:
        move.not_before = utc_now() + timedelta(hours=1)
    db.session.commit()
    assert run.id not in running.due()
    for move in run.moves:
        move.not_before = utc_now()
    db.session.commit()
    assert run.id in running.due()
    scene.finish(run)
    assert set(scene.outcome(run).values()) == {"moved"}


def test_one_that_was_made_anew_with_a_lost_answer_was_not_there_before(scene: Scene) -> None:
    run, sim = told_by_mail(scene), scene.target.sim
    sim.delete_account(sim.user("ada"))
    sim.faults.append(Fault("POST", "/Users/New", times=1, drop=True, effect=True))
    work_off(scene, run)
    ada = move_of(run, "ada")
    assert set(scene.outcome(run).values()) == {"moved"} and scene.opened("ada") == {"Films", "Shows"}
    assert ada.created_account and not ada.before
    back = undo.start_undo(run)
    db.session.commit()
    scene.finish(back)
    left = select(Share).where(Share.server_id == scene.target.row.id, Share.remote_id == ada.target_account_id)
    assert scene.opened("ada") is None and not db.session.scalars(left).all()


class TestZones:
    """PostgreSQL compares by the zone of the session, unless it is told."""

    @pytest.fixture(params=BOTH)
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        """Both."""
        return str(request.param)

    @pytest.fixture(autouse=True)
    def far_east(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a server or a person's environment may say."""
        monkeypatch.setenv("PGOPTIONS", "-c timezone=Asia/Tokyo")

    def test_a_later_run_is_seen_also_by_who_had_access_already(self, scene: Scene) -> None:
        set_up(scene)
        refuse_removal(scene, "ada", 400)
        first = go(scene, *scene.sides)
        move_of(first, "ada").given_at = None
        db.session.commit()
        scene.source.sim.faults.clear()
        go(scene, scene.target, scene.source)
        retry(scene, first, "ada")
        assert scene.opened("ada", scene.source) == {"Films", "Shows"}
