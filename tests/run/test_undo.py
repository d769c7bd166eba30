"""Taking a run back: the source is as it was, the target too, for one user or all, and what cannot be undone is said before."""

from __future__ import annotations

from typing import Any

import pytest

from panel.domain.statuses import MigrationStatus, MoveStatus, Removal, RunKind, Step
from panel.extensions import db
from panel.models import Migration, Share
from panel.services import report
from panel.services.preflight import ask_both, assess
from panel.services.run import steer, undo
from panel.services.run.accept import check_invites
from panel.services.run.start import Blocked, start
from panel.simulators.http import Call, Fault
from tests.scene import Scene, Side

PEOPLE = ("ada", "ben")


def set_up(scene: Scene, source: str, target: str, *, one_owner: bool = False) -> Scene:
    """Two servers, and two people on the source with settings of their own."""
    first = scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", owner=first.owner if one_owner else None)
    limited: dict[str, Any] = {"allowSync": True, "filterMovies": "contentRating=PG"} if source == "plex" else {"MaxParentalRating": 7}
    scene.person("ada", settings=limited)
    scene.person("ben", libraries=("Films", "Shows", "Home videos"))
    return scene


def undo_all(scene: Scene, run: Migration, *names: str) -> Migration:
    back = undo.start_undo(run, [move.id for move in run.moves if move.name in names] if names else None)
    db.session.commit()
    return scene.finish(back)


def policy_of(side: Side, name: str) -> dict[str, Any]:
    return dict(side.sim.user(name).policy)


def shares_on(side: Side) -> set[str]:
    query = db.select(Share).where(Share.server_id == side.row.id, Share.is_owner.is_(False))
    return {share.user.name for share in db.session.scalars(query)}


@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("emby", "jellyfin"), ("emby", "emby")])
def test_accounts_are_again_exactly_what_they_were(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    everything = scene.source.sim.user("ben").policy
    everything.update(EnableAllFolders=True, EnabledFolders=[])
    before = {name: policy_of(scene.source, name) for name in PEOPLE}
    run = scene.move()
    assert scene.opened("ada", scene.source) is None
    back = undo_all(scene, run)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert {name: policy_of(scene.source, name) for name in PEOPLE} == before
    assert [scene.opened(name) for name in PEOPLE] == [None, None], "what the run made is closed"
    assert all(scene.target.sim.user(name) for name in PEOPLE), "but not deleted"
    assert scene.source.sim.user("ada").password == "their own"
    assert (shares_on(scene.source), shares_on(scene.target)) == (set(PEOPLE), set())


def test_access_that_was_there_before_is_made_again_what_it_was(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    user = scene.person("cleo")
    scene.place(user, scene.target, ("Films", "Home videos"))
    db.session.commit()
    before = policy_of(scene.target, "cleo")
    run = scene.move()
    assert scene.opened("cleo") == {"Films", "Shows"}
    back = undo_all(scene, run, "cleo")
    assert scene.outcome(back) == {"cleo": "moved"}
    assert policy_of(scene.target, "cleo") == before
    assert scene.opened("cleo", scene.source) == {"Films"}
    assert "cleo" in shares_on(scene.target)
    assert scene.opened("ada") == {"Films", "Shows"}, "nobody else is touched"


def test_on_one_plex_account_both_shares_are_as_before_or_wait_for_the_person(scene: Scene) -> None:
    set_up(scene, "plex", "plex", one_owner=True)
    run = scene.move()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    back = undo_all(scene, run)
    assert set(scene.outcome(back).values()) <= {"moved", "invited"}
    for share in [share for share in scene.tv.shares_of(scene.source.sim) if not share.accepted]:
        scene.tv.accept(share)
    for move in back.moves:
        if move.status is MoveStatus.INVITED:
            check_invites(scene.source.row)
    scene.finish(back)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert scene.opened("ada", scene.source) == {"Films"}
    assert scene.opened("ben", scene.source) == {"Films", "Shows", "Home videos"}
    assert not scene.tv.shares_of(scene.target.sim)
    share = scene.source.sim.share_of("ada@example.test")
    assert share.relation.settings["filterMovies"] == "contentRating=PG"


def test_an_invite_that_still_waits_is_withdrawn_and_nothing_else_happens(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "invited")
    before = len(scene.changes(scene.source))
    back = undo_all(scene, run)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert not scene.tv.shares_of(scene.target.sim)
    assert len(scene.changes(scene.source)) == before, "their source access had never been touched"
    assert {(move.status, move.step) for move in run.moves} == {(MoveStatus.FAILED, Step.DONE)}


def test_a_run_that_kept_the_source_only_loses_what_it_made(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move(removal=Removal.KEEP)
    back = undo_all(scene, run)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert [scene.opened(name) for name in PEOPLE] == [None, None]
    assert scene.opened("ada", scene.source) == {"Films"}


def test_what_is_withdrawn_stays_open_until_the_source_is_given_back(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    scene.source.sim.faults.append(Fault("POST", "/Policy", status=400, times=None))
    back = undo_all(scene, run)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "failed")
    assert scene.opened("ada") == {"Films", "Shows"}, "nobody is left without any access"
    scene.source.sim.faults.clear()
    for move in back.moves:
        steer.retry(back, move.id)
    db.session.commit()
    scene.finish(back)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert scene.opened("ada", scene.source) == {"Films"}
    assert scene.opened("ada") is None


def test_nothing_is_taken_back_twice_and_a_second_move_is_possible(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    back = undo_all(scene, run)
    with pytest.raises(undo.NothingToUndo, match="already"):
        undo.start_undo(run)
    with pytest.raises(undo.NothingToUndo, match="start a migration"):
        undo.start_undo(back)
    again = scene.move()
    assert scene.outcome(again) == dict.fromkeys(PEOPLE, "moved")
    assert scene.opened("ada") == {"Films", "Shows"}
    assert scene.opened("ada", scene.source) is None


def test_it_is_refused_while_the_run_goes_on_or_a_server_is_in_use(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    with pytest.raises(undo.NothingToUndo, match="has not ended"):
        undo.start_undo(run)
    scene.finish(run)
    other = start(assess(scene.target.row, scene.source.row, looks=ask_both(scene.target.row, scene.source.row)))
    db.session.commit()
    with pytest.raises(Blocked):
        undo.start_undo(run)
    db.session.expire_all()
    assert other.status is MigrationStatus.QUEUED
    assert db.session.query(Migration).filter(Migration.kind == RunKind.UNDO).count() == 0


def test_those_who_only_stayed_are_not_part_of_it(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.person("lara", days=(-40, -10))
    run = scene.move()
    back = undo_all(scene, run)
    assert "lara" not in scene.outcome(back)
    line = report.run_line(back)
    assert (line["undoes"], line["source"], line["target"]) == (run.id, "New", "Old")


def test_a_share_somebody_has_made_by_hand_meanwhile_is_not_withdrawn(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.start()
    person = scene.tv.add_account("ada", "ada@example.test")

    def by_hand(call: Call, moment: str) -> None:
        if moment == "before" and call.method == "POST" and "shared_servers" in call.path:
            scene.tv.on_call = None
            scene.tv.share(scene.target.sim, person, ["Home videos"])

    scene.tv.on_call = by_hand
    scene.finish(run)
    assert scene.tv.on_call is None and scene.opened("ada") == {"Films", "Shows"}
    back = undo_all(scene, run, "ada")
    assert scene.outcome(back) == {"ada": "moved"}
    assert scene.opened("ada") == {"Home videos"}, "as it was before the run"
