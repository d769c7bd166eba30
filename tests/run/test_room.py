"""How many people fit: a Plex account counts each person once, whichever of its servers they see; a server counts its own."""

from __future__ import annotations

import pytest

from panel.extensions import db
from panel.services import room
from panel.services.preflight import assess
from panel.simulators.http import Fault
from tests.scene import Scene


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """An account that may share with three people."""
    monkeypatch.setattr(room, "PLEX_PEOPLE_LIMIT", 3)
    return 3


def account_of_two_servers(scene: Scene, people: int) -> None:
    """Everyone is on the first."""
    first = scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New", owner=first.owner)
    for number in range(people):
        scene.person(f"person{number}")


def moving(scene: Scene) -> int:
    return len(scene.preflight().moving)


def test_people_of_the_same_account_need_no_new_place_there(scene: Scene, limit: int) -> None:
    account_of_two_servers(scene, limit + 1)
    assert moving(scene) == limit + 1
    remembered = assess(scene.source.row, scene.target.row)
    assert len(remembered.moving) == limit + 1


def test_the_servers_own_maximum_still_counts_everyone_who_comes(scene: Scene, limit: int) -> None:
    account_of_two_servers(scene, 3)
    scene.target.row.max_users = 2
    db.session.commit()
    assert moving(scene) == 2


def test_people_from_elsewhere_take_what_the_account_has_left(scene: Scene, limit: int) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    third = scene.add_server("plex", "Third", owner=scene.target.owner)
    scene.person("seen elsewhere", on=third)
    for number in range(3):
        scene.person(f"person{number}")
    assert len(scene.preflight().moving) == 2


def test_friends_and_home_members_without_a_share_count(scene: Scene, limit: int) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    owner = scene.add_server("plex", "New").owner
    scene.tv.add_managed_user(owner, "Kid")
    scene.tv.befriend(owner, scene.tv.add_account("pal", "pal@example.test"))
    for number in range(3):
        scene.person(f"person{number}")
    assert moving(scene) == 1
    run = scene.move()
    assert sorted(scene.outcome(run).values()) == ["invited", "skipped", "skipped"]


def test_a_friend_who_moves_needs_no_new_place(scene: Scene, limit: int) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    owner = scene.add_server("plex", "New").owner
    for number in range(3):
        scene.tv.befriend(owner, scene.tv.add_account(f"person{number}", f"person{number}@example.test"))
        scene.person(f"person{number}")
    assert moving(scene) == 3


def test_goes_by_the_shares_where_plex_does_not_tell_who_is_connected(scene: Scene, limit: int) -> None:
    account_of_two_servers(scene, 2)
    scene.person("new", on=scene.source)
    scene.tv.faults.append(Fault(path="/api/users", status=500, times=None))
    assert moving(scene) == 3


@pytest.mark.parametrize(("room", "moved"), [(1, 0), (2, 1), (3, 2)])
def test_who_comes_back_to_a_closed_account_takes_a_place_again(scene: Scene, room: int, moved: int) -> None:
    old = scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    new = scene.add_server("emby", "New")
    for name in ("ada", "bob"):
        user = scene.person(name)
        scene.place(user, new, ("Films",), settings={"disabled": True})
    scene.person("eve", on=new)
    new.row.max_users = room
    db.session.commit()
    run = scene.move()
    assert sorted(scene.outcome(run).values()).count("moved") == moved
    enabled = [account for account in new.sim.users.values() if not account.policy["IsDisabled"] and not account.policy["IsAdministrator"]]
    assert len(enabled) == room
    assert sum(scene.opened(name, old) is None for name in ("ada", "bob")) == moved


def test_who_has_a_place_already_needs_none(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    new = scene.add_server("emby", "New")
    scene.place(scene.person("ada"), new, ("Shows",))
    new.row.max_users = 1
    db.session.commit()
    assert moving(scene) == 1
