"""Choosing a password while a run takes the account away, moves its person on or gives it back: nothing is opened that was withdrawn,
nobody is passed over, and no password that somebody has chosen is replaced."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from panel.domain.statuses import MoveStatus, Removal, Step
from panel.extensions import db
from panel.models import Email, Migration, Setting
from panel.platforms.sealing import SEALED
from panel.services import run as running
from panel.services.claims import alone
from panel.services.claims.unclaimed import is_unclaimed
from panel.services.run import undo
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.databases import ON_BOTH
from tests.run.claiming import CHOSEN, choose, closed_without_a_password, housekeep, killed_at, link_to, pair
from tests.run.test_always_ends import lock_watch
from tests.scene import Scene, Side

__all__ = ["clock"]


def aside(app: Flask, sim: Any, reached: Callable[[Any, str], bool], act: Callable[[], None]) -> None:
    """Do something else, once, in the middle of a request to this server."""

    def within() -> None:
        with app.app_context():
            act()

    def on_call(call: Any, moment: str) -> None:
        if reached(call, moment):
            sim.on_call = None
            thread = threading.Thread(target=within)
            thread.start()
            thread.join(60)

    sim.on_call = on_call


def works(run: Migration) -> Callable[[], None]:
    run_id = run.id

    def work() -> None:
        for _ in range(15):
            running.work(run_id)

    return work


def undoing(run: Migration) -> Migration:
    back = undo.start_undo(run)
    db.session.commit()
    return back


def moving_on(scene: Scene) -> tuple[Side, Side, Migration]:
    """A run from the target of the first one to a third server."""
    third, new = scene.add_server("jellyfin", "Third"), scene.target
    scene.sides[:] = [new, third]
    return new, third, scene.start()


def at_the_first_refusal(call: Any, moment: str) -> bool:
    return moment == "after" and call.method == "POST" and call.path.endswith("/Password")


def at_the_second_read(seen: list[Any]) -> Callable[[Any, str], bool]:
    def reached(call: Any, moment: str) -> bool:
        if moment == "after" and call.method == "GET" and "/Users/" in call.path:
            seen.append(call)
        return len(seen) == 2

    return reached


@ON_BOTH
@pytest.mark.parametrize("at", ["refusal", "read"])
def test_an_undo_withdraws_an_account_after_its_person_has_chosen_a_password(app: Flask, scene: Scene, clock: Clock, at: str) -> None:
    pair(scene)
    run = scene.move()
    token, back = link_to(run.moves[0]), undoing(run)
    aside(app, scene.target.sim, at_the_first_refusal if at == "refusal" else at_the_second_read([]), works(back))
    choose(token)
    clock.ahead += timedelta(seconds=31)
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "moved"}
    assert scene.opened("ada") is None and scene.opened("ada", scene.source)
    housekeep()
    assert scene.opened("ada") is None


def test_an_account_its_person_has_moved_on_from_is_not_opened_again(app: Flask, scene: Scene, clock: Clock) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    new, third, onward = moving_on(scene)
    aside(app, new.sim, at_the_first_refusal, works(onward))
    choose(token)
    clock.ahead += timedelta(seconds=31)
    scene.finish(onward)
    assert scene.outcome(onward) == {"ada": "moved"} and scene.opened("ada", third) and scene.opened("ada", new) is None


@ON_BOTH
@pytest.mark.parametrize("ended", [False, True])
def test_nobody_chooses_a_password_for_an_account_that_is_being_taken_away(app: Flask, scene: Scene, ended: bool) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    answers: list[str] = []
    new, _, onward = moving_on(scene)

    def press() -> None:
        if ended:
            # As a run that removes late.
            db.session.execute(db.update(Migration).where(Migration.id == onward_id).values(ended_at=onward_began))
            db.session.commit()
        try:
            choose(token)
        except alone.BeingUsed as error:
            answers.append(str(error))

    onward_id, onward_began = onward.id, onward.created_at
    aside(app, new.sim, lambda call, moment: moment == "before" and call.method == "POST" and call.path.endswith("/Policy"), press)
    scene.finish(onward)
    assert len(answers) == 1 and "try again in a few minutes" in answers[0]
    assert scene.opened("ada", new) is None


@ON_BOTH
def test_somebody_choosing_a_password_is_moved_on_all_the_same(app: Flask, scene: Scene, clock: Clock) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    new, third, onward = moving_on(scene)
    aside(app, new.sim, lambda call, moment: moment == "after" and b"ResetPassword" in call.body, works(onward))
    choose(token)
    db.session.expire_all()
    assert onward.moves[0].step is Step.TAKE and scene.opened("ada", new), "it waits with the removal"
    clock.ahead += timedelta(seconds=31)
    scene.finish(onward)
    assert scene.outcome(onward) == {"ada": "moved"} and scene.opened("ada", third) and scene.opened("ada", new) is None


def test_somebody_whom_a_dead_claim_has_closed_out_is_moved_on(scene: Scene, clock: Clock) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    with killed_at(3, "after"):
        choose(token)
    new, third, onward = moving_on(scene)
    assert scene.opened("ada", new) is None
    clock.ahead += timedelta(minutes=3)
    scene.finish(onward)
    assert scene.outcome(onward) == {"ada": "moved"} and scene.opened("ada", third)
    assert onward.moves[0].seen["settings"]["IsDisabled"] is False  # type: ignore[index]
    housekeep()
    assert scene.opened("ada", new) is None


def test_somebody_whom_the_admin_has_closed_out_is_not_moved_on(scene: Scene) -> None:
    pair(scene)
    move = scene.move().moves[0]
    closed_without_a_password(scene, move)
    scene.target.sim.user("ada").policy["EnabledFolders"] = []
    third, new = scene.add_server("jellyfin", "Third"), scene.target
    scene.sides[:] = [new, third]
    onward = scene.move()
    assert onward.moves[0].status is MoveStatus.SKIPPED and scene.opened("ada", third) is None


def test_a_password_chosen_after_the_list_was_read_stays(app: Flask, scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in ("a1", "a2", "a3", "a4", "ada"):
        scene.person(name)
    sim = scene.target.sim
    sim.keeps_passwords = True
    run = scene.move(removal=Removal.KEEP)
    token = closed_without_a_password(scene, next(move for move in run.moves if move.name == "ada"))
    for name in ("a1", "a2", "a3", "a4"):
        sim.user(name).policy["EnabledFolders"] = []
    chosen: list[bool] = []

    def press() -> None:
        choose(token)
        chosen.append(sim.can_sign_in("ada", CHOSEN))

    aside(app, sim, lambda call, moment: moment == "before" and call.method == "POST" and call.path.endswith("/Policy"), press)
    again = scene.move(removal=Removal.KEEP)
    # Whoever was met by the link at that very moment waits for half a minute.
    for move in again.moves:
        move.not_before = None
    again.wake_at = None
    db.session.commit()
    scene.finish(again)
    ada = next(move for move in again.moves if move.name == "ada")
    assert chosen == [True] and set(scene.outcome(again).values()) == {"moved"}
    assert sim.can_sign_in("ada", CHOSEN) and scene.opened("ada")
    assert not ada.sealed and not is_unclaimed(again, ada)


@pytest.mark.parametrize("keeps_passwords", [False, True])
def test_what_is_given_back_never_stands_open_without_a_password(scene: Scene, keeps_passwords: bool) -> None:
    scene.add_server("emby", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    setting = Setting.current()
    setting.smtp_host, setting.smtp_sender, setting.public_url = "127.0.0.1", "p@example.test", "https://panel.example"
    scene.person("ada")
    old = scene.source.sim
    old.user("ada").password, old.keeps_passwords = "", keeps_passwords
    run = scene.move()
    old.exposure.watch(old.user("ada"))
    back = undoing(run)
    scene.finish(back)
    move = back.moves[0]
    assert scene.outcome(back) == {"ada": "moved"} and scene.opened("ada", scene.source) and scene.opened("ada") is None
    assert not old.can_sign_in("ada", "") and not old.exposed_moments()
    assert move.sealed and SEALED in move.remark and is_unclaimed(back, move)
    assert [mail.recipient for mail in db.session.scalars(db.select(Email).where(Email.move_id == move.id))] == ["ada@example.test"]
    choose(link_to(move))
    assert old.can_sign_in("ada", CHOSEN)


def test_what_was_closed_before_is_given_back_closed_and_not_touched(scene: Scene) -> None:
    pair(scene)
    run = scene.move()
    old = scene.source.sim.user("ada")
    move = run.moves[0]
    settings = dict(move.taken["settings"], IsDisabled=True)  # type: ignore[call-overload]
    move.taken = {**move.taken, "settings": settings}
    old.password = ""
    db.session.commit()
    back = undoing(run)
    scene.finish(back)
    assert old.policy["IsDisabled"] and old.password == "" and not back.moves[0].sealed


def meant_for_more(scene: Scene) -> None:
    """What a second run has to change about an account."""
    scene.plan("Basic").groups.append(scene.group("Premium 4K"))
    db.session.commit()


@ON_BOTH
@pytest.mark.parametrize("link", ["living", "dead"])
def test_what_a_link_had_closed_for_a_moment_is_given_back_open(app: Flask, scene: Scene, clock: Clock, link: str) -> None:
    pair(scene)
    token, libraries = link_to(scene.move(removal=Removal.KEEP).moves[0]), scene.opened("ada")
    meant_for_more(scene)
    if link == "living":
        second = scene.start(removal=Removal.KEEP)
        aside(app, scene.target.sim, lambda call, moment: moment == "after" and b"ResetPassword" in call.body, works(second))
        choose(token)
        db.session.expire_all()
        assert second.moves[0].step is Step.GIVE and not second.moves[0].before, "nothing is known of it while it waits"
        clock.ahead += timedelta(seconds=31)
    else:
        with killed_at(3, "after"):
            choose(token)
        clock.ahead += timedelta(minutes=3)
        second = scene.start(removal=Removal.KEEP)
    scene.finish(second)
    assert scene.outcome(second) == {"ada": "moved"} and scene.opened("ada") == {*(libraries or ()), "Films 4K"}
    housekeep()
    back = undoing(second)
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "moved"} and scene.opened("ada") == libraries


def test_what_is_open_again_since_the_list_was_read_is_given_back_open(scene: Scene) -> None:
    pair(scene, "jellyfin")
    scene.move(removal=Removal.KEEP)
    libraries, sim = scene.opened("ada"), scene.target.sim
    meant_for_more(scene)
    genuine = sim.answer

    def answer(call: Any) -> Any:
        """Lists from the moment when a link had closed the account, until the run changes it."""
        answered = genuine(call)
        if call.path.endswith("/Policy"):
            sim.answer = genuine
        elif call.method == "GET" and call.path.rstrip("/").endswith("/Users"):
            rows = json.loads(answered.body)
            next(row for row in rows if row["Name"] == "ada")["Policy"]["IsDisabled"] = True
            return replace(answered, body=json.dumps(rows).encode())
        return answered

    sim.answer = answer
    second = scene.move(removal=Removal.KEEP)
    assert scene.outcome(second) == {"ada": "moved"} and scene.opened("ada") != libraries
    back = undoing(second)
    scene.finish(back)
    assert scene.opened("ada") == libraries


def test_what_the_admin_has_closed_is_given_back_closed(scene: Scene) -> None:
    pair(scene)
    closed_without_a_password(scene, scene.move(removal=Removal.KEEP).moves[0])
    scene.target.sim.user("ada").policy["EnabledFolders"] = scene.target.sim.user("ada").policy["EnabledFolders"][:1]
    second = scene.move(removal=Removal.KEEP)
    assert scene.opened("ada") == {"Films", "Shows"}
    back = undoing(second)
    scene.finish(back)
    assert scene.opened("ada") is None


@pytest.mark.parametrize("arrives", [False, True])
def test_a_password_counts_as_given_unless_it_was_refused(scene: Scene, clock: Clock, arrives: bool) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.place(scene.person("ada"), scene.target, ("Films",))
    db.session.commit()
    account, sim = scene.target.sim.user("ada"), scene.target.sim
    account.password, account.policy["IsDisabled"] = "", True
    sim.faults.append(Fault("POST", "/Password", effect=True, drop=True) if arrives else Fault("POST", "/Password", status=429))
    run = scene.start(removal=Removal.KEEP)
    while not sim.faults[0].seen:
        running.work(run.id)
    if not arrives:
        account.password, account.policy["IsDisabled"] = "the admin's", False
    for _ in range(5):
        clock.ahead += timedelta(minutes=5)
        scene.finish(run)
    (move,) = run.moves
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada")
    assert (move.sealed, is_unclaimed(run, move)) == (arrives, arrives)
    assert arrives or account.password == "the admin's"


def test_nothing_is_locked_while_accounts_that_stand_closed_are_asked_for(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in ("ada", "ben", "cyd"):
        scene.person(name)
    scene.move(removal=Removal.KEEP)
    for name in ("ada", "ben", "cyd"):
        scene.target.sim.user(name).password = ""
        scene.target.sim.user(name).policy["IsDisabled"] = True
    blocked = lock_watch(scene)
    run = scene.move(removal=Removal.KEEP)
    assert set(scene.outcome(run).values()) == {"moved"} and all(move.sealed for move in run.moves)
    assert blocked == []
