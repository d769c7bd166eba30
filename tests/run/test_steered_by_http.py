"""The real processes: a run begins at its time and again for those who are left, and its buttons take effect while it is worked on."""

from __future__ import annotations

import re
import threading
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests
from flask import Flask

from panel.config import Config
from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.services import admins
from panel.services import run as running
from panel.services.run.rounds import next_round_of
from panel.services.run.start import Schedule, start
from panel.simulators.http import Call, Fault
from tests.flask_up import Up, flask_up, power_cut
from tests.processes import wait_until
from tests.run.test_steering import PEOPLE, held, set_up
from tests.scene import Scene

EMAIL, PASSWORD = "olga@example.test", "correct horse battery"
#: A worker that is woken by nothing but the periodic check is there by then, also on a busy machine.
SOON = timedelta(seconds=30)


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.thorough), "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both."""
    return str(request.param)


def one_by_one(config: Config, folder: Path) -> AbstractContextManager[Up]:
    """`flask up`, with one user in hand at a time."""
    return flask_up(config, folder / "up.log", end=power_cut, PANEL_SIDE_BY_SIDE="1", PANEL_WORKERS="1")


class Buttons:
    """Somebody signed in, who presses the buttons of a run's page: at once, or at the moment the target is asked to make an account."""

    def __init__(self, app: Flask, scene: Scene, address: str) -> None:
        self.app, self.address, self.run_id = app, address, 0
        self.browser = requests.Session()
        answer = self._send("/sign-in", "/sign-in", email=EMAIL, password=PASSWORD)
        assert not answer.url.endswith("/sign-in"), answer.text
        self._sim = scene.target.sim
        self._armed, self._skip = "", 0
        self.naming = threading.Lock()
        "Held while a run is started: no button is pressed before it is known of which."
        self.pressed = threading.Event()
        self.in_hand: set[str] = set()
        "Who was in hand when what was pressed at work took effect."
        self._sim.on_call = self._on_call

    def press(self, button: str) -> None:
        """Now; fails where the panel does not do it."""
        page = f"/migrations/{self.run_id}"
        answer = self._send(page, f"{page}/{button}")
        assert answer.ok and answer.history[0].status_code == 303, answer.text

    def press_at_work(self, button: str, *, skip: int = 0) -> None:
        """The next time the target is asked for an account, or so many times later, before it answers."""
        self.pressed.clear()
        self.in_hand = set()
        self._armed, self._skip = button, skip

    def start(self, scene: Scene) -> Migration:
        """A run, whose buttons these are from now on."""
        with self.naming:
            run = scene.start()
            self.run_id = run.id
        return run

    def _on_call(self, call: Call, moment: str) -> None:
        if not self._armed or moment != "before" or (call.method, call.path.rpartition("/Users/")[2]) != ("POST", "New"):
            return
        if self._skip:
            self._skip -= 1
            return
        button, self._armed = self._armed, ""
        with self.naming:
            self.press(button)
        with self.app.app_context():
            whose = db.select(Move.name).where(Move.migration_id == self.run_id, Move.claim.is_not(None))
            self.in_hand = set(db.session.scalars(whose))
        self.pressed.set()

    def _send(self, page: str, to: str, **fields: str) -> requests.Response:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.browser.get(self.address + page, timeout=30).text)
        assert token is not None
        return self.browser.post(self.address + to, {"csrf_token": token[1], **fields}, timeout=30)


def fresh(run: Migration) -> Migration:
    """As it is stored now."""
    db.session.rollback()
    db.session.expire_all()
    return run


def is_at_rest(run: Migration) -> bool:
    """Paused, and nobody in hand any more."""
    return fresh(run).status is MigrationStatus.PAUSED and not any(move.claim for move in run.moves) and run.lease_until is None


def ended_at(run: Migration) -> datetime | None:
    return fresh(run).ended_at


