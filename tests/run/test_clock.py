"""A clock that is put back: nobody waits as long as it was put back, and nobody goes sooner than they would have."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.extensions import db
from panel.models import Email, Migration, Pacemaker, PaceWaiter
from panel.models.types import utc_now
from panel.services import mail, pace
from panel.services import run as running
from panel.services.run import clock as watched
from panel.services.run.rounds import next_round_of
from panel.services.run.start import Schedule, start
from panel.services.sync import progress as sync_progress
from tests.clock import Clock, clock
from tests.scene import Scene

__all__ = ["clock"]

INTERVAL_S = 40.0
HOUR = timedelta(hours=1)


@pytest.fixture
def run(scene: Scene, clock: Clock) -> Migration:
    """A run on Plex that has moved one of two and waits for its next turn."""
    first = scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New", owner=first.owner)
    for name in ("ada", "ben"):
        scene.person(name)
    run = scene.start(pace_s=INTERVAL_S)
    running.work(run.id)
    assert run.id not in running.due()
    assert len(scene.tv.calls(changes=True)) == 1
    return run


def add_pair(scene: Scene) -> None:
    """Two servers and somebody to be moved from one to the other."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")


def turn_of(run: Migration) -> float:
    """Seconds until this run has its turn."""
    return pace.take_turn(pace.name_for(run, run.target), INTERVAL_S, run.id)


def test_a_run_that_waits_for_its_turn_waits_for_one_interval_more_at_most(scene: Scene, run: Migration, clock: Clock) -> None:
    clock.ahead -= HOUR
    assert run.id in running.due(), "the periodic check has it looked at"
    left = running.work(run.id)
    assert left.wake_at is not None and left.wake_at <= utc_now() + timedelta(seconds=INTERVAL_S)
    assert len(scene.tv.calls(changes=True)) == 1, "and nobody goes sooner"
    clock.ahead += timedelta(seconds=INTERVAL_S - 5)
    running.work(run.id)
    assert len(scene.tv.calls(changes=True)) == 1
    clock.ahead += timedelta(seconds=5)
    assert run.id in running.due()
    running.work(run.id)
    assert len(scene.tv.calls(changes=True)) == 2


@pytest.mark.parametrize("apart", [HOUR, timedelta(days=400)])
def test_a_turn_is_an_interval_away_and_never_less(run: Migration, clock: Clock, apart: timedelta) -> None:
    clock.ahead -= apart
    assert turn_of(run) == pytest.approx(INTERVAL_S, abs=1)
    clock.ahead += timedelta(seconds=INTERVAL_S - 2)
    assert 0 < turn_of(run) <= 2
    clock.ahead += timedelta(seconds=2)
    assert turn_of(run) == 0.0


def test_clocks_that_differ_a_little_are_no_reason_to_go_sooner(run: Migration, clock: Clock) -> None:
    clock.ahead -= timedelta(seconds=8)
    assert turn_of(run) > INTERVAL_S


def test_a_cool_down_lasts_as_long_as_was_asked_for_and_not_an_hour_more(run: Migration, clock: Clock) -> None:
    clock.ahead += 2 * HOUR
    running.due()
    pace.cool_down(pace.name_for(run, run.target), 120.0)
    db.session.commit()
    clock.ahead -= HOUR
    running.due()
    until = pace.cooling_until([run.target])
    assert until is not None and timedelta(seconds=118) < until - utc_now() < timedelta(seconds=133)
    running.due()
    assert pace.cooling_until([run.target]) == until, "it does not begin anew with each look"
    assert turn_of(run) >= 118
    clock.ahead += timedelta(seconds=133)
    assert pace.cooling_until([run.target]) is None


def test_no_cool_down_is_longer_than_the_longest(run: Migration, clock: Clock) -> None:
    name = pace.name_for(run, run.target)
    row = db.session.get_one(Pacemaker, name)
    row.last_turn_at, row.cool_until = None, utc_now() + timedelta(days=300)
    db.session.commit()
    running.due()
    until = pace.cooling_until([run.target])
    assert until is not None and timedelta(hours=1) < until - utc_now() < timedelta(hours=1.2)


def test_whoever_waited_before_has_their_turn_among_others(scene: Scene, run: Migration, clock: Clock) -> None:
    other = Migration(source=run.source, target=run.target, status=run.status, pace_s=INTERVAL_S)
    db.session.add(other)
    db.session.commit()
    clock.ahead -= HOUR
    had = []
    name = pace.name_for(run, run.target)
    for _ in range(int(INTERVAL_S) * 6):
        clock.ahead += timedelta(seconds=1)
        for one in (run, other):
            if pace.take_turn(name, INTERVAL_S, one.id) == 0.0:
                had.append(one.id)
                pace.end_turn(name)
                db.session.commit()
    assert len(had) >= 4
    assert abs(had.count(run.id) - had.count(other.id)) <= 1, "no one waits for the clock to come back to where it was"
    assert all(waiter.since <= utc_now() for waiter in db.session.scalars(db.select(PaceWaiter)))


