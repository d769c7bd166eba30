"""Invites that wait: found accepted by one list, the source access follows, and everybody gets their mail once."""

from __future__ import annotations

import pytest

from panel.extensions import db
from panel.jobs import housekeeping, invites
from panel.models import Share
from panel.services import run as running
from tests.scene import Scene


def invited(scene: Scene) -> int:
    """A run that has invited two people to a Plex server of another account; answers its number."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    for name in ("ada", "ben"):
        scene.person(name)
    run = scene.move()
    assert scene.outcome(run) == {"ada": "invited", "ben": "invited"}
    return run.id


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