@pytest.mark.timeout(200)
def test_pause_resume_retry_and_cancel_take_effect_within_one_user(app: Flask, config: Config, scene: Scene, tmp_path: Path) -> None:
    set_up(scene, "jellyfin", "emby")
    admins.create(EMAIL, PASSWORD)
    db.session.commit()
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="No."))
    with one_by_one(config, tmp_path) as up:
        buttons = Buttons(app, scene, up.address)
        # Ada is refused; it is pressed at the next one.
        buttons.press_at_work("pause", skip=1)
        run = buttons.start(scene)
        wait_until(lambda: is_at_rest(run))
        assert_one_was_finished(scene, buttons, run)
        buttons.press_at_work(f"moves/{run.moves[0].id}/retry")
        buttons.press("resume")
        wait_until(lambda: ended_at(run))
        assert buttons.pressed.is_set() and run.status is MigrationStatus.FINISHED
        assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
        assert len([entry for entry in scene.target.sim.calls("POST", "/Users/New") if entry.status == 200]) == len(PEOPLE)
        cancel_another(scene, buttons)
    assert held(scene) == []


def assert_one_was_finished(scene: Scene, buttons: Buttons, run: Migration) -> None:
    """Whoever was in hand when the run was paused; nobody else was begun."""
    assert scene.outcome(run)["ada"] == "failed"
    given = {move.name for move in run.moves if move.given_at is not None}
    assert buttons.pressed.is_set() and given >= buttons.in_hand and len(buttons.in_hand) == 1
    waiting = [move for move in run.moves if move.name not in given and move.status is not MoveStatus.FAILED]
    assert waiting and all((move.status, move.step) == (MoveStatus.PENDING, Step.GIVE) for move in waiting)
    assert all(scene.opened(move.name) is None for move in waiting)
    assert running.due() == [] and held(scene) == ["New", "Old"]


def cancel_another(scene: Scene, buttons: Buttons) -> None:
    """A further run, of others: one is in hand when it is cancelled, and is finished."""
    others = ("fay", "gus", "hal")
    for name in others:
        scene.person(name)
    buttons.press_at_work("cancel")
    run = buttons.start(scene)
    wait_until(lambda: ended_at(run))
    assert buttons.pressed.is_set() and len(buttons.in_hand) == 1
    assert (run.status, run.ended_at is not None) == (MigrationStatus.CANCELLED, True)
    outcome = {name: status for name, status in scene.outcome(run).items() if name in others}
    assert outcome == {name: "moved" if name in buttons.in_hand else "cancelled" for name in others}
    assert {name: scene.opened(name) is not None for name in others} == {name: name in buttons.in_hand for name in others}


@pytest.mark.timeout(200)
def test_a_run_begins_at_its_time_and_its_next_round_moves_who_has_paid_by_then(config: Config, scene: Scene, tmp_path: Path) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    ben = scene.person("ben", days=(-40, -10))
    with one_by_one(config, tmp_path) as up:
        assert up.address
        first = start(scene.preflight(), Schedule(start_at=utc_now() + timedelta(seconds=3), repeat_every_h=1.0, rounds=2))
        db.session.commit()
        assert held(scene) == [] and first.moves == []
        wait_until(lambda: ended_at(first))
        assert_began_in_time(first)
        assert scene.outcome(first) == {"ada": "moved", "ben": "skipped"}
        assert (scene.opened("ada"), scene.opened("ben")) == ({"Films", "Shows"}, None)
        second = next_round_of(first)
        assert second is not None and second.start_at is not None and first.ended_at is not None
        assert second.start_at - first.ended_at > timedelta(minutes=59)
        db.session.add(scene.payment(ben, "Basic", (-1, 30)))
        # An hour is more than a test waits.
        second.start_at = second.wake_at = utc_now() + timedelta(seconds=3)
        db.session.commit()
        wait_until(lambda: ended_at(second))
        assert_began_in_time(second)
    assert scene.outcome(second)["ben"] == "moved" and scene.opened("ben") == {"Films", "Shows"}
    assert next_round_of(second) is None, "nobody is left"
    assert len(scene.target.sim.calls("POST", "/Users/New")) == 2 and held(scene) == []


def assert_began_in_time(run: Migration) -> None:
    """Not before, and soon after."""
    assert run.start_at is not None and run.started_at is not None
    assert timedelta(0) <= run.started_at - run.start_at < SOON
