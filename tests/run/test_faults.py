"""What servers do wrong in the middle of a run: each ends in a clear sentence, and nothing is lost, doubled or opened too far."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus, Step
from panel.extensions import db
from panel.models import Migration, Move
from panel.services.run.trouble import with_what_stands
from panel.simulators.http import Fault
from tests.scene import Scene

PEOPLE = ("ada", "ben", "cleo")


def set_up(scene: Scene, source: str, target: str) -> None:
    """Two servers, and three people on the source."""
    first = scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", owner=first.owner)
    for name in PEOPLE:
        scene.person(name)


def work_off(scene: Scene, run: Migration) -> Migration:
    """Until the run has ended, however often it has to wait."""
    for _ in range(200):
        scene.finish(run)
        if run.ended_at is not None:
            return run
        run.wake_at = None
        db.session.commit()
    raise AssertionError(f"run {run.id} did not end: {run.status} {run.wake_reason}")


def host(scene: Scene) -> object:
    """Where the target's changing requests go."""
    return scene.tv if scene.target.kind == "plex" else scene.target.sim


FAULTS = {
    "500 without effect": Fault(status=500),
    "500 after the effect": Fault(status=500, effect=True),
    "502 page": Fault(status=502, body="<html>Bad Gateway</html>", content_type="text/html"),
    "429": Fault(status=429, headers={"Retry-After": "0"}),
    "429 without a word": Fault(status=429, effect=False),
    "connection lost before": Fault(drop=True),
    "connection lost after the effect": Fault(drop=True, effect=True),
    "half an answer": Fault(half=True),
    "a page instead of data": Fault(html=True),
    "a page after the effect": Fault(html=True, effect=True),
    "a redirect": Fault(status=302, headers={"Location": "http://127.0.0.1:9/"}),
}


@pytest.mark.parametrize(("what", "nth"), [*((what, 0) for what in FAULTS), ("500 after the effect", 1), ("connection lost before", 1)])
@pytest.mark.parametrize(
    ("source", "target"), [("jellyfin", "emby"), ("plex", "plex"), pytest.param("emby", "jellyfin", marks=pytest.mark.thorough)]
)
def test_one_bad_answer_to_a_changing_request_harms_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, source: str, target: str, what: str, nth: int
) -> None:
    monkeypatch.setattr("panel.domain.pacing.FIRST_COOL_DOWN_S", 0.05)
    set_up(scene, source, target)
    run = scene.start()
    fault = Fault(**{**vars(FAULTS[what]), "method": "POST", "path": "/(Users|shared_servers)", "skip": nth, "seen": 0})
    host(scene).faults.append(fault)  # type: ignore[attr-defined]
    work_off(scene, run)
    assert fault.seen > nth
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    for name in PEOPLE:
        assert scene.opened(name) == {"Films", "Shows"}
        assert scene.opened(name, scene.source) is None
    if target != "plex":
        sim = scene.target.sim
        assert len(sim.users) == 1 + len(PEOPLE), "nobody twice"
        assert not any(sim.can_sign_in(name, "") for name in PEOPLE)


def test_a_refused_key_in_mid_run_ends_the_run_with_a_sentence_and_a_retry_completes_it(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(Fault(method="POST", path="/Users/New", skip=1, times=None, status=401))
    work_off(scene, run)
    assert run.status is MigrationStatus.FAILED
    assert "refused the key" in run.problem
    assert scene.source.row.migration_id is None and scene.target.row.migration_id is None, "the servers are free again"
    statuses = scene.outcome(run)
    assert set(statuses.values()) == {"failed"}
    assert all(scene.opened(name, scene.source) == {"Films"} for name in PEOPLE), "nobody lost anything"
    scene.target.sim.faults.clear()
    from panel.services.run.steer import retry

    assert retry(run) == len(PEOPLE)
    db.session.commit()
    work_off(scene, run)
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert len(scene.target.sim.users) == 1 + len(PEOPLE)


def test_a_target_that_goes_away_is_waited_for(app: Flask, scene: Scene) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], outage_waits_s=(0.05, 0.1, 0.2, 0.4, 0.8, 1.6))
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    sim = scene.target.sim
    gone = []

    def leave(call: object, moment: str) -> None:
        if moment == "after" and len(sim.users) == 2 and not gone:
            gone.append(call)
            sim.stop()
            threading.Timer(0.3, sim.start).start()

    sim.on_call = leave
    work_off(scene, run)
    assert gone, "the target has left after its first new account"
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert len(sim.users) == 1 + len(PEOPLE)


