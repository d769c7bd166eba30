"""The proof of a run: each changing request that reached a server is one row, with what came of it, and nothing secret in any of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from panel.config import Config
from panel.domain.deeds import OTHER, deed_of
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move, OneTimeLink, SentRequest, Setting
from panel.models.types import utc_now
from panel.platforms.base import PlatformError, Refused
from panel.services import invites, proof_report, users
from panel.services import run as running
from panel.services.claims import choosing, links, reopening
from panel.services.proof import ANNOUNCED, DIED
from panel.services.run import undo
from panel.simulators.http import Fault
from tests.databases import BOTH
from tests.run.test_contract import flask
from tests.run.test_faults import PEOPLE, set_up, work_off
from tests.run.test_kills import Killer, run_with_kill
from tests.scene import Scene

PAIRS = [("jellyfin", "emby"), ("plex", "plex"), ("emby", "plex")]
TROUBLES = {
    "nothing": [],
    "500": [Fault(method="POST", skip=1, status=500)],
    "500 after the effect": [Fault(method="POST", skip=1, status=500, effect=True)],
    "429": [Fault(method="POST", skip=1, status=429, headers={"Retry-After": "0"})],
    "lost before and after the effect": [Fault(method="POST", drop=True), Fault(method="POST", skip=2, drop=True, effect=True)],
    "half an answer, then a page": [Fault(method="POST", half=True), Fault(method="POST", skip=1, html=True)],
}

Sent = Counter[tuple[str, str, int | None]]


def bare(path: str) -> str:
    """Without what stands in the server's base URL, which is no part of the proof."""
    return re.sub("^/emby", "", path)


def arrived(scene: Scene) -> Sent:
    """What the journals of all hosts hold: the changing requests and the status that left."""
    hosts = {id(host): host for host in (scene.tv, *(side.sim for side in scene.sides))}
    entries = [entry for host in hosts.values() for entry in host.calls(changes=True)]
    return Counter((entry.call.method, bare(entry.call.path), entry.status or None) for entry in entries)


def rows_of(run: Migration) -> list[SentRequest]:
    """The proof of a run, oldest first."""
    db.session.expire_all()
    return list(db.session.scalars(db.select(SentRequest).where(SentRequest.migration_id == run.id).order_by(SentRequest.id)))


def told(rows: Iterable[SentRequest]) -> Sent:
    """The requests that these rows tell of."""
    return Counter((row.method, row.path, row.status) for row in rows if row.method)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_has_a_row_for_each_changing_request(scene: Scene, monkeypatch: pytest.MonkeyPatch, source: str, target: str, trouble: str) -> None:
    monkeypatch.setattr("panel.domain.pacing.FIRST_COOL_DOWN_S", 0.05)
    set_up(scene, source, target)
    run = scene.start()
    host = scene.tv if target == "plex" else scene.target.sim
    host.faults += [Fault(**vars(fault)) for fault in TROUBLES[trouble]]
    if target == "plex" and source != "plex":
        # People still have to accept: nothing is left to do then.
        scene.finish(run)
    else:
        work_off(scene, run)
    rows = rows_of(run)
    assert rows and told(rows) == arrived(scene)
    assert {row.server_id for row in rows} <= {scene.source.row.id, scene.target.row.id}
    assert all(row.at.tzinfo and run.created_at <= row.at <= (run.ended_at or row.at) for row in rows)
    for move in run.moves:
        assert any(row.move_id == move.id for row in rows), move.name
    for row in rows:
        assert deed_of(row.method, row.path) is not OTHER, row.path
        if row.status is None or row.status >= 400:
            assert row.result, "a sentence says what went wrong"
    # Where an effect was lost, the next attempt may be told that it is there already.
    assert len([row for row in rows if row.result]) >= len(TROUBLES[trouble])
    assert trouble != "nothing" or not [row.result for row in rows if row.result and not row.path.endswith("/Connect/Link")]


@pytest.mark.parametrize("trouble", ["nothing", "lost before and after the effect"])
@pytest.mark.parametrize(("source", "target"), PAIRS[:2])
def test_is_exported_as_the_servers_have_it(scene: Scene, source: str, target: str, trouble: str) -> None:
    set_up(scene, source, target)
    run = scene.start()
    host = scene.tv if target == "plex" else scene.target.sim
    host.faults += [Fault(**vars(fault)) for fault in TROUBLES[trouble]]
    work_off(scene, run)
    table = list(csv.DictReader(io.StringIO(proof_report.sent_csv(run))))
    document = json.loads(json.dumps(proof_report.document(run)))["requests"]
    assert Counter((row["method"], row["path"], int(row["status"]) if row["status"] else None) for row in table) == arrived(scene)
    assert Counter((line["method"], line["path"], line["status"]) for line in document) == arrived(scene)
    # A cell that a spreadsheet would take for a formula is disarmed; none of these is one.
    assert table == [{**line, "status": str(line["status"] or "")} for line in document]
    times = [datetime.fromisoformat(row["time"]) for row in table]
    assert times == sorted(times) and all(run.created_at - timedelta(seconds=1) < at <= (run.ended_at or at) for at in times)
    assert {(row["user"], row["server"]) for row in table} == {(name, server) for name in PEOPLE for server in ("Old", "New")}


