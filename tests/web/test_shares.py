"""The Shared servers screen, and reading one entry anew."""

from __future__ import annotations

import html
import re

from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Share, User
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.reading import names


def share_of(name: str) -> Share | None:
    return db.session.scalar(db.select(Share).join(User).where(User.name == name))


def read(client: FlaskClient, name: str) -> str:
    share = share_of(name)
    assert share
    return client.post(f"/shares/{share.id}/read", follow_redirects=True).text


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    assert "Nobody is on a server yet" in ada.get("/shares").text


def test_lists_shares_and_narrows_them(ada: FlaskClient, pair: Scene) -> None:
    pair.person("Guest", accepted=False)
    pair.person("Elsewhere", on=pair.target)
    assert names(ada.get("/shares").text) == ["Alice", "Bob", "Elsewhere", "Guest", "Lapsed"]
    assert names(ada.get("/shares?state=waiting").text) == ["Guest"]
    assert names(ada.get(f"/shares?server={pair.target.row.id}&state=accepted").text) == ["Elsewhere"]
    assert names(ada.get("/shares?q=bob@").text) == ["Bob"]
    assert "No shared servers match" in ada.get("/shares?state=owner").text
    assert ada.get("/shares", headers=by_htmx("shares")).text.lstrip().startswith('<div id="shares">')


def test_offers_what_can_be_done_and_returns_to_the_list_as_it_was(ada: FlaskClient, pair: Scene) -> None:
    share, place = share_of("Alice"), "/shares?q=ali&sort=-user&page=1"
    assert share
    [opener] = re.findall(rf'href="(/shares/{share.id}/actions[^"]*)"', ada.get(place).text)
    menu = ada.get(html.unescape(opener), headers=by_htmx("dialog")).text
    assert "Read again" in menu and f'href="/users/{share.user_id}?next=' in menu
    assert f'name="next" value="{html.escape(place)}#actions-{share.id}"' in menu
    assert ada.post(f"/shares/{share.id}/read", data={"next": place}).headers["Location"] == place


def test_says_in_the_menu_why_a_share_cannot_be_read_now(ada: FlaskClient, pair: Scene) -> None:
    pair.start()
    share = share_of("Alice")
    assert share
    assert "is using Cedar" in ada.get(f"/shares/{share.id}/actions").text


def test_reads_one_share_again_and_no_other(ada: FlaskClient, pair: Scene) -> None:
    sim = pair.source.sim
    for name in ("Alice", "Bob"):
        account = sim.user(name)
        account.policy["EnabledFolders"] = [*account.policy["EnabledFolders"], *sim.user("Bob").policy["EnabledFolders"]]
        account.policy["EnableAllFolders"] = True
    assert "has access to Cedar" in read(ada, "Alice")
    alice, bob = share_of("Alice"), share_of("Bob")
    assert alice and bob and alice.all_libraries and not bob.all_libraries
    assert db.session.scalars(db.select(AuditEntry)).one().action == "share.read"


def test_forgets_a_share_that_is_gone(ada: FlaskClient, pair: Scene) -> None:
    account = pair.source.sim.user("Bob")
    account.policy["IsDisabled"] = True
    assert "no longer has access to Cedar" in read(ada, "Bob")
    assert share_of("Bob") is None and share_of("Alice") is not None


def test_learns_that_an_invite_was_accepted(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Oak")
    scene.person("Guest", accepted=False)
    assert "has not accepted the invite to Oak" in read(ada, "Guest")
    scene.tv.accept(scene.tv.shares_of(side.sim)[0])
    assert "has accepted the invite to Oak" in read(ada, "Guest")
    share = share_of("Guest")
    assert share and share.accepted_at


def test_leaves_a_server_alone_that_a_run_uses(ada: FlaskClient, pair: Scene) -> None:
    pair.start()
    pair.source.sim.journal.clear()
    assert "is using Cedar" in read(ada, "Alice")
    assert not pair.source.sim.journal


def test_says_so_when_the_server_does_not_answer(ada: FlaskClient, pair: Scene) -> None:
    pair.source.sim.stop()
    assert "Check its address and that it is running." in read(ada, "Alice")
    assert share_of("Alice") is not None


def test_lets_a_viewer_only_look(vic: FlaskClient, pair: Scene) -> None:
    assert "Only administrators can do this." in vic.get("/shares/1/actions").text
    assert vic.post("/shares/1/read").status_code == 403
