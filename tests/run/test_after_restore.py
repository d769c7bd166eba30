"""After a restore nothing is presumed about accounts that were being made when the backup was made: nobody is shut out of one they use by
now, and one that really stands open is closed first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine

from panel.config import Config
from panel.domain.statuses import MigrationStatus, MoveStatus
from panel.extensions import config as installed
from panel.extensions import db
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from panel.services import backup as backups
from panel.services import run as running
from panel.services.backup.restore import Restored, restore
from panel.services.run import steer
from panel.simulators.http import Call
from tests.clock import Clock, clock
from tests.faults.stage import PEOPLE, Stage, stage
from tests.faults.state import wrongs
from tests.run.one_worker import OneWorker
from tests.run.outages import waiting_for
from tests.run.test_kills import Killer
from tests.run.test_left_behind import killed_after_the_first_account
from tests.scene import Scene
from tests.watched import unwatch, violations, watch

__all__ = ["clock"]

#: Resumed, cancelled, or neither.
WAYS: tuple[Callable[[Migration], None] | None, ...] = (steer.resume, steer.cancel, None)
PAIRS = [("jellyfin", "emby"), ("emby", "jellyfin"), ("plex", "jellyfin"), ("plex", "plex")]


@contextmanager
def backup_after(on: Stage, nth: int) -> Iterator[Path]:
    """A backup is made at the nth changing request, as soon as it has been carried out."""
    path, seen = on.config.var / "then.zip", 0
    path.unlink(missing_ok=True)

    def on_call(call: Call, moment: str) -> None:
        nonlocal seen
        if call.method == "GET" or moment != "after":
            return
        seen += 1
        if seen == nth:
            make_backup(on.config, path)

    on.hook(on_call)
    yield path
    on.hook(None)


def make_backup(config: Config, path: Path) -> None:
    """As `flask backup` makes one, from any thread."""
    engine = create_engine(config.database_url)
    backups.make(path, engine, config, utc_now(), overwrite=True)
    engine.dispose()


def bring_back(config: Config, path: Path) -> Restored:
    """The backup takes the place of the database, as `flask restore` has it; from then on each status is watched."""
    db.session.remove()
    db.engine.dispose()
    done = restore(path, config, utc_now())
    Path(done.kept).unlink(missing_ok=True)
    watch()
    return done


def choose_passwords(on: Stage) -> dict[str, str]:
    """Everybody on a target with passwords sets their own; answers those by name."""
    for name in passwords(on):
        on.scene.target.sim.user(name).password = f"chosen by {name}"
    return passwords(on)


def passwords(on: Stage) -> dict[str, str]:
    if on.scene.target.kind == "plex":
        return {}
    return {account.name: account.password for account in on.scene.target.sim.users.values() if account.name in PEOPLE}


def problems_after(on: Stage, nth: int, way: Callable[[Migration], None] | None) -> list[str] | None:
    """What is wrong after a backup at this request, the end of the run, a restore and this way on; `None`: there is no such request."""
    on.reset()
    with backup_after(on, nth) as path:
        on.labour()
    if not path.exists():
        return None
    chosen, opened = choose_passwords(on), {name: on.scene.opened(name) for name in PEOPLE}
    sent = sum(entry.changes for sim in on.sims for entry in sim.journal)
    bring_back(on.config, path)
    if way is None:
        found = [f"due: {running.due()}"] if on.run_id in running.due() else []
        running.work(on.run_id)
        found += ["something was sent"] if sum(entry.changes for sim in on.sims for entry in sim.journal) != sent else []
    else:
        way(on.run)
        db.session.commit()
        on.labour()
        found = [] if on.run.ended_at else ["it has not ended"]
    found += [f"passwords are {passwords(on)}"] if passwords(on) != chosen else []
    found += [f"{name} sees {on.scene.opened(name)}, not {saw}" for name, saw in opened.items() if on.scene.opened(name) != saw]
    return found + wrongs(on) + violations()


def run_all(source: str, target: str, way: Callable[[Migration], None] | None, *, width: int = 1, which: slice = slice(None)) -> None:
    failed = {}
    with stage(source, target, width=width, same_account=source == target == "plex", watches=False) as on:
        for nth in range(1, 40)[which]:
            found = problems_after(on, nth, way)
            if found is None:
                break
            if found:
                failed[nth] = found
        assert nth > 1 or which != slice(None), "nothing was ever sent"
    assert not failed, "\n".join(f"backup at request {nth}: {'; '.join(found)}" for nth, found in failed.items())


@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_nobody_is_shut_out_whenever_the_backup_was_made(source: str, target: str, way: Callable[[Migration], None] | None) -> None:
    run_all(source, target, way)


@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", WAYS)
def test_nobody_is_shut_out_where_two_were_in_hand(way: Callable[[Migration], None] | None) -> None:
    run_all("jellyfin", "emby", way, width=2)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_is_shut_out_of_the_account_that_was_being_made(way: Callable[[Migration], None] | None) -> None:
    run_all("jellyfin", "emby", way, which=slice(0, 1))


def restored(scene: Scene, path: Path) -> tuple[Restored, Migration]:
    """A backup of now, restored at once; what that answers, and the only run."""
    unwatch()
    make_backup(installed(), path)
    done = bring_back(installed(), path)
    for side in scene.sides:
        side.row = db.session.scalars(db.select(Server).where(Server.url == side.sim.url)).one()
    return done, db.session.scalars(db.select(Migration)).one()


def restored_while_open(scene: Scene, config: Config, path: Path) -> Migration:
    """A run whose worker died when an account stood open on Emby; the backup was made at that moment and is restored."""
    killed_after_the_first_account(scene, config)
    done, run = restored(scene, path)
    assert done.unknown == tuple((move.name, run.id) for move in run.moves if move.from_backup) != ()
    return run


@pytest.mark.parametrize("way", [steer.resume, steer.cancel])
def test_an_account_that_still_stands_open_is_closed_first_and_finished(
    app: Flask, config: Config, scene: Scene, tmp_path: Path, clock: Clock, way: Callable[[Migration], None]
) -> None:
    run = restored_while_open(scene, config, tmp_path / "then.zip")
    made = {account.name for account in scene.target.sim.users.values()} & set(PEOPLE)
    assert run.id not in running.due(), "nothing is done about it before somebody has looked"
    scene.target.sim.journal.clear()
    way(run)
    db.session.commit()
    finish_after_two_looks(scene, run, clock)
    first = scene.target.sim.calls(changes=True)[0].call
    assert first.path.endswith("/Password") and any(scene.target.sim.user(name).id in first.path for name in made)
    assert not scene.target.sim.exposure.still_open() and run.ended_at is not None
    assert scene.outcome(run) == {name: "moved" if way is steer.resume or name in made else "cancelled" for name in PEOPLE}
    assert all(scene.opened(name) == {"Films", "Shows"} for name in made)
    assert not any(move.from_backup for move in run.moves)


def finish_after_two_looks(scene: Scene, run: Migration, clock: Clock) -> None:
    """Whoever has no account is waited for until a second look, a minute later, has found none either."""
    scene.finish(run)
    clock.ahead += timedelta(seconds=61)
    scene.finish(run)


def killed_after_the_account(scene: Scene, config: Config, target: str, **options: str) -> None:
    """A run whose worker died right after it had made an account."""
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", **options)
    scene.person("ada")
    run = scene.start()
    killer = Killer(1, "after")
    scene.target.sim.on_call = killer.on_call
    killer.worker = OneWorker(config, run)
    killer.wait()
    scene.target.sim.on_call = None


@pytest.mark.parametrize(("target", "options"), [("jellyfin", {}), ("jellyfin", {"version": "12.0"}), ("emby", {})])
def test_an_account_with_a_password_is_left_to_a_person_and_a_retry_goes_on(
    app: Flask, config: Config, scene: Scene, tmp_path: Path, target: str, options: dict[str, str]
) -> None:
    killed_after_the_account(scene, config, target, **options)
    _done, run = restored(scene, tmp_path / "then.zip")
    account = scene.target.sim.user("ada")
    account.password = "" if options else "her own"
    was = account.password, dict(account.policy)
    scene.target.sim.journal.clear()
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert (account.password, account.policy) == was and not scene.target.sim.calls(changes=True)
    (move,) = run.moves
    assert (scene.outcome(run), move.retryable, move.from_backup) == ({"ada": "failed"}, True, False)
    assert "“ada” on New was being made when the restored backup was made" in move.detail
    assert scene.opened("ada", scene.source) and not move.created_account
    del scene.target.sim.users[account.id]
    steer.retry(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada") == {"Films", "Shows"}


def test_who_has_no_account_is_given_one_once_two_looks_have_found_none(
    app: Flask, config: Config, scene: Scene, tmp_path: Path, clock: Clock
) -> None:
    killed_after_the_account(scene, config, "emby")
    _done, run = restored(scene, tmp_path / "then.zip")
    del scene.target.sim.users[scene.target.sim.user("ada").id]
    scene.target.sim.journal.clear()
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert not scene.target.sim.calls(changes=True) and run.wake_at is not None and scene.opened("ada", scene.source)
    clock.ahead = timedelta(seconds=61)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada") == {"Films", "Shows"}
    assert not db.session.scalar(db.select(Move.from_backup))


def test_a_run_that_was_cancelled_and_not_at_its_end_waits_too(
    app: Flask, config: Config, scene: Scene, tmp_path: Path, clock: Clock
) -> None:
    run = killed_after_the_first_account(scene, config)
    steer.cancel(run)
    db.session.commit()
    done, run = restored(scene, tmp_path / "then.zip")
    assert done.paused == 1 and run.status is MigrationStatus.PAUSED and run.id not in running.due()
    made = {account.name for account in scene.target.sim.users.values()}
    steer.cancel(run)
    db.session.commit()
    finish_after_two_looks(scene, run, clock)
    assert scene.outcome(run) == {name: "moved" if name in made else "cancelled" for name in PEOPLE} and run.ended_at is not None


def work_while_away(run: Migration, clock: Clock, minutes: int) -> list[Move]:
    """The target does not answer for so long; answers of whom it was not known before what became of their account."""
    unknown = [move for move in run.moves if move.from_backup]
    for _ in range(minutes):
        running.work(run.id)
        db.session.expire_all()
        clock.ahead += timedelta(seconds=61)
    return unknown


def steered_while_away(app: Flask, scene: Scene, run: Migration, way: Callable[[Migration], None]) -> None:
    """The target goes away before the button is pressed; an outage is waited for for 285 s."""
    waiting_for(app, 100.0, 185.0)
    scene.target.sim.stop()
    way(run)
    db.session.commit()


def test_a_target_that_stays_away_keeps_no_cancelled_run_for_ever(
    app: Flask, config: Config, scene: Scene, tmp_path: Path, clock: Clock
) -> None:
    run = restored_while_open(scene, config, tmp_path / "then.zip")
    steered_while_away(app, scene, run, steer.cancel)
    unknown = work_while_away(run, clock, 5)
    assert unknown and not any(move.status is MoveStatus.FAILED for move in unknown), "for as long as an outage is waited for"
    work_while_away(run, clock, 2)
    assert run.ended_at is not None and run.source.migration_id is None
    assert all(move.status is MoveStatus.FAILED and move.retryable and "could not be found out" in move.detail for move in unknown)
    prepared_at = run.prepared_at
    scene.target.sim.start()
    running.work(run.id)
    assert not scene.target.sim.exposure.still_open(), "it is looked for all the same"
    db.session.expire_all()
    closed = "could be looked for on New in the end: it is there, and closed. A retry goes on from there."
    assert all(move.detail == f"“{move.account_name}” {closed}" for move in unknown if move.target_member_id)
    assert any(move.target_member_id for move in unknown) and run.prepared_at == prepared_at


def test_a_target_that_stays_away_during_a_pause_fails_nobody(
    app: Flask, config: Config, scene: Scene, tmp_path: Path, clock: Clock
) -> None:
    run = restored_while_open(scene, config, tmp_path / "then.zip")
    steered_while_away(app, scene, run, steer.resume)
    unknown = work_while_away(run, clock, 4)
    steer.pause(run)
    db.session.commit()
    work_while_away(run, clock, 12)
    assert run.status is MigrationStatus.PAUSED and unknown and not any(move.status is MoveStatus.FAILED for move in unknown)
    steer.resume(run)
    db.session.commit()
    work_while_away(run, clock, 4)
    assert not any(move.status is MoveStatus.FAILED for move in unknown), "what failed before the pause does not count after it"
    scene.target.sim.start()
    clock.ahead += timedelta(seconds=61)
    finish_after_two_looks(scene, run, clock)
    assert set(scene.outcome(run).values()) == {"moved"} and not scene.target.sim.exposure.still_open()


def test_what_a_run_that_has_ended_left_unknown_is_closed_where_nobody_has_chosen_a_password(
    app: Flask, config: Config, scene: Scene, tmp_path: Path
) -> None:
    killed_after_the_account(scene, config, "emby")
    run = db.session.scalars(db.select(Migration)).one()
    run.status, run.ended_at = MigrationStatus.FAILED, utc_now()
    run.moves[0].status, run.moves[0].claim, run.moves[0].created_account = MoveStatus.FAILED, None, True
    db.session.commit()
    assert scene.target.sim.exposure.still_open() == ["ada"]
    _done, run = restored(scene, tmp_path / "then.zip")
    assert run.id in running.due()
    running.work(run.id)
    assert not scene.target.sim.exposure.still_open() and scene.opened("ada", scene.source)
