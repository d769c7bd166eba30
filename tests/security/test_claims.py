"""A link to choose a password is good for the one account it was made for, while it is its person's, and never for an administrator's."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Account
from panel.platforms.base import SwitchedOff
from panel.services.claims import choosing, links
from panel.simulators.http import Fault
from tests.scene import Scene

CHOSEN = "chosen by the holder"


def token_of_ada(scene: Scene, target: str) -> str:
    """Her link, after a run that made her an account."""
    scene.add_server("jellyfin" if target == "emby" else "emby", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    scene.person("ada")
    token = links.make(links.CLAIM, scene.move().moves[0].id)
    db.session.commit()
    return token


def choose(client: FlaskClient, token: str) -> tuple[int, str]:
    """What the person is answered."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(f"/claim/{token}").text)
    assert found
    answer = client.post(f"/claim/{token}", data={"password": CHOSEN, "again": CHOSEN, "csrf_token": found[1]})
    return answer.status_code, answer.text


@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_an_account_that_has_become_an_administrators_keeps_its_password(app: Flask, scene: Scene, target: str) -> None:
    token = token_of_ada(scene, target)
    scene.target.sim.user("ada").policy["IsAdministrator"] = True
    before = len(scene.changes(scene.target))
    status, text = choose(app.test_client(), token)
    assert status == 422 and "ask the administrator of this server" in text
    assert not scene.target.sim.can_sign_in("ada", CHOSEN) and len(scene.changes(scene.target)) == before


def test_an_account_that_is_somebody_elses_by_now_keeps_its_password(app: Flask, scene: Scene) -> None:
    token = token_of_ada(scene, "emby")
    account = db.session.scalars(db.select(Account).where(Account.server_id == scene.target.row.id)).one()
    account.user_id = scene.person("bob").id
    db.session.commit()
    scene.target.sim.journal.clear()
    status, text = choose(app.test_client(), token)
    assert status == 422 and "ask the administrator of this server" in text
    assert not scene.target.sim.can_sign_in("ada", CHOSEN) and not scene.target.sim.journal


def test_an_account_that_is_gone_is_not_confused_with_a_bad_password(app: Flask, scene: Scene) -> None:
    token = token_of_ada(scene, "jellyfin")
    scene.target.sim.delete_account(scene.target.sim.user("ada"))
    status, text = choose(app.test_client(), token)
    assert status == 422 and "ask the administrator of this server" in text


@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_an_account_that_is_switched_off_is_not_called_done(app: Flask, scene: Scene, target: str) -> None:
    token = token_of_ada(scene, target)
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    before = len(scene.changes(scene.target))
    status, text = choose(app.test_client(), token)
    assert status == 422 and "ask the administrator of this server" in text
    assert len(scene.changes(scene.target)) == before
    link = links.find(links.CLAIM, token)
    assert link, "it is not used up"
    with pytest.raises(SwitchedOff, match="switched off at the moment"):
        choosing.choose_password(link, CHOSEN)
    scene.target.sim.user("ada").policy["IsDisabled"] = False
    assert choose(app.test_client(), token)[0] == 200 and scene.target.sim.can_sign_in("ada", CHOSEN)


@pytest.mark.parametrize("effect", [True, False])
def test_a_second_try_after_a_lost_answer_ends_with_access(app: Flask, scene: Scene, effect: bool) -> None:
    token = token_of_ada(scene, "emby")
    scene.target.sim.keeps_passwords = True
    scene.target.sim.faults.append(Fault("POST", "/Password", skip=1, drop=True, effect=effect))
    status, text = choose(app.test_client(), token)
    assert status == 422 and "Your link still works" in text
    assert choose(app.test_client(), token)[0] == 200
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and scene.target.sim.visible(scene.target.sim.user("ada"))


@pytest.mark.parametrize(("keeps_passwords", "expected"), [(False, 1), (True, 2)])
def test_a_link_sets_the_password_of_its_own_account_with_a_look_before_each_change_of_access(
    app: Flask, scene: Scene, keeps_passwords: bool, expected: int
) -> None:
    token = token_of_ada(scene, "emby")
    scene.target.sim.keeps_passwords = keeps_passwords
    scene.target.sim.journal.clear()
    status, _ = choose(app.test_client(), token)
    assert status == 200 and scene.target.sim.can_sign_in("ada", CHOSEN)
    looks = [entry.call.path for entry in scene.target.sim.calls("GET") if "/Users/" in entry.call.path]
    assert len(looks) == expected