def test_a_target_that_stays_away_fails_everybody_left_and_nobody_loses_anything(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.stop()
    work_off(scene, run)
    assert run.status is MigrationStatus.FAILED
    assert "cannot be reached" in run.problem or "does not answer" in run.problem
    moves = db.session.scalars(db.select(Move).where(Move.migration_id == run.id)).all()
    assert all(move.status == "failed" and move.retryable for move in moves)
    assert all(scene.opened(name, scene.source) == {"Films"} for name in PEOPLE)


def test_another_server_behind_the_known_address_is_sent_nothing(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.server_id = "f" * 32
    work_off(scene, run)
    assert run.status is MigrationStatus.FAILED
    assert not scene.changes(scene.target)
    assert [refusal.code for refusal in scene.preflight().blockers] == ["wrong_server"]


def test_a_user_deleted_on_the_source_during_the_run_counts_as_moved(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    source = scene.source.sim

    def delete_ada(call: object, moment: str) -> None:
        ada = source.user("ada")
        if moment == "after" and ada is not None and scene.target.sim.user("cleo") is not None:
            source.users.pop(ada.id)

    scene.target.sim.on_call = delete_ada
    work_off(scene, run)
    assert source.user("ada") is None
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")


def test_a_web_page_in_answer_to_a_removal_on_plex_is_not_taken_for_one(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    for name in PEOPLE:
        scene.person(name)
    run = scene.start()
    page = Fault(method="DELETE", html=True)
    scene.tv.faults.append(page)
    work_off(scene, run)
    assert page.seen > 1
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert [scene.opened(name, scene.source) for name in PEOPLE] == [None] * len(PEOPLE)


ODD = ["<b>Bold</b>", "Quo\"te's", "\u05e9\u05dc\u05d5\u05dd \u202eabc", "n" * 255, "Ünï çödé", "{{ 7*7 }}", "=SUM(A1)", "\U0001f600 smile"]


@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_odd_names_move_under_a_name_the_target_takes(scene: Scene, target: str) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    for number, name in enumerate(ODD):
        address = f"odd{number}@example.test"
        scene.person(name, email=address, plex_email=address, emby_email=address)
    run = scene.move()
    assert scene.outcome(run) == dict.fromkeys(ODD, "moved"), [move.detail for move in run.moves]
    accounts = [account for account in scene.target.sim.users.values() if not account.policy["IsAdministrator"]]
    assert len(accounts) == len(ODD)
    assert all(scene.target.sim.visible(account) == {"Films", "Shows"} for account in accounts)


def test_an_account_of_the_same_name_that_is_not_known_to_be_theirs_is_left_alone(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    stranger = scene.target.sim.add_user("ADA", "secret", libraries=["Home videos"])
    before = dict(stranger.policy)
    run = scene.move()
    assert scene.outcome(run)["ada"] == "skipped"
    assert [reason for move in run.moves if move.name == "ada" for reason in move.reasons] == ["name_taken"]
    assert stranger.policy == before
    assert scene.opened("ada", scene.source) == {"Films"}


def test_an_account_that_appears_between_the_look_and_the_request_is_left_alone(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    sim = scene.target.sim

    def squat(call: object, moment: str) -> None:
        if moment == "before" and getattr(call, "method", "") == "POST" and sim.user("ada") is None:
            sim.add_user("ada", "secret", libraries=["Home videos"])

    sim.on_call = squat
    work_off(scene, run)
    assert scene.outcome(run) == {"ada": "skipped", "ben": "moved", "cleo": "moved"}
    assert sim.visible(sim.user("ada")) == {"Home videos"}


def test_a_source_that_cannot_be_reached_is_left_as_it_is(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.source.sim.stop()
    run = scene.move()
    assert run.status is MigrationStatus.FINISHED
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert "nothing is removed there" in run.note
    assert all(scene.opened(name, scene.source) == {"Films"} for name in PEOPLE)


def test_a_mistake_of_ours_puts_the_run_off_and_ends_it_at_last(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    monkeypatch.setattr("panel.services.run.prepare", lambda *args: 1 / 0)
    work_off(scene, run)
    assert run.status is MigrationStatus.FAILED
    assert "unforeseen" in run.problem
    assert scene.source.row.migration_id is None


@pytest.mark.parametrize("said", ["no", "It says no.", "Really?"])
def test_what_stands_begins_a_sentence_of_its_own(said: str) -> None:
    whole = with_what_stands(said, Step.CHECK)
    assert whole.startswith(said) and re.search(r"[.?] Has access on the target", whole)
    assert re.search(r"[.?] The source access was left as it was", with_what_stands(said, Step.GIVE))


@pytest.mark.parametrize("times", [1, 3])
def test_an_invite_whose_answer_was_lost_is_looked_up_before_another_is_sent(scene: Scene, times: int) -> None:
    set_up(scene, "jellyfin", "plex")
    scene.tv.faults.append(Fault("POST", "/shared_servers", times=times, drop=True, effect=True))
    run = scene.start(pace_s=0.01)
    work_off(scene, run)
    assert not set(scene.outcome(run).values()) & {"failed", "skipped", "pending"}
    assert len(scene.tv.calls("POST", "/shared_servers")) == len(PEOPLE), "nothing is sent blindly a second time"
