"""An Emby account that had to be closed for a new password and stayed so: it is opened again, by the same link or by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.domain.statuses import Removal
from panel.extensions import db
from panel.jobs import claims as jobs_of_claims
from panel.jobs import housekeeping
from panel.models import Account, OneTimeLink
from panel.platforms.base import NotAllowed, PlatformError, SwitchedOff
from panel.services.claims import closing, links, reopening
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.databases import ON_BOTH
from tests.run.claiming import CHOSEN, choose, closed_without_a_password, housekeep, link_to, pair, stood_open, watch
from tests.scene import Scene

__all__ = ["clock"]


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
