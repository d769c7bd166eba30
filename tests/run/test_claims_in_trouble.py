"""Choosing a password on an Emby that takes a new one only after a reset: whatever breaks, nobody is lost and nothing stands open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from panel.domain.statuses import Removal, Step
from panel.extensions import db
from panel.jobs import claims as jobs_of_claims
from panel.jobs import housekeeping
from panel.models import Account, Email, Migration, Move, OneTimeLink, Setting
from panel.platforms.base import NotAllowed, PlatformError, SwitchedOff
from panel.platforms.http import HttpDoor
from panel.services import notices
from panel.services import run as running
from panel.services.claims import alone, choosing, closing, links, reopening
from panel.services.claims.unclaimed import is_unclaimed
from panel.simulators.http import Fault
from panel.web.move_actions import why_no_claim
from tests.clock import Clock, clock
from tests.databases import BOTH
from tests.scene import Scene

__all__ = ["clock"]

CHOSEN = "chosen by the person"
ON_BOTH = pytest.mark.parametrize("database_kind", BOTH)


class Killed(BaseException):
    """The end of the web process."""


def pair(scene: Scene, target: str = "emby") -> None:
    scene.add_server("emby" if target == "jellyfin" else "jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    scene.person("ada")
    if target == "emby":
        scene.target.sim.keeps_passwords = True


def link_to(move: Move) -> str:
    token = links.make(links.CLAIM, move.id)
    db.session.commit()
    return token


def choose(token: str, password: str = CHOSEN) -> None:
    link = links.find(links.CLAIM, token)
    assert link is not None, "the link still works"
    choosing.choose_password(link, password)


def watch(scene: Scene) -> Any:
    account = scene.target.sim.user("ada")
    scene.target.sim.exposure.watch(account)
    return account


def closed_without_a_password(scene: Scene, move: Move) -> str:
    """Emby goes away right after the reset: the link that was used."""
    token, sim = link_to(move), scene.target.sim
    sim.faults.append(Fault("POST", "/Password", skip=2, times=None, drop=True))
    with pytest.raises(PlatformError):
        choose(token)
    sim.faults.clear()
    assert scene.opened("ada") is None and sim.user("ada").password == ""
    return token


def stood_open(scene: Scene) -> bool:
    """Whether an enabled account had no password at any moment since it was made, which on Emby takes one request."""
    return scene.target.sim.exposed_moments() not in ([], [("ada", 1)])


@contextmanager
def killed_at(number: int, moment: str) -> Iterator[None]:
    """The process ends before or after this changing request, counted from 1."""
    genuine, sent = HttpDoor.send, [0]

    def send(door: HttpDoor, method: str, path: str, **how: Any) -> bytes:
        sent[0] += method != "GET"
        if method != "GET" and sent[0] == number and moment == "before":
            raise Killed
        try:
            return genuine(door, method, path, **how)
        finally:
            if method != "GET" and sent[0] == number:
                raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpDoor, "send", send)
        with pytest.raises(Killed):
            yield
    db.session.rollback()
    db.session.expire_all()


def housekeep() -> int:
    """What the periodic check finds, done at once; how many accounts it took up."""
    links = reopening.due()
    for link_id in links:
        reopening.reopen(link_id)
    db.session.expire_all()
    return len(links)


@ON_BOTH
def test_the_same_link_opens_what_it_had_to_leave_closed(scene: Scene) -> None:
    pair(scene)
    move = scene.move().moves[0]
    account, libraries = watch(scene), scene.opened("ada")
    token = closed_without_a_password(scene, move)
    choose(token)
    assert scene.opened("ada") == libraries and scene.target.sim.can_sign_in("ada", CHOSEN)
    assert not stood_open(scene) and account.password == CHOSEN
    assert links.find(links.CLAIM, token) is None and not reopening.due()


def test_a_fresh_link_of_the_admin_opens_it_as_well(scene: Scene) -> None:
    pair(scene)
    move = scene.move().moves[0]
    early = closed_without_a_password(scene, move)
    late = link_to(move)
    assert links.find(links.CLAIM, early) is None
    choose(late)
    assert scene.opened("ada") and scene.target.sim.can_sign_in("ada", CHOSEN) and not reopening.due()


@ON_BOTH
def test_it_is_opened_by_itself_with_a_password_nobody_knows(scene: Scene, clock: Clock) -> None:
    pair(scene)
    move = scene.move().moves[0]
    watch(scene)
    token = closed_without_a_password(scene, move)
    assert not housekeep()
    clock.ahead += timedelta(minutes=1, seconds=1)
    scene.target.sim.faults.append(Fault("POST", "/Password", times=1, drop=True, effect=False))
    assert housekeep() == 1 and scene.opened("ada") is None, "the server is still away"
    assert not housekeep(), "it is not asked without a pause"
    clock.ahead += timedelta(minutes=1, seconds=1)
    assert housekeep() == 1 and scene.opened("ada") and len(scene.target.sim.user("ada").password) >= 40
    clock.ahead += timedelta(hours=2)
    assert not housekeep(), "that is the end of it"
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and not stood_open(scene)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_process_killed_at_any_request_leaves_nobody_closed_out(scene: Scene, clock: Clock, number: int, moment: str) -> None:
    pair(scene)
    run = scene.move()
    watch(scene)
    token, libraries = link_to(run.moves[0]), scene.opened("ada")
    with killed_at(number, moment):
        choose(token)
    with pytest.raises(alone.BeingUsed, match="in two minutes"):
        choose(token)
    assert is_unclaimed(run, run.moves[0])
    clock.ahead += timedelta(minutes=2, seconds=1)
    housekeep()
    assert scene.opened("ada") == libraries and not scene.target.sim.can_sign_in("ada", "")
    choose(token)
    assert scene.opened("ada") == libraries and scene.target.sim.can_sign_in("ada", CHOSEN)
    assert not stood_open(scene) and not is_unclaimed(run, run.moves[0])


def test_the_periodic_check_wakes_a_worker_for_it(scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    pair(scene)
    closed_without_a_password(scene, scene.move().moves[0])
    woken: list[int] = []
    monkeypatch.setattr(housekeeping, "wake_reopening", woken.append)
    clock.ahead += timedelta(minutes=2)
    sim = scene.target.sim
    housekeeping.tick()
    assert len(woken) == 1
    jobs_of_claims.reopen(woken[0])
    assert not sim.user("ada").policy["IsDisabled"] and sim.user("ada").password


def test_what_somebody_else_closes_meanwhile_stays_closed(scene: Scene, clock: Clock) -> None:
    pair(scene)
    move = scene.move().moves[0]
    token = closed_without_a_password(scene, move)
    scene.target.sim.user("ada").policy["EnabledFolders"] = []
    with pytest.raises(SwitchedOff):
        choose(token)
    clock.ahead += timedelta(minutes=2)
    assert housekeep() == 1 and scene.target.sim.user("ada").policy["IsDisabled"]
    clock.ahead += timedelta(minutes=2)
    assert not housekeep()


def test_what_somebody_else_has_opened_keeps_the_password_it_has(scene: Scene, clock: Clock) -> None:
    pair(scene)
    closed_without_a_password(scene, scene.move().moves[0])
    account = scene.target.sim.user("ada")
    account.policy["IsDisabled"], account.password = False, "told by the admin"
    clock.ahead += timedelta(minutes=2)
    assert housekeep() == 1 and account.password == "told by the admin" and not reopening.due()


def test_an_account_that_is_somebody_elses_by_now_is_left_alone(scene: Scene, clock: Clock) -> None:
    pair(scene)
    closed_without_a_password(scene, scene.move().moves[0])
    account = db.session.scalars(db.select(Account).where(Account.server_id == scene.target.row.id)).one()
    account.user_id = scene.person("bob").id
    db.session.commit()
    clock.ahead += timedelta(minutes=2)
    before = len(scene.changes(scene.target))
    housekeep()
    assert len(scene.changes(scene.target)) == before and not reopening.due()


def test_a_later_run_does_not_open_it_without_a_password(scene: Scene) -> None:
    pair(scene)
    run = scene.move(removal=Removal.KEEP)
    watch(scene)
    token = closed_without_a_password(scene, run.moves[0])
    again = scene.move(removal=Removal.KEEP)
    assert scene.outcome(again) == {"ada": "moved"} and scene.opened("ada")
    assert not scene.target.sim.can_sign_in("ada", "") and not stood_open(scene)
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and scene.opened("ada")


def at_take(scene: Scene) -> Migration:
    """A run whose one person is read back and waits for the source access to go."""
    run = scene.start()
    for _ in range(20):
        db.session.expire_all()
        if run.moves[0].step is Step.TAKE:
            break
        running.work(run.id, slice_s=0)
    assert run.moves[0].step is Step.TAKE
    run.looked_at = None
    db.session.commit()
    return run


def test_the_run_at_work_does_not_open_it_without_a_password(scene: Scene, clock: Clock) -> None:
    pair(scene)
    run = at_take(scene)
    watch(scene)
    closed_without_a_password(scene, run.moves[0])
    scene.finish(run)
    assert scene.opened("ada") is None and scene.opened("ada", scene.source), "it waits for what opens it again by itself"
    for _ in range(2):
        clock.ahead += timedelta(minutes=3)
        housekeep()
        run.wake_at = None
        db.session.commit()
        scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada") and scene.opened("ada", scene.source) is None
    assert not scene.target.sim.can_sign_in("ada", "") and not stood_open(scene)


def once_reset(scene: Scene, app: Flask, act: Callable[[], None]) -> None:
    """Do something else while the account has been reset and has no password yet."""
    sim = scene.target.sim

    def aside() -> None:
        with app.app_context():
            act()

    def on_call(call: Any, moment: str) -> None:
        if moment == "after" and b"ResetPassword" in call.body:
            sim.on_call = None
            thread = threading.Thread(target=aside)
            thread.start()
            thread.join(30)

    sim.on_call = on_call


@ON_BOTH
def test_a_run_leaves_an_account_alone_whose_person_is_choosing_a_password(app: Flask, scene: Scene, clock: Clock) -> None:
    pair(scene)
    run = at_take(scene)
    watch(scene)
    token, run_id, meanwhile = link_to(run.moves[0]), run.id, []

    def work() -> None:
        for _ in range(6):
            running.work(run_id)
        meanwhile.append((scene.opened("ada"), scene.target.sim.user("ada").password))

    once_reset(scene, app, work)
    choose(token)
    assert meanwhile == [(None, "")], "nothing was changed under the hands of the claim"
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and scene.opened("ada")
    db.session.expire_all()
    assert run.moves[0].taken_at is None and scene.opened("ada", scene.source), "it waits"
    clock.ahead += timedelta(seconds=31)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada", scene.source) is None
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and not stood_open(scene)


@ON_BOTH
def test_nobody_chooses_a_password_while_a_run_gives_access(app: Flask, scene: Scene) -> None:
    pair(scene)
    run = scene.move(removal=Removal.KEEP)
    token = link_to(run.moves[0])
    scene.target.sim.user("ada").policy["EnabledFolders"] = []
    sim, answers = scene.target.sim, []

    def press() -> None:
        with app.app_context():
            try:
                choose(token)
            except alone.BeingUsed as error:
                answers.append(str(error))

    def on_call(call: Any, moment: str) -> None:
        if moment == "before" and call.method == "POST" and call.path.endswith("/Policy"):
            sim.on_call = None
            thread = threading.Thread(target=press)
            thread.start()
            thread.join(30)

    sim.on_call = on_call
    again = scene.move(removal=Removal.KEEP)
    assert scene.outcome(again) == {"ada": "moved"}
    assert len(answers) == 1 and "try again in a few minutes" in answers[0]
    choose(token)
    assert sim.can_sign_in("ada", CHOSEN)


@pytest.mark.parametrize("by_the_same_link", [True, False])
def test_two_presses_at_once_set_one_password(app: Flask, scene: Scene, by_the_same_link: bool) -> None:
    pair(scene)
    move_id = scene.move().moves[0].id
    watch(scene)
    token, answers = link_to(db.session.get_one(Move, move_id)), []

    def press() -> None:
        another = token if by_the_same_link else link_to(db.session.get_one(Move, move_id))
        try:
            choose(another, "of the other press")
        except alone.BeingUsed as error:
            answers.append(str(error))

    once_reset(scene, app, press)
    choose(token)
    assert len(answers) == 1 and scene.target.sim.can_sign_in("ada", CHOSEN) and not stood_open(scene)
    assert links.find(links.CLAIM, token) is None


def test_a_claim_that_takes_too_long_sends_nothing_under_the_hands_of_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    monkeypatch.setattr(alone, "MOST_S", -1.0)
    before = len(scene.changes(scene.target))
    with pytest.raises(PlatformError, match="took too long"):
        choose(token)
    assert len(scene.changes(scene.target)) == before
    monkeypatch.undo()
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN)


def test_a_link_is_not_used_up_where_the_process_dies_before_anything_is_sent(scene: Scene, clock: Clock) -> None:
    pair(scene, "jellyfin")
    run = scene.move()
    token = link_to(run.moves[0])
    with killed_at(1, "before"):
        choose(token)
    assert is_unclaimed(run, run.moves[0])
    clock.ahead += timedelta(minutes=2, seconds=1)
    assert not housekeep()
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and not is_unclaimed(run, run.moves[0])


@pytest.mark.parametrize("ahead_h", [-5, 5])
def test_a_clock_that_was_wrong_holds_no_link_for_long(scene: Scene, clock: Clock, ahead_h: int) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    clock.ahead = timedelta(hours=ahead_h)
    with killed_at(3, "after"):
        choose(token)
    clock.ahead = timedelta(minutes=2, seconds=1)
    housekeep()
    assert scene.opened("ada") and not scene.target.sim.can_sign_in("ada", "")
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN)


@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_an_account_that_stood_closed_without_a_password_is_opened_with_one_its_person_can_replace(scene: Scene, target: str) -> None:
    scene.add_server("jellyfin" if target == "emby" else "emby", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    setting = Setting.current()
    setting.smtp_host, setting.smtp_sender = "127.0.0.1", "p@example.test"
    ada = scene.person("ada")
    scene.place(ada, scene.target, ("Films",))
    account = watch(scene)
    account.password, account.policy["IsDisabled"] = "", True
    db.session.commit()
    run = scene.move()
    move = run.moves[0]
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada")
    assert not scene.target.sim.can_sign_in("ada", "") and not stood_open(scene)
    assert "without a password" in move.remark and not why_no_claim(run, move)
    told = db.session.scalars(db.select(Email).where(Email.event == notices.ACCOUNT_MOVED)).all()
    assert [mail.recipient for mail in told] == ["ada@example.test"]
    choose(link_to(move))
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and not is_unclaimed(run, move)


def test_an_account_that_stands_open_without_a_password_is_left_as_it_is(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    ada = scene.person("ada", libraries=("Films", "Shows"))
    scene.place(ada, scene.target, ("Films",))
    scene.target.sim.user("ada").password = ""
    db.session.commit()
    run = scene.move()
    assert scene.outcome(run) == {"ada": "moved"} and scene.target.sim.can_sign_in("ada", "")
    assert why_no_claim(run, run.moves[0])


def test_an_administrators_account_is_never_opened_again(scene: Scene, clock: Clock) -> None:
    pair(scene)
    token = closed_without_a_password(scene, scene.move().moves[0])
    scene.target.sim.user("ada").policy["IsAdministrator"] = True
    before = len(scene.changes(scene.target))
    with pytest.raises(NotAllowed):
        choose(token)
    clock.ahead += timedelta(minutes=2)
    housekeep()
    assert len(scene.changes(scene.target)) == before and not reopening.due()


@pytest.mark.parametrize("by", ["itself", "the same link"])
def test_who_closes_an_account_after_a_refused_password_is_not_overruled(scene: Scene, clock: Clock, by: str) -> None:
    pair(scene)
    token, sim = link_to(scene.move().moves[0]), scene.target.sim
    sim.faults.append(Fault("POST", "/Password", skip=2, times=1, status=400, body="Password too common"))
    with pytest.raises(PlatformError):
        choose(token)
    sim.faults.clear()
    assert scene.opened("ada") and not sim.can_sign_in("ada", ""), "it was opened again at once"
    sim.user("ada").policy["IsDisabled"] = True
    if by == "itself":
        clock.ahead += timedelta(minutes=1, seconds=1)
        assert not housekeep()
    else:
        with pytest.raises(SwitchedOff):
            choose(token)
    assert scene.opened("ada") is None


@ON_BOTH
def test_a_closing_that_a_backup_brought_back_hides_no_later_one(scene: Scene, clock: Clock) -> None:
    pair(scene)
    move = scene.move(removal=Removal.KEEP).moves[0]
    link_to(move)
    of_the_backup = db.session.scalars(db.select(OneTimeLink)).one()
    of_the_backup.closed, of_the_backup.reopen_after = {"libraries": ["of long ago"], "all_libraries": False}, None
    db.session.commit()
    closed_without_a_password(scene, move)
    clock.ahead += timedelta(minutes=2)
    assert housekeep() == 1
    assert scene.opened("ada") and not scene.target.sim.can_sign_in("ada", "") and not reopening.due()


@ON_BOTH
def test_an_account_that_refuses_every_password_is_asked_ever_more_rarely_and_the_operator_told(scene: Scene, clock: Clock) -> None:
    pair(scene)
    move = scene.move().moves[0]
    closed_without_a_password(scene, move)
    move.remark = "Something else."
    db.session.commit()
    scene.target.sim.faults.append(Fault("POST", "/Password", times=None, status=400, body="no", effect=False))
    tries = []
    for minute in range(300):
        clock.ahead += timedelta(minutes=1, seconds=1)
        tries += [minute] * housekeep()
    assert 6 <= len(tries) <= 11, tries
    assert scene.opened("ada") is None
    assert move.remark == f"Something else. {closing.STAYS_CLOSED}"
    scene.target.sim.faults.clear()
    clock.ahead += timedelta(hours=1, minutes=1)
    assert housekeep() == 1 and scene.opened("ada") and not scene.target.sim.can_sign_in("ada", "")
    assert move.remark == "Something else." and not reopening.due()


def test_a_server_that_was_away_for_long_is_asked_within_a_minute_of_its_return(scene: Scene, clock: Clock) -> None:
    pair(scene)
    closed_without_a_password(scene, scene.move().moves[0])
    scene.target.sim.faults.append(Fault("", "", times=None, status=503))
    for _ in range(10):
        clock.ahead += timedelta(minutes=1, seconds=1)
        assert housekeep() == 1
    scene.target.sim.faults.clear()
    clock.ahead += timedelta(minutes=1, seconds=1)
    assert housekeep() == 1 and scene.opened("ada")


def test_a_closing_that_may_still_arrive_is_looked_at_again(scene: Scene, clock: Clock) -> None:
    pair(scene)
    token, sim = link_to(scene.move().moves[0]), scene.target.sim
    sim.faults.append(Fault("POST", "/Policy", times=1, drop=True, effect=False))
    with pytest.raises(PlatformError):
        choose(token)
    sim.user("ada").policy["IsDisabled"] = True
    clock.ahead += timedelta(minutes=1, seconds=1)
    assert housekeep() == 1 and scene.opened("ada") and not sim.can_sign_in("ada", "")
