"""A host whose clock is wrong, beside others on one PostgreSQL: what one of them writes and another judges by goes by the database's
clock."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from panel.config import Config
from panel.domain.statuses import Removal
from panel.extensions import db
from panel.jobs import housekeeping
from panel.models import Migration, OneTimeLink, Pacemaker
from panel.models.types import utc_now
from panel.services import pace
from panel.services import run as running
from panel.services.claims import alone, links
from panel.services.preflight import ask_both, assess
from panel.services.run.check import is_fresh, note_list
from panel.services.run.start import start
from panel.services.shared_clock import ahead_s, clock_problem, shared_now
from tests.clock import Clock, host_clock
from tests.run.doubts import in_doubt, paused
from tests.run.one_worker import OnAnotherHost
from tests.scene import Scene, Side

__all__ = ["host_clock"]

#: Longer than two processes that begin at the same moment take to begin.
PACE_S = 2.0
WRONG = pytest.mark.parametrize("wrong", [timedelta(minutes=10), timedelta(minutes=-10)], ids=["ahead", "behind"])


@pytest.fixture
def database_kind() -> str:
    """The one that several hosts can share."""
    return "postgresql"


def beginning(source: Side, target: Side) -> Migration:
    run = start(assess(source.row, target.row, removal=Removal.KEEP, pace_s=PACE_S, looks=ask_both(source.row, target.row)))
    db.session.commit()
    return run


@pytest.fixture
def plex(scene: Scene) -> list[Side]:
    """Two pairs of servers of one Plex account, with two people each."""
    scene.plan("Basic")
    first = scene.add_server("plex", "One")
    sides = [first, *(scene.add_server("plex", name, owner=first.owner) for name in ("Two", "Three", "Four"))]
    for number in range(4):
        scene.person(f"person {number}", on=sides[number % 2 * 2])
    return sides


def test_the_pace_of_an_account_is_kept_by_hosts_whose_clocks_differ(config: Config, scene: Scene, plex: list[Side]) -> None:
    runs = [beginning(plex[0], plex[1]), beginning(plex[2], plex[3])]
    hosts = [OnAnotherHost(config, run, number, ahead_s) for number, (run, ahead_s) in enumerate(zip(runs, (0.0, 60.0), strict=True))]
    assert [host.wait() for host in hosts] == [0, 0]
    sent = sorted(entry.at for entry in scene.tv.calls(changes=True))
    assert len(sent) == 4
    assert min(later - earlier for earlier, later in itertools.pairwise(sent)) >= PACE_S


@WRONG
def test_a_cool_down_is_heeded_for_as_long_as_was_asked_for(scene: Scene, plex: list[Side], host_clock: Clock, wrong: timedelta) -> None:
    account, server = pace.name_of(plex[0].row), plex[0].row
    pace.cool_down(account, 60.0)
    db.session.commit()
    host_clock.ahead = wrong
    until = pace.cooling_until([server])
    assert until is not None and timedelta(seconds=55) < until - utc_now() < timedelta(seconds=70), "by the clock of who waits"
    assert pace.cooling_until([server]) == until
    assert pace.take_turn(account, 1.0) > 55


def test_who_comes_back_when_a_cool_down_ends_by_their_clock_is_not_sent_away_again(plex: list[Side], host_clock: Clock) -> None:
    host_clock.ahead = timedelta(seconds=0.4)
    pace.cool_down(pace.name_of(plex[0].row), 1.0)
    db.session.commit()
    until = pace.cooling_until([plex[0].row])
    assert until is not None
    row = db.session.get_one(Pacemaker, pace.name_of(plex[0].row))
    assert row.cool_until is not None and until - host_clock.ahead >= row.cool_until


@WRONG
def test_a_link_in_use_is_seen_as_such(scene: Scene, host_clock: Clock, wrong: timedelta) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    new = scene.add_server("jellyfin", "New")
    scene.person("ada")
    move = scene.move().moves[0]
    links.make(links.CLAIM, move.id)
    db.session.commit()
    link = db.session.scalars(db.select(OneTimeLink)).one()
    with alone.alone_at(link.id, move):
        host_clock.ahead = wrong
        assert alone.used_by_links(new.row.id) == {move.target_account_id}
        host_clock.ahead = timedelta()
    since = shared_now()
    host_clock.ahead = wrong
    assert links.use_up(link.id)
    host_clock.ahead = timedelta()
    assert alone.used_by_links(new.row.id, or_used_up_since=since) == {move.target_account_id}


@WRONG
def test_a_read_back_is_as_old_as_it_is(scene: Scene, host_clock: Clock, wrong: timedelta) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    scene.person("ada")
    run = scene.move()
    host_clock.ahead = wrong
    note_list(run, utc_now() - timedelta(seconds=30))
    host_clock.ahead = timedelta()
    assert is_fresh(run)
    note_list(run, utc_now() - timedelta(seconds=90))
    host_clock.ahead = timedelta(seconds=-60)
    assert not is_fresh(run)


def test_two_looks_are_a_minute_apart_by_one_clock(scene: Scene, host_clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    paused(run)
    running.work(run.id)
    host_clock.ahead = timedelta(seconds=61)
    running.work(run.id)
    db.session.expire_all()
    ada = run.moves[0]
    assert ada.created_account, "its request may still arrive"
    assert ada.secure_after is not None and ada.secure_after - utc_now() > timedelta(seconds=30), "and nobody looks again at once"


@WRONG
def test_what_came_before_what_is_told_by_one_clock(scene: Scene, host_clock: Clock, wrong: timedelta) -> None:
    host_clock.ahead = wrong
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    begun = shared_now()
    run = scene.move()
    [move] = run.moves
    times = [begun, run.started_at, move.given_at, move.in_hand_at, move.taken_at, run.ended_at, shared_now()]
    assert times == sorted(times)


@pytest.mark.parametrize(("wrong_s", "told"), [(25.4, "is 25 seconds ahead of"), (-1501.0, "is 25 minutes behind"), (3.0, ""), (-3.0, "")])
def test_a_host_whose_clock_is_wrong_is_told(scene: Scene, host_clock: Clock, wrong_s: float, told: str) -> None:
    assert abs(ahead_s()) < 1
    host_clock.ahead = timedelta(seconds=wrong_s)
    problem = clock_problem()
    assert (told in problem) if told else not problem


def test_the_log_is_told_of_it_once_in_a_while(
    scene: Scene, host_clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(housekeeping, "_compared_at", -housekeeping.CLOCK_EVERY_S)
    host_clock.ahead = timedelta(minutes=5)
    housekeeping.tick()
    housekeeping.tick()
    assert caplog.text.count("5 minutes ahead of the database's") == 1