def test_says_of_whom_and_to_which_server(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    found = [(line.user, line.server, line.what, line.result) for line in proof_report.sent(run.id) if line.user == "ada"]
    given = ["Account made", "Password set", "Libraries and rights written", "Linked with Emby Connect"]
    assert [(server, what) for _, server, what, _ in found] == [*(("New", what) for what in given), ("Old", "Libraries and rights written")]
    assert [result for *_, result in found][:3] == ["done"] * 3


def test_holds_what_closes_an_account_that_stands_half_made(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(Fault(method="POST", path="/Password", times=None, status=500))
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {MoveStatus.FAILED.value}
    scene.target.sim.faults.clear()
    before = len(rows_of(run))
    db.session.execute(db.update(Move).values(secure_after=None))
    db.session.commit()
    running.work(run.id)
    rows = rows_of(run)
    assert told(rows) == arrived(scene)
    closing = [(row.method, row.path.rpartition("/")[2], row.result) for row in rows[before:]]
    assert sorted(closing) == sorted([("POST", "Password", ""), ("POST", "Policy", "")] * len(PEOPLE))
    assert all(row.method for row in rows), "nothing is left of what was announced"


def test_is_kept_by_the_run_that_takes_another_back_too(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    scene.source.sim.journal.clear()
    scene.target.sim.journal.clear()
    back = undo.start_undo(run)
    db.session.commit()
    scene.finish(back)
    assert set(scene.outcome(back).values()) == {MoveStatus.MOVED.value}
    assert rows_of(back) and told(rows_of(back)) == arrived(scene)


@pytest.mark.parametrize(("nth", "database_kind"), [(1, "sqlite"), (2, "postgresql")])
def test_says_where_a_worker_died(app: Flask, config: Config, scene: Scene, nth: int) -> None:
    set_up(scene, "jellyfin", "emby")
    run = run_with_kill(scene, config, Killer(nth, "after"))
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    rows = rows_of(run)
    dead = [row for row in rows if not row.method]
    assert dead and all((row.path, row.status, row.result, row.server_id) == ("", None, DIED, run.target_id) for row in dead)
    assert len({row.move_id for row in dead}) == len(dead)
    assert not told(rows) - arrived(scene), "nothing is told that did not arrive"
    names = {move.id: move.name for move in run.moves}
    theirs = {names[row.move_id] for row in dead if row.move_id}
    by_account = {account.id: account.name for account in scene.target.sim.users.values()}
    for (method, path, _), _ in (arrived(scene) - told(rows)).items():
        if method == "POST" and not path.endswith("/Users/New"):
            assert by_account[path.split("/")[2]] in theirs, "whoever is missing a request is marked"
    assert [line.what for line in proof_report.sent(run.id) if line.problem == DIED] == ["Nothing is known"] * len(dead)


def test_has_a_row_for_a_password_that_a_person_chose(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin")
    run = scene.move()
    move = run.moves[0]
    before = len(rows_of(run))
    scene.target.sim.faults.append(Fault(method="POST", path="/Password", status=400, body="my own password is too long"))
    token = links.make(links.CLAIM, move.id)
    db.session.commit()
    for refused in (True, False):
        link = links.find(links.CLAIM, token)
        assert link is not None
        with pytest.raises(Refused) if refused else nullcontext():
            choosing.choose_password(link, "my own password")
    db.session.rollback()
    rows = rows_of(run)[before:]
    assert [(row.move_id, row.server_id, bool(row.result), row.status) for row in rows] == [
        (move.id, run.target_id, True, 400),
        (move.id, run.target_id, False, 204),
    ]
    assert "my own" not in rows[0].result


def test_has_a_row_for_what_opens_an_account_again_that_a_link_has_left_closed(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.target.sim.keeps_passwords = True
    run = scene.move()
    token = links.make(links.CLAIM, run.moves[0].id)
    db.session.commit()
    link = links.find(links.CLAIM, token)
    assert link is not None
    scene.target.sim.faults.append(Fault(method="POST", path="/Password", skip=2, times=None, drop=True))
    with pytest.raises(PlatformError):
        choosing.choose_password(link, "my own password")
    scene.target.sim.faults.clear()
    before = len(rows_of(run))
    db.session.execute(db.update(OneTimeLink).values(reopen_after=utc_now()))
    db.session.commit()
    assert reopening.due() == [link.id]
    reopening.reopen(link.id)
    rows = rows_of(run)
    assert told(rows) == arrived(scene)
    assert {(row.move_id, row.server_id, row.result) for row in rows[before:]} == {(run.moves[0].id, run.target_id, "")}


def test_has_a_row_for_an_invite_that_was_withdrawn(scene: Scene) -> None:
    scene.add_server("emby", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    scene.person("ada")
    Setting.current().pace_s = 0.0
    run = scene.move()
    move = run.moves[0]
    assert move.step is Step.ACCEPT
    scene.tv.faults.append(Fault(method="DELETE", status=500))
    with pytest.raises(invites.NotNow):
        invites.withdraw(move)
    db.session.rollback()
    invites.withdraw(move)
    db.session.commit()
    rows = [row for row in rows_of(run) if row.method == "DELETE"]
    assert [(row.move_id, row.status, bool(row.result)) for row in rows] == [(move.id, 500, True), (move.id, rows[1].status, False)]


def test_what_was_on_its_way_by_hand_when_the_panel_stopped_is_marked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(BaseException):
        """The end of the process."""

    set_up(scene, "emby", "jellyfin")
    run = scene.move()
    before = len(rows_of(run))
    token = links.make(links.CLAIM, run.moves[0].id)
    db.session.commit()
    link = links.find(links.CLAIM, token)
    assert link is not None

    def stop(*_: object, **__: object) -> None:
        raise Stopped

    monkeypatch.setattr("panel.platforms.jellyfin.JellyfinRemote.set_password", stop)
    with pytest.raises(Stopped):
        choosing.choose_password(link, "my own password")
    db.session.rollback()
    assert [(row.move_id, row.method, row.result) for row in rows_of(run)[before:]] == [(run.moves[0].id, "", ANNOUNCED)]


def exported(run: Migration) -> tuple[str, list[dict[str, Any]]]:
    """The table and the list of requests that can be downloaded now."""
    db.session.expire_all()
    return proof_report.sent_csv(run), proof_report.document(run)["requests"]


@pytest.mark.parametrize("database_kind", BOTH)
def test_keeps_what_was_sent_for_somebody_who_is_removed_from_the_panel(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    before, many = exported(run), len(rows_of(run))
    gone = run.moves[0]
    move_id, name, theirs = gone.id, gone.name, users.lines_about(gone.user)
    users.remove(gone.user)
    db.session.commit()
    assert db.session.get(Move, move_id, populate_existing=True) is None
    assert theirs == [line["user"] for line in before[1]].count(name) > 0
    assert exported(run) == before and len(before[1]) == many


@pytest.mark.parametrize("database_kind", BOTH)
def test_says_for_whom_a_worker_had_died_when_they_are_gone(scene: Scene, config: Config) -> None:
    set_up(scene, "jellyfin", "emby")
    run = run_with_kill(scene, config, Killer(1, "after"))
    [died, *_] = [row for row in rows_of(run) if row.result == DIED]
    gone = db.session.get_one(Move, died.move_id)
    users.remove(gone.user)
    db.session.commit()
    assert (gone.name, DIED) in [(line.user, line.problem) for line in proof_report.sent(run.id)]


def secrets_of(scene: Scene) -> set[str]:
    """The keys of the stage, and every password that was sent."""
    found = {side.owner.token if side.owner else side.sim.api_key for side in scene.sides}
    for side in scene.sides:
        for entry in side.sim.calls(changes=True):
            body: Any = entry.call.json() if entry.call.body else {}
            found |= {body[name] for name in ("NewPw", "Password", "Pw") if isinstance(body, dict) and body.get(name)}
    return found


@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("emby", "jellyfin"), ("plex", "plex")])
def test_tells_no_secret_even_where_a_server_repeats_it(app: Flask, scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    run = scene.start()
    host = scene.tv if target == "plex" else scene.target.sim
    key = scene.target.owner.token if target == "plex" else scene.target.sim.api_key
    host.faults.append(Fault(method="POST", path="/(Policy|shared_servers)", status=418, body=f"What about {key}?"))
    work_off(scene, run)
    exported = (
        proof_report.sent_csv(run) + json.dumps(proof_report.document(run)) + flask(app, "migrations", str(run.id), "--requests").stdout
    )
    stored = " ".join(f"{row.method} {row.path} {row.result}" for row in rows_of(run))
    assert "What about …?" in stored, "the server's words are there, without the key"
    secrets = secrets_of(scene)
    assert secrets and not [secret for secret in secrets if secret in stored + exported]
    assert "?" not in "".join(row.path for row in rows_of(run))


def test_is_printed_by_the_command_beside_what_scripts_rely_on(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    plain = json.loads(flask(app, "migrations", str(run.id), "--json").stdout)
    full = json.loads(flask(app, "migrations", str(run.id), "--requests", "--json").stdout)
    requests = full.pop("requests")
    assert full == plain
    assert len(requests) == len(rows_of(run)) and all(list(one) == list(proof_report.COLUMNS) for one in requests)
    assert {type(one["status"]) for one in requests} == {int}
    lines = flask(app, "migrations", str(run.id), "--requests").stdout
    assert lines.count("Account made – done") == len(PEOPLE)
    assert flask(app, "migrations", "--requests").exit_code == 2
