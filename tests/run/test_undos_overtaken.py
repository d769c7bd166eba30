"""A run that takes another back and has failed for somebody is not tried again once others have done, or undone, what it was begun for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.services.run import steer, undo
from panel.simulators.http import Fault
from panel.web.move_actions import why_no_undo
from tests.databases import BOTH
from tests.run.test_looked_at_first import move_of
from tests.run.test_taken_late import go, retry, set_up
from tests.run.test_undo import undo_all
from tests.scene import Scene

MOVED = {"Films", "Shows"}


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


def failed_undo(scene: Scene, run: Migration, status: int = 500) -> Migration:
    """One that could not give ada's access back."""
    sim = scene.source.sim
    sim.faults.append(Fault("POST", f"/Users/{sim.user('ada').id}/Policy", status=status, times=None, body="no"))
    back = undo_all(scene, run)
    sim.faults.clear()
    assert scene.outcome(back)["ada"] == "failed" and scene.opened("ada") == MOVED
    return back


def moved(scene: Scene) -> Migration:
    set_up(scene, "emby", "jellyfin", "ada", "ben")
    return scene.move()


def taken_back_and_moved_again(scene: Scene, run: Migration) -> Migration:
    undo_all(scene, run)
    return go(scene, *scene.sides)


def moved_there_and_back(scene: Scene, _run: Migration) -> Migration:
    go(scene, *reversed(scene.sides))
    return go(scene, *scene.sides)


def refused(run: Migration, name: str) -> set[str]:
    """What is said by the menu of the user, by their retry and by that of all who failed; none of them does anything."""
    db.session.expire_all()
    move = move_of(run, name)
    said = {steer.why_no_retry(move)}
    for whom in (move.id, None):
        with pytest.raises(steer.NotPossible) as raised:
            steer.retry(run, whom)
        said.add(str(raised.value))
    assert db.session.scalar(select(func.count()).select_from(Move).where(*steer.may_be_retried(run.id))) == 0
    return said


@pytest.mark.parametrize("since", [taken_back_and_moved_again, moved_there_and_back])
def test_what_a_later_run_gave_is_not_taken_by_another_try(scene: Scene, since: Callable[[Scene, Migration], Migration]) -> None:
    run = moved(scene)
    back = failed_undo(scene, run)
    later = since(scene, run)
    assert scene.outcome(later)["ada"] == "moved" and (scene.opened("ada"), scene.opened("ada", scene.source)) == (MOVED, None)
    why = f"Migration {later.id} has moved ada since; another try would take away what that one has given."
    assert refused(back, "ada") == {f"{why} To take migration {run.id} back all the same, undo it once more."}
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == (MOVED, None)


def test_a_pause_since_changes_nothing_about_that(scene: Scene) -> None:
    run = moved(scene)
    sim = scene.source.sim
    for name in ("ada", "ben"):
        sim.faults.append(Fault("POST", f"/Users/{sim.user(name).id}/Policy", status=500, times=None, body="no"))
    back = undo_all(scene, run)
    sim.faults.clear()
    assert set(scene.outcome(back).values()) == {"failed"}
    steer.retry(back, move_of(back, "ben").id)
    db.session.commit()
    move_of(run, "ada").given_at = utc_now()
    later = Migration(source=run.source, target=run.target, status=MigrationStatus.FINISHED, ended_at=utc_now())
    again = Move(user=move_of(run, "ada").user, name="ada", position=0, status=MoveStatus.MOVED, step=Step.DONE, given_at=utc_now())
    later.moves.append(again)
    db.session.add(later)
    db.session.commit()
    assert steer.why_no_retry(move_of(back, "ada"))
    for steered in (steer.pause, steer.resume):
        steered(back)
        db.session.commit()
        db.session.expire_all()
    assert f"Migration {later.id} has moved ada since" in steer.why_no_retry(move_of(back, "ada"))


def test_nor_does_it_that_a_server_was_looked_at_in_vain(scene: Scene) -> None:
    run = moved(scene)
    back = failed_undo(scene, run)
    later = moved_there_and_back(scene, run)
    move_of(back, "ada").secure_after = utc_now()
    db.session.commit()
    assert f"Migration {later.id} has moved ada since" in steer.why_no_retry(move_of(back, "ada"))


def test_what_is_said_to_be_left_to_do_can_be_done(scene: Scene) -> None:
    run = moved(scene)
    back = failed_undo(scene, run)
    moved_there_and_back(scene, run)
    assert "undo it once more" in steer.why_no_retry(move_of(back, "ada"))
    again = undo.start_undo(run)
    db.session.commit()
    scene.finish(again)
    assert scene.outcome(again)["ada"] == "moved" and scene.opened("ada", scene.source) == {"Films"}


def test_whom_another_one_has_taken_back_is_not_tried_again(scene: Scene) -> None:
    run = moved(scene)
    first = failed_undo(scene, run)
    second = undo.start_undo(run)
    db.session.commit()
    assert refused(first, "ada") == {f"Migration {second.id} is taking ada back now, in place of this one."}
    scene.finish(second)
    assert scene.outcome(second) == {"ada": "moved"} and scene.opened("ada", scene.source) == {"Films"}
    over = f"Migration {second.id} has taken ada back since, in place of this one; nothing is left to be tried again."
    assert refused(first, "ada") == {over}


def test_where_another_one_has_failed_as_well_either_can_be_tried_again(scene: Scene) -> None:
    run = moved(scene)
    first, second = failed_undo(scene, run), failed_undo(scene, run)
    assert not steer.why_no_retry(move_of(first, "ada")) and not steer.why_no_retry(move_of(second, "ada"))
    retry(scene, first)
    assert scene.outcome(first) == {"ada": "moved", "ben": "moved"}
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == (None, {"Films"})
    assert f"Migration {first.id} has taken ada back" in steer.why_no_retry(move_of(second, "ada"))
    assert why_no_undo(run, move_of(run, "ada")) == f"Migration {first.id} has taken this back.", "the newest one has failed"


def test_what_the_run_it_takes_back_does_late_keeps_nobody_from_another_try(scene: Scene) -> None:
    run = moved(scene)
    back = failed_undo(scene, run)
    move = move_of(run, "ada")
    move.given_at = move.taken_at = move_of(back, "ada").changed_at.replace(year=2099)
    db.session.commit()
    retry(scene, back, "ada")
    assert scene.outcome(back)["ada"] == "moved" and scene.opened("ada", scene.source) == {"Films"}
