"""Invites that wait: found accepted by one list, the source access follows, and everybody gets their mail once."""

from __future__ import annotations

import pytest

from panel.domain.statuses import MigrationStatus
from panel.extensions import db
from panel.jobs import housekeeping, invites
from panel.models import Share
from panel.services import run as running
from panel.simulators.http import Fault
from tests.invited import two_invited
from tests.scene import Scene


def invited(scene: Scene) -> int:
    """A run that has invited two people to a Plex server of another account; answers its number."""
    return two_invited(scene).id


def test_an_accepted_invite_becomes_a_move_and_the_source_follows(scene: Scene) -> None:
    run_id = invited(scene)
    scene.tv.accept(scene.target.sim.share_of("ada@example.test") or scene.tv.shares_of(scene.target.sim)[0])
    scene.tv.journal.clear()
    invites.check(scene.target.row.id)
    assert len(scene.tv.journal) <= 3, "one look for everybody"
    running.work(run_id)
    db.session.expire_all()
    statuses = sorted(scene.outcome(db.session.get_one(running.Migration, run_id)).values())
    assert statuses == ["invited", "moved"]
    assert scene.opened("ada", scene.source) is None
    assert scene.opened("ben", scene.source) == {"Films"}


def test_a_worker_that_dies_right_after_the_last_removal_leaves_no_server_in_use(scene: Scene) -> None:
    run_id = invited(scene)
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    invites.check(scene.target.row.id)
    running.work(run_id)
    assert run_id not in running.due()
    # As it stands when everything was committed but the letting go.
    scene.source.row.migration_id = run_id
    db.session.commit()
    assert run_id in running.due()
    running.work(run_id)
    db.session.expire_all()
    assert scene.source.row.migration_id is None and run_id not in running.due()


def test_a_server_is_asked_every_five_minutes_by_whoever_comes_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    invited(scene)
    woken: list[int] = []
    monkeypatch.setattr(housekeeping, "wake_invites", woken.append)
    housekeeping.tick()
    housekeeping.tick()
    assert woken == [scene.target.row.id]


def test_a_waiting_invite_is_stored_as_not_accepted(scene: Scene) -> None:
    invited(scene)
    shares = db.session.scalars(db.select(Share).where(Share.server_id == scene.target.row.id)).all()
    assert len(shares) == 2
    assert all(share.accepted_at is None and share.invited_at is not None for share in shares)


def test_a_second_run_repeats_no_invite(scene: Scene) -> None:
    invited(scene)
    scene.tv.journal.clear()
    again = scene.move()
    assert scene.outcome(again) == {"ada": "invited", "ben": "invited"}
    assert not scene.tv.calls(changes=True)


def two_servers_of_one_account(scene: Scene) -> tuple[int, int]:
    """As `invited`, and a second run that has invited the same people to another server of that account; their numbers."""
    first = invited(scene)
    scene.add_server("plex", "Two", owner=scene.target.owner)
    old, new, two = scene.sides
    scene.sides = [old, two]
    second = scene.move()
    scene.sides = [old, new, two]
    assert scene.outcome(second) == {"ada": "invited", "ben": "invited"}
    return first, second.id


def test_servers_of_one_account_are_asked_for_together(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two_servers_of_one_account(scene)
    woken: list[int] = []
    monkeypatch.setattr(housekeeping, "wake_invites", woken.append)
    housekeeping.tick()
    assert len(woken) == 1
    for side in scene.sides[1:]:
        scene.tv.accept(side.sim.share_of("ada@example.test"))
    scene.tv.remove(scene.sides[2].sim.share_of("ben@example.test"))
    scene.tv.journal.clear()
    runs: list[int] = []
    monkeypatch.setattr(invites, "wake", runs.append)
    invites.check(woken[0])
    assert [entry.call.path.rpartition("/")[2] for entry in scene.tv.journal] == ["pending", "accepted"], "each list once"
    assert runs == [first, second]
    for run_id in runs:
        running.work(run_id)
    db.session.expire_all()
    assert [scene.outcome(db.session.get_one(running.Migration, run_id)) for run_id in runs] == [
        {"ada": "moved", "ben": "invited"},
        {"ada": "moved", "ben": "failed"},
    ]


def test_a_server_about_which_plex_contradicts_itself_does_not_hold_up_the_others(scene: Scene) -> None:
    first, second = two_servers_of_one_account(scene)
    scene.tv.accept(scene.sides[1].sim.share_of("ada@example.test"))
    # Of the second server v2 lists nobody, and v1, which is asked to confirm that, cannot be read.
    for name in ("ada", "ben"):
        scene.tv.remove(scene.sides[2].sim.share_of(f"{name}@example.test"))
    scene.tv.faults.append(Fault(path=f"/api/servers/{scene.sides[2].sim.machine_id}/shared_servers", times=None, status=500))
    invites.check(scene.sides[1].row.id)
    db.session.expire_all()
    assert db.session.get_one(running.Migration, second).status is MigrationStatus.FINISHED
    assert scene.outcome(db.session.get_one(running.Migration, second)) == {"ada": "invited", "ben": "invited"}
    running.work(first)
    db.session.expire_all()
    assert scene.outcome(db.session.get_one(running.Migration, first)) == {"ada": "moved", "ben": "invited"}
