"""Names that are one when folded, or only look alike: nobody becomes somebody else by them, on the source or on the target."""

from __future__ import annotations

import copy

import pytest

from panel.domain.names import fold
from panel.extensions import db
from panel.models import User
from panel.services import sync as syncing
from tests.scene import Scene

#: One name to a server, and to us.
TWINS = [("Straße", "STRASSE"), ("Zoë", "Zoe\u0308"), ("Ａda", "Ada"), ("ﬁnn", "Finn")]
#: Different names that nobody can tell apart by looking.
LOOKALIKES = [("Ada", "Аda"), ("Ada", "A\u200bda"), ("Ada", "\u200fAda"), ("Iris", "Irıs"), ("Ada", "Ada\u202e")]


def newcomers(scene: Scene, *names: str) -> list[User]:
    """People on the source with these names, each with an address of their own."""
    people = []
    for number, name in enumerate(names):
        address = f"person{number}@example.test"
        people.append(scene.person(name, email=address, plex_email=address, emby_email=address))
    return people


@pytest.mark.parametrize("target", ["emby", pytest.param("jellyfin", marks=pytest.mark.thorough)])
@pytest.mark.parametrize(("one", "other"), [*TWINS, *LOOKALIKES[1:3]])
def test_two_newcomers_never_share_an_account(scene: Scene, target: str, one: str, other: str) -> None:
    scene.add_server("plex", "Old")
    scene.add_server(target, "New")
    newcomers(scene, one, other)
    run = scene.move()
    moved = [move for move in run.moves if move.status.value == "moved"]
    assert len({move.target_account_id for move in moved}) == len(moved)
    assert len({fold(move.account_name) for move in moved}) == len(moved)
    for move in run.moves:
        if move.status.value != "moved":
            assert [reason.value for reason in move.reasons] == ["name_taken"]
            assert scene.source.sim.share_of(f"person{move.position}@example.test") or not move.taken_at
    assert moved


@pytest.mark.parametrize("target", ["emby", pytest.param("jellyfin", marks=pytest.mark.thorough)])
@pytest.mark.parametrize(("name", "there"), [*TWINS, *((other, one) for one, other in LOOKALIKES)])
def test_somebody_elses_account_is_neither_adopted_nor_touched(scene: Scene, target: str, name: str, there: str) -> None:
    scene.add_server("plex", "Old")
    scene.add_server(target, "New")
    stranger = scene.target.sim.add_user(there, "their own password", libraries=["Shows"])
    before = copy.deepcopy(stranger.policy)
    newcomers(scene, name)
    (move,) = scene.move().moves
    assert move.target_account_id != stranger.id
    assert stranger.policy == before and scene.target.sim.can_sign_in(there, "their own password")
    assert move.status.value == "moved" or [reason.value for reason in move.reasons] == ["name_taken"]
    if fold(name) == fold(there):
        assert move.status.value == "skipped" and move.taken_at is None


@pytest.mark.parametrize(("one", "other"), [TWINS[0], TWINS[1], LOOKALIKES[0]])
def test_a_sync_makes_two_users_of_two_people(scene: Scene, one: str, other: str) -> None:
    for kind, server, name in (("emby", "Old", one), ("jellyfin", "New", other)):
        side = scene.add_server(kind, server)
        side.sim.add_user(name, "a password", libraries=["Films"])
    for _ in range(2):
        assert not [result.problem for result in syncing.sync_servers() if result.problem]
        db.session.commit()
    users = db.session.scalars(db.select(User)).all()
    assert sorted(user.name for user in users if fold(user.name) in (fold(one), fold(other))) == sorted((one, other))
