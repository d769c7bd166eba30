"""Whatever goes wrong beside it, a run ends, its servers are free again, and what is tried again is judged again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from flask import Flask

from panel.extensions import db
from panel.models import EmailTemplate, Pacemaker, Setting
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.preflight import ask_both
from panel.services.run import steer
from panel.simulators.http import Call, Fault
from tests.run.test_faults import set_up, work_off
from tests.scene import Scene


class AdasAccount(Fault):
    """Nothing about one account can be changed."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(status=500, times=None)
        self.sim = scene.target.sim

    def strikes(self, call: Call) -> bool:
        """Every changing request about it."""
        ada = self.sim.user("ada")
        return bool(ada and call.method == "POST" and ada.id in call.path)


def test_an_account_that_cannot_be_closed_holds_up_nobody_else(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(AdasAccount(scene))
    work_off(scene, run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    assert "may stand open" in next(move.remark for move in run.moves if move.name == "ada")
    assert scene.source.row.migration_id is None


def test_a_template_that_cannot_be_rendered_keeps_no_run_from_ending(scene: Scene) -> None:
    set_up(scene, "jellyfin", "jellyfin")
    setting = Setting.current()
    setting.admin_email, setting.smtp_host = "admin@example.test", "127.0.0.1"
    db.session.add(EmailTemplate(event="system_message", subject="{{ '{x}'.format() }}"))
    db.session.commit()
    run = scene.move()
    assert run.ended_at is not None and set(scene.outcome(run).values()) == {"moved"}


def test_a_pause_beside_a_refused_key_ends_the_run_as_failed(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    pressed: list[Call] = []

    def pause(call: Call, moment: str) -> None:
        if call.method == "POST" and not pressed:
            pressed.append(call)
            with app.app_context():
                steer.pause(db.session.get_one(running.Migration, run.id))
                db.session.commit()

    scene.target.sim.on_call = pause
    scene.target.sim.faults.append(Fault("POST", "/Users/New", status=401, times=None))
    work_off(scene, run)
    assert pressed and run.status == "failed"
    scene.target.sim.faults.clear()
    steer.retry(run)
    db.session.commit()
    assert scene.source.row.migration_id == run.id, "the retry holds the servers again"
    work_off(scene, run)
    assert run.status == "finished" and set(scene.outcome(run).values()) == {"moved"}


def test_a_retry_is_judged_by_what_holds_now(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(Fault("POST", "/Users/New", status=500, times=None))
    work_off(scene, run)
    scene.target.sim.faults.clear()
    films = next(library for library in scene.target.row.libraries if library.name == "Films")
    films.group_id = scene.group("Private").id
    db.session.commit()
    steer.retry(run)
    db.session.commit()
    work_off(scene, run)
    assert scene.opened("ada") == {"Shows"}


def test_refusals_in_a_row_make_the_wait_longer(scene: Scene) -> None:
    set_up(scene, "plex", "plex")
    run = scene.start()
    scene.tv.faults.append(Fault("POST", "/api/v2/shared_servers$", status=429, times=None))
    waits = []
    for _ in range(3):
        running.work(run.id)
        db.session.expire_all()
        row = db.session.scalars(db.select(Pacemaker).where(Pacemaker.cool_until.is_not(None))).one()
        assert row.cool_until is not None
        waits.append(round((row.cool_until - utc_now()).total_seconds()))
        row.cool_until, run.wake_at = None, None
        db.session.commit()
    assert waits == sorted(set(waits)) and waits[-1] > 100


def lock_watch(scene: Scene) -> list[str]:
    """Notes every request during which somebody else could not write to the database."""
    path, blocked = str(db.engine.url.database), list[str]()

    def on_call(call: Call, moment: str) -> None:
        if moment == "before":
            with sqlite3.connect(path, timeout=0.2) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    blocked.append(f"{call.method} {call.path}")

    for sim in (scene.tv, scene.source.sim, scene.target.sim):
        sim.on_call = on_call
    return blocked


def a_run_with_a_lost_answer(scene: Scene) -> None:
    """Everything a run asks its servers, lists in mid-run as well."""
    run = scene.start()
    scene.target.sim.faults.append(Fault("POST", "/Users/New", drop=True))
    work_off(scene, run)


def a_question_from_the_shell(scene: Scene) -> None:
    """What `flask preflight` asks."""
    ask_both(scene.source.row, scene.target.row)


@pytest.mark.parametrize("what", [a_run_with_a_lost_answer, a_question_from_the_shell])
def test_nothing_is_locked_while_a_server_is_asked(scene: Scene, what: Callable[[Scene], None]) -> None:
    set_up(scene, "jellyfin", "jellyfin")
    blocked = lock_watch(scene)
    what(scene)
    assert blocked == []
