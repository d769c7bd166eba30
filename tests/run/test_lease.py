"""The hold on a run: one worker at a time, a dead one counts for nothing at once, one that wakes up late does nothing."""

from __future__ import annotations

import io
import socket
import sys
import time
from datetime import timedelta
from functools import partial
from typing import IO

import pytest
from flask import current_app
from sqlalchemy import update

from panel.extensions import db
from panel.models import Migration
from panel.models.types import utc_now
from panel.platforms import stopwatch
from panel.services import run as running
from panel.services.run import holder, rows
from panel.services.run.give import _closed_first as closed_first
from panel.services.run.holder import is_dead, process_name
from panel.services.run.lease import LeaseLost, acquire
from tests.databases import BOTH
from tests.scene import Scene

lease_module = sys.modules["panel.services.run.lease"]


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


@pytest.fixture
def run(scene: Scene) -> Migration:
    """A run that is queued."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    scene.person("ada")
    return scene.start()


def test_only_one_worker_has_a_run_in_hand(run: Migration) -> None:
    first = acquire(run.id, 5)
    assert first is not None
    assert acquire(run.id, 5) is None
    with first:
        assert acquire(run.id, 5) is None
        db.session.refresh(run)
        assert (run.lease_holder, run.deaths, run.falls, len(run.stood)) == (process_name(), 0, 0, 12)
    db.session.refresh(run)
    assert (run.lease_holder, run.deaths, run.falls, run.stood) == ("", 0, 0, "")
    assert acquire(run.id, 5) is not None, "given back at the end"


def test_work_does_nothing_while_another_has_the_run(scene: Scene, run: Migration) -> None:
    assert acquire(run.id, 5) is not None
    running.work(run.id)
    assert not scene.changes(scene.target)


def test_a_dead_holder_on_this_host_counts_for_nothing(run: Migration) -> None:
    assert not is_dead(process_name())
    machine, boot, namespace, pid, started = process_name().split("/")
    dead = f"{machine}/{boot}/{namespace}/{pid}/{int(started) - 1}"
    assert is_dead(dead), "the number was used before by another process"
    assert is_dead(f"{machine}/another-start/{namespace}/{pid}/{started}"), "the machine has started anew"
    assert not is_dead(f"elsewhere/{boot}/{namespace}/{pid}/1"), "nobody here can tell about another machine"
    assert not is_dead(f"{machine}/{boot}/pid:[1]/{pid}/1"), "nor about another container"
    db.session.execute(update(Migration).values(lease_until=utc_now() + timedelta(hours=1), lease_holder=dead))
    db.session.commit()
    assert acquire(run.id, 5) is not None


@pytest.mark.parametrize(("boot", "deaths"), [("this", 3), ("another", 2)])
def test_who_fell_together_with_the_machine_is_not_to_blame(run: Migration, boot: str, deaths: int) -> None:
    assert acquire(run.id, 60.0) is not None
    db.session.refresh(run)
    machine, this, namespace, pid, _ = run.lease_holder.split("/")
    run.lease_holder, run.deaths = "/".join((machine, this if boot == "this" else "an-earlier-one", namespace, pid, "1")), 2
    db.session.commit()
    lease = acquire(run.id, 60.0)
    assert lease is not None and lease.deaths == deaths


def test_a_machine_without_a_number_is_known_by_its_name_after_it_has_started_anew(run: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "_machine_id", lambda: "")
    assert acquire(run.id, 60.0) is not None
    db.session.execute(update(Migration).values(deaths=2, lease_until=utc_now() - timedelta(seconds=1)))
    db.session.commit()
    monkeypatch.setattr(holder, "_boot_id", lambda: "another")
    lease = acquire(run.id, 60.0)
    assert lease is not None and (lease.deaths, lease.falls) == (2, 1)
    db.session.execute(update(Migration).values(lease_until=utc_now() - timedelta(seconds=1)))
    db.session.commit()
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    lease = acquire(run.id, 60.0)
    assert lease is not None and (lease.deaths, lease.falls) == (3, 2), "about another host nobody here can tell"


def test_who_lives_still_has_not_died(run: Migration) -> None:
    assert acquire(run.id, 60.0) is not None
    db.session.execute(update(Migration).values(deaths=2, lease_until=utc_now() - timedelta(seconds=1)))
    db.session.commit()
    lease = acquire(run.id, 60.0)
    assert lease is not None and (lease.deaths, lease.falls) == (2, 1), "it was asleep, or could not give its hold back"


def test_a_holder_that_fell_silent_loses_the_run(run: Migration) -> None:
    late = acquire(run.id, 5)
    assert late is not None
    db.session.execute(update(Migration).values(lease_until=utc_now() - timedelta(seconds=1), prepared_at=utc_now()))
    db.session.commit()
    now = acquire(run.id, 5)
    assert now is not None and now.epoch == late.epoch + 1
    move = rows.due(run.id, run.moves[0].step, 5, (run.moves[0].status,))[0]
    assert not rows.claim(move, late.epoch, (move.status,)), "nobody can be taken in hand under the old number"
    assert rows.claim(move, now.epoch, (move.status,))
    assert not rows.record(move.id, late.epoch, detail="late"), "and nothing can be written"


def test_a_holder_that_has_lost_the_run_puts_it_to_no_rest(run: Migration) -> None:
    late = acquire(run.id, 5)
    assert late is not None
    working = running.Working(run.id, late)
    long = rows.Wait(utc_now() + timedelta(hours=1), "A wait of long ago.")
    db.session.execute(update(Migration).values(epoch=late.epoch + 1))
    db.session.commit()
    for put_to_rest in (working._wait, partial(closed_first, run, late)):
        with pytest.raises(LeaseLost):
            put_to_rest(long)
        db.session.rollback()
        db.session.expire_all()
        assert run.wake_at is None and not run.wake_reason


def test_a_worker_that_could_not_renew_sends_nothing(run: Migration) -> None:
    lease = acquire(run.id, 0.001)
    assert lease is not None
    with pytest.raises(LeaseLost):
        for _ in range(10_000):
            lease.require()


@pytest.mark.parametrize("put_back", [timedelta(hours=1), timedelta(seconds=4.5)])
def test_a_hold_from_before_the_clock_was_put_back_runs_out_all_the_same(
    run: Migration, monkeypatch: pytest.MonkeyPatch, put_back: timedelta
) -> None:
    elsewhere, seconds = "elsewhere/boot/pid:[1]/7/1", current_app.extensions["panel_config"].lease_s
    before = utc_now() + put_back
    db.session.execute(update(Migration).values(lease_until=before + timedelta(seconds=seconds), lease_holder=elsewhere))
    db.session.commit()
    assert run.id in running.due(), "the periodic check has it looked at"
    assert acquire(run.id, seconds) is None, "its holder may be alive"
    assert run.id not in running.due()
    later = utc_now() + timedelta(seconds=seconds + 1)
    monkeypatch.setattr(lease_module, "shared_now", lambda: later)
    assert acquire(run.id, seconds) is not None, "but has not renewed it"


def test_a_living_holder_keeps_its_hold_when_the_clock_is_put_back(run: Migration) -> None:
    lease = acquire(run.id, 5)
    assert lease is not None
    db.session.execute(update(Migration).values(lease_until=utc_now() + timedelta(hours=1), lease_holder="elsewhere/boot/pid:[1]/7/1"))
    db.session.commit()
    assert acquire(run.id, 5) is None
    assert lease._renew(), "what it does every few seconds"
    db.session.expire_all()
    assert run.epoch == lease.epoch
    assert acquire(run.id, 5) is None


@pytest.mark.parametrize("clock", ["boot", "wall"])
def test_a_holder_that_was_asleep_asks_whether_the_run_is_still_its_own(
    run: Migration, monkeypatch: pytest.MonkeyPatch, clock: str
) -> None:
    late, on_time = acquire(run.id, 5), 0.0
    assert late is not None
    since_boot_s, wall = stopwatch.since_boot_s, time.time
    if clock == "boot":
        monkeypatch.setattr(stopwatch, "since_boot_s", lambda: since_boot_s() + on_time)
    else:
        monkeypatch.setattr(stopwatch.time, "time", lambda: wall() + on_time)
    on_time = 60.0
    late.guard()
    late.guard()
    on_time = 120.0
    db.session.execute(update(Migration).values(epoch=Migration.epoch + 1))
    db.session.commit()
    with pytest.raises(LeaseLost):
        late.guard()


def test_a_renewal_that_comes_after_the_run_was_given_back_does_not_take_it_again(run: Migration) -> None:
    lease = acquire(run.id, 5)
    assert lease is not None
    assert lease._renew()
    with lease:
        pass
    assert not lease._renew(), "it was on its way already"
    assert acquire(run.id, 5) is not None, "nobody has to wait for a hold without a holder to run out"


def test_a_hold_whose_commit_took_long_counts_from_before_it(run: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, boot, passed = db.session.commit, stopwatch.since_boot_s, [0.0]

    def slow() -> None:
        commit()
        passed[0] = 10.0

    monkeypatch.setattr(stopwatch, "since_boot_s", lambda: boot() + passed[0])
    with monkeypatch.context() as patched:
        patched.setattr(db.session, "commit", slow)
        first = acquire(run.id, 5)
    assert first is not None
    db.session.execute(update(Migration).values(lease_until=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    assert acquire(run.id, 5) is not None
    with pytest.raises(LeaseLost):
        first.guard()


@pytest.mark.parametrize("said", [None, "uninitialized", "", "a/b", "f" * 200])
def test_a_machine_without_a_number_of_its_own_has_a_name_that_can_be_stored(
    run: Migration, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    def opened(path: str, **how: str) -> IO[str]:
        if path != "/etc/machine-id":
            return open(path, **how)  # type: ignore[call-overload]
        if said is None:
            raise FileNotFoundError(path)
        return io.StringIO(said)

    host = ["streamferry-worker-7d9f8b6c5d-x2x9k".ljust(64, "k")]
    monkeypatch.setattr(holder, "open", opened, raising=False)
    monkeypatch.setattr(socket, "gethostname", lambda: host[0])
    name = process_name()
    assert len(name) <= 120 and not is_dead(name)
    machine, boot, namespace, _, _ = name.split("/")
    assert is_dead("/".join((machine, boot, namespace, "1", "0"))), "a process of this very machine"
    running.work(run.id)
    db.session.refresh(run)
    assert run.epoch > 0
    host[0] = "another"
    assert process_name().split("/")[0] != machine


def test_a_holder_whose_machine_is_named_otherwise_has_to_run_out(run: Migration) -> None:
    _, boot, namespace, _, _ = process_name().split("/")
    assert not is_dead("/".join((f"a-host-{boot}", boot, namespace, "1", "0")))