def test_a_retry_and_an_outage_are_not_waited_for_an_hour_longer(scene: Scene, clock: Clock) -> None:
    add_pair(scene)
    run = scene.start()
    run.wake_at = utc_now() + timedelta(seconds=20)
    move = run.moves[0]
    move.not_before, move.secure_after = utc_now() + timedelta(seconds=20), utc_now() + timedelta(seconds=50)
    db.session.commit()
    assert run.id not in running.due()
    clock.ahead -= HOUR
    assert run.id in running.due()
    db.session.expire_all()
    assert move.not_before <= utc_now()
    assert timedelta(seconds=30) < move.secure_after - utc_now() <= timedelta(seconds=60), "only a while later a second look tells"
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"}


def test_a_clock_put_back_while_no_worker_was_there_is_noticed_by_the_next(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pair(scene)
    run = scene.start()
    assert run.id in running.due()
    run.wake_at = run.moves[0].not_before = utc_now() + timedelta(seconds=20)
    db.session.commit()
    clock.ahead -= HOUR
    monkeypatch.setattr(watched, "_clock", watched.Clock())
    assert run.id in running.due(), "although this process has never seen the clock of before"
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"}


def test_a_wait_that_was_over_when_the_clock_was_put_back_does_not_begin_again(scene: Scene, clock: Clock) -> None:
    add_pair(scene)
    run = scene.start()
    running.due()
    run.wake_at = run.moves[0].not_before = utc_now()
    db.session.commit()
    clock.ahead -= HOUR
    assert run.id in running.due()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"}


def test_a_worker_that_starts_anew_ends_no_wait_when_the_clock_is_right(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pair(scene)
    run = scene.start()
    run.wake_at = utc_now() + timedelta(seconds=90)
    db.session.commit()
    monkeypatch.setattr(watched, "_clock", watched.Clock())
    assert run.id not in running.due()


def test_a_sync_that_died_before_the_clock_was_put_back_holds_its_server_no_longer(scene: Scene, clock: Clock) -> None:
    server = scene.add_server("jellyfin", "Old").row
    server.syncing_until = utc_now() + timedelta(minutes=14)
    db.session.commit()
    assert server.syncs_now and sync_progress.queue(server) is False
    clock.ahead -= HOUR
    assert not server.syncs_now and sync_progress.queue(server) is True


def test_a_mail_put_off_before_the_clock_was_put_back_goes_out(scene: Scene, clock: Clock) -> None:
    put_off = Email(event="test", recipient="ada@example.test", subject="", text="", html="")
    put_off.not_before = utc_now() + timedelta(seconds=60)
    db.session.add(put_off)
    db.session.commit()
    assert mail.due() == []
    clock.ahead -= HOUR
    assert mail.due() == [put_off.id]


@pytest.mark.parametrize("noticed", [True, False])
def test_a_next_round_is_never_further_away_than_rounds_are_apart(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch, noticed: bool
) -> None:
    add_pair(scene)
    scene.person("ben", days=(-40, -10))
    clock.ahead = timedelta(days=1)
    run = start(scene.preflight(), Schedule(repeat_every_h=2.0, rounds=3))
    db.session.commit()
    scene.finish(run)
    following = next_round_of(run)
    assert following is not None and following.start_at is not None and following.start_at > utc_now() + HOUR
    clock.ahead = timedelta()
    if not noticed:
        monkeypatch.setattr(watched, "_clock", watched.Clock())
    assert following.id not in running.due()
    db.session.refresh(following)
    assert following.wake_at == following.start_at <= utc_now() + 2 * HOUR
    clock.ahead = timedelta(minutes=90)
    assert following.id not in running.due(), "nor does it begin sooner"
    clock.ahead = timedelta(minutes=121)
    assert following.id in running.due()
    scene.finish(following)
    assert following.ended_at is not None


def test_a_run_that_was_to_begin_at_a_time_begins_at_that_time(scene: Scene, clock: Clock) -> None:
    add_pair(scene)
    at = utc_now() + timedelta(minutes=5)
    run = start(scene.preflight(), Schedule(start_at=at))
    db.session.commit()
    running.due()
    clock.ahead -= HOUR
    assert run.id not in running.due()
    clock.ahead += HOUR + timedelta(minutes=6)
    assert run.id in running.due()
