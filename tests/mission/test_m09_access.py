"""M9: exactly the target's libraries in the groups of the plan in force. Never more, never all because a list was empty."""

from __future__ import annotations

import json
import re

import pytest

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Account, Evidence
from panel.simulators.http import Entry
from tests.mission.stage import reasons, set_up, settle
from tests.scene import KINDS, Scene

#: A source and a target of each platform.
PAIRS = [("jellyfin", "plex"), ("plex", "emby"), ("emby", "jellyfin")]


def opens_too_much(entry: Entry) -> bool:
    """Whether a request asks for everything: an empty or missing list at Plex, the switch for all at Emby and Jellyfin."""
    body = entry.call.body.decode()
    if "shared_servers" in entry.call.path and entry.call.method in ("POST", "PUT"):
        sent = json.loads(body) if body.startswith("{") else {}
        sent = sent.get("shared_server", sent)
        return not (sent.get("librarySectionIds") or sent.get("library_section_ids"))
    if re.search(r"/Users/[^/]+/Policy", entry.call.path):
        return json.loads(body)["EnableAllFolders"] is not False
    return False


def assert_nothing_too_open(scene: Scene) -> None:
    """No request to the target asked for everything, and no moment showed an account more than it may see."""
    sent = scene.changes(scene.target)
    assert not [entry.call for entry in sent if opens_too_much(entry)]


# M9
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_each_user_gets_exactly_the_libraries_of_the_plan_in_force(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target, people=())
    scene.plan("Gold", ("Standard", "Premium 4K"))
    scene.plan("Kids", ("Premium 4K",))
    scene.person("ada", libraries=("Films", "Shows", "Films 4K", "Home videos"))
    scene.person("ben", plan="Gold")
    cleo = scene.person("cleo", plan="Gold", days=(-60, -30))
    db.session.add(scene.payment(cleo, "Kids", (-1, 1)))
    db.session.commit()
    settle(scene, scene.move())
    assert scene.opened("ada") == {"Films", "Shows"}, "the plan counts, not what the source showed"
    assert scene.opened("ben") == {"Films", "Shows", "Films 4K"}
    assert scene.opened("cleo") == {"Films 4K"}, "the plan in force now, not an older one"
    assert_nothing_too_open(scene)


# M9
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_private_group_is_opened_to_nobody(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target, people=())
    scene.plan("Odd", ("Standard", "Private"))
    scene.person("ada", plan="Odd", libraries=("Films", "Home videos"))
    scene.person("ben", plan=None, permanent=True, libraries=("Films", "Home videos"))
    scene.person("cleo", plan=None, permanent=True, libraries=("Home videos",))
    run = settle(scene, scene.move())
    assert scene.opened("ada") == {"Films", "Shows"}
    assert scene.opened("ben") == {"Films", "Shows"}
    assert scene.outcome(run)["cleo"] == "skipped"
    assert scene.opened("cleo") is None


# M9
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_permanent_user_without_a_plan_gets_the_groups_shared_on_the_source(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target, people=())
    scene.person("ada", plan=None, permanent=True, libraries=("Films 4K",))
    scene.person("ben", plan=None, permanent=True, libraries=("Shows", "Films 4K"))
    scene.person("cleo", plan="Basic", permanent=True, libraries=("Films 4K",))
    settle(scene, scene.move())
    assert scene.opened("ada") == {"Films 4K"}
    assert scene.opened("ben") == {"Films", "Shows", "Films 4K"}, "Shows is in Standard, and so is Films"
    assert scene.opened("cleo") == {"Films", "Shows"}, "with a plan in force the plan counts"


# M9
@pytest.mark.parametrize("target", KINDS)
def test_who_would_get_an_empty_list_is_sent_nothing_at_all(scene: Scene, target: str) -> None:
    scene.add_server("jellyfin", "Old", libraries=("Films", "Shows", "Home videos"))
    scene.plan("Basic")
    scene.plan("Gold", ("Premium 4K",))
    scene.add_server(target, "New", libraries=("Films", "Shows"))
    scene.person("ada", plan="Gold")
    scene.person("ben", plan=None, permanent=True, libraries=("Home videos",))
    scene.person("cleo")
    flight = scene.preflight()
    assert reasons(flight) == {"ada": ["plan_not_offered"], "ben": ["plan_not_offered"], "cleo": []}
    run = settle(scene, scene.move())
    assert scene.outcome(run) == {"ada": "skipped", "ben": "skipped", "cleo": "moved"}
    assert scene.opened("ada") is None and scene.opened("ben") is None
    assert_nothing_too_open(scene)
    sent = b"".join(entry.call.body for entry in scene.changes(scene.target))
    assert b"ada" not in sent and b"ben" not in sent


# M9
@pytest.mark.parametrize("target", KINDS)
def test_a_library_that_vanished_from_the_target_never_turns_into_everything(scene: Scene, target: str) -> None:
    set_up(scene, "jellyfin", target, people=())
    scene.plan("Gold", ("Premium 4K",))
    scene.person("ada", plan="Gold", libraries=("Films 4K",))
    sim = scene.target.sim
    if scene.target.kind is Platform.PLEX:
        sim.sections = [section for section in sim.sections if section.title != "Films 4K"]
    else:
        sim.libraries = [library for library in sim.libraries if library.name != "Films 4K"]
    flight = scene.preflight()
    assert [refusal.code.value for refusal in flight.blockers] == ["missing_library_group"]
    assert reasons(flight) == {"ada": ["plan_not_offered"]}
    assert scene.changes(scene.target) == []


# M9
@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_an_account_of_theirs_that_sees_too_much_is_made_exact(scene: Scene, target: str) -> None:
    set_up(scene, "plex", target, people=("ada",))
    account = scene.target.sim.add_user("ada", "their own", libraries=["Films", "Home videos"])
    ada = next(iter(scene.preflight().users.values()))
    db.session.add(Account(user_id=ada.id, server_id=scene.target.row.id, remote_id=account.id, name="ada", known_by=Evidence.FOUND))
    db.session.commit()
    run = scene.move()
    assert scene.outcome(run) == {"ada": "moved"}
    assert scene.opened("ada") == {"Films", "Shows"}
    assert len(scene.target.sim.users) == 2, "no second account"
    assert_nothing_too_open(scene)
