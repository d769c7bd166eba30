"""The Waiting invites screen: who has not accepted, and reminding, withdrawing and asking."""

from __future__ import annotations

import html
import re
import time

import pytest
from flask.testing import FlaskClient

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import AuditEntry, Email, EmailStatus, Migration, Move, Pacemaker, Server, Setting, Share, User
from panel.services import by_hand, invites, pace
from panel.services.run import steer
from panel.services.shares import require_free
from panel.simulators.http import Fault
from tests.databases import BOTH
from tests.run.bending import Bender, of_one
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.reading import names


@pytest.fixture
def invited(scene: Scene) -> Scene:
    """A run has invited Alice and Bob to New, a Plex server; the mail server is set."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    Setting.current().smtp_host, Setting.current().pace_s = "127.0.0.1", 0.0
    for name in ("Alice", "Bob"):
        scene.person(name)
    run = scene.move()
    assert scene.outcome(run) == {"Alice": "invited", "Bob": "invited"}
    for mail in db.session.scalars(db.select(Email)):
        mail.status = EmailStatus.SENT
    db.session.commit()
    return scene


def move_of(name: str) -> Move:
    return db.session.scalars(db.select(Move).where(Move.name == name)).one()


def post(client: FlaskClient, name: str, verb: str) -> str:
    return client.post(f"/invites/moves/{move_of(name).id}/{verb}", follow_redirects=True).text


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    assert "No invite waits" in ada.get("/invites").text


def test_lists_invites_of_runs_apart_from_those_found_by_sync(ada: FlaskClient, invited: Scene) -> None:
    invited.person("Guest", on=invited.target, accepted=False)
    text = ada.get("/invites").text
    assert names(text) == ["Alice", "Bob"] and "Migration 1" in text and "sent" in text
    assert names(ada.get("/invites?from=sync").text) == ["Guest"]
    assert names(ada.get("/invites?q=bob").text) == ["Bob"]
    assert "No invites match" in ada.get(f"/invites?server={invited.source.row.id}").text
    assert ada.get("/invites", headers=by_htmx("invites")).text.lstrip().startswith('<div id="invites">')


def test_leads_from_a_run_to_its_own_invites(ada: FlaskClient, invited: Scene) -> None:
    text = ada.get("/migrations/1").text
    assert "2 invites wait" in text and 'href="/invites?run=1"' in text
    assert names(ada.get("/invites?run=1").text) == ["Alice", "Bob"]
    assert "No invites match" in ada.get("/invites?run=2").text


def test_opens_the_tab_that_has_any(ada: FlaskClient, pair: Scene) -> None:
    pair.person("Guest", on=pair.target, accepted=False)
    text = ada.get("/invites").text
    assert names(text) == ["Guest"] and "No invite" not in text
    assert "Show the 1 invite found by sync only" in ada.get("/invites?from=runs").text


@pytest.mark.parametrize("verb", ["remind", "withdraw"])
def test_returns_to_the_list_as_it_was(ada: FlaskClient, invited: Scene, verb: str) -> None:
    place = "/invites?q=a&sort=-user&from=runs&run=1"
    number, placed = move_of("Alice").id, place.replace("&", "&amp;")
    [opener] = re.findall(rf'href="(/invites/moves/{number}/actions[^"]*)"', ada.get(place).text)
    assert f'name="next" value="{placed}&amp;page=1#actions-{number}"' in ada.get(html.unescape(opener)).text
    address = f"/invites/moves/{number}/{verb}"
    if verb == "withdraw":
        assert f'name="next" value="{placed}"' in ada.get(address, query_string={"next": place}).text
    assert ada.post(address, data={"next": "https://elsewhere.test/"}).headers["Location"] == "/invites"
    assert ada.post(address, data={"next": place}).headers["Location"] == place


def test_reminds_by_mail(ada: FlaskClient, invited: Scene) -> None:
    assert "is in the outbox" in post(ada, "Alice", "remind")
    mail = db.session.scalars(db.select(Email).where(Email.status == EmailStatus.QUEUED)).one()
    assert (mail.event, mail.move_id, mail.recipient) == ("account_moved", move_of("Alice").id, "alice@example.test")
    assert "on its way already" in post(ada, "Alice", "remind")


def test_reminds_nobody_without_an_address_or_a_mail_server(ada: FlaskClient, invited: Scene) -> None:
    user = move_of("Alice").user
    user.email = user.plex_email = user.emby_email = ""
    db.session.commit()
    assert "No e-mail address of Alice is known" in post(ada, "Alice", "remind")
    Setting.current().smtp_host = ""
    db.session.commit()
    assert "No mail server (SMTP) is set" in post(ada, "Bob", "remind")


def test_withdraws_an_invite_that_a_retry_sends_again(ada: FlaskClient, invited: Scene) -> None:
    assert "can be retried" in ada.get(f"/invites/moves/{move_of('Alice').id}/withdraw").text
    assert "The invite of Alice is withdrawn" in post(ada, "Alice", "withdraw")
    move = move_of("Alice")
    assert (move.status, move.step, move.retryable) == (MoveStatus.FAILED, Step.GIVE, True)
    assert "withdrawn by an administrator" in move.detail
    assert len(invited.tv.shares_of(invited.target.sim)) == 1
    assert db.session.scalar(db.select(Share).where(Share.user_id == move.user_id, Share.server_id == invited.target.row.id)) is None
    assert db.session.scalars(db.select(AuditEntry)).one().action == "invite.withdrawn"
    run = db.session.get_one(Migration, move.migration_id)
    steer.retry(run)
    db.session.commit()
    assert invited.outcome(invited.finish(run)) == {"Alice": "invited", "Bob": "invited"}
    assert len(invited.tv.shares_of(invited.target.sim)) == 2


def test_withdraws_nothing_that_was_accepted_meanwhile(ada: FlaskClient, invited: Scene) -> None:
    for share in invited.tv.shares_of(invited.target.sim):
        invited.tv.accept(share)
    assert "has accepted meanwhile" in post(ada, "Alice", "withdraw")
    assert move_of("Alice").status is MoveStatus.INVITED
    assert len(invited.tv.shares_of(invited.target.sim)) == 2


def test_withdraws_nothing_while_a_run_uses_the_server(ada: FlaskClient, invited: Scene) -> None:
    invited.target.row.migration_id = 99
    db.session.commit()
    assert "is using New" in post(ada, "Alice", "withdraw")
    assert move_of("Alice").status is MoveStatus.INVITED


def test_withdraws_an_invite_only_a_sync_knows_of(ada: FlaskClient, invited: Scene) -> None:
    guest = invited.person("Guest", on=invited.target, accepted=False)
    share = db.session.scalars(db.select(Share).where(Share.user_id == guest.id)).one()
    assert "stays in the panel" in ada.get(f"/invites/shares/{share.id}/withdraw").text
    ada.post(f"/invites/shares/{share.id}/withdraw")
    assert db.session.scalar(db.select(Share).where(Share.user_id == guest.id)) is None
    assert len(invited.tv.shares_of(invited.target.sim)) == 2


def withdrawal(scene: Scene, kind: str) -> tuple[str, str]:
    """Where an invite of a run, or one only a sync knows of, is withdrawn, and whose it is."""
    if kind == "run":
        return f"/invites/moves/{move_of('Alice').id}/withdraw", "Alice"
    guest = scene.person("Guest", on=scene.target, accepted=False)
    return f"/invites/shares/{db.session.scalars(db.select(Share).where(Share.user_id == guest.id)).one().id}/withdraw", "Guest"


def noted() -> list[tuple[str, str, str, str]]:
    """What the list of changes says: by whom, what, to whom, and what exactly."""
    db.session.rollback()
    return [(row.by, row.action, row.subject, row.detail) for row in db.session.scalars(db.select(AuditEntry).order_by(AuditEntry.id))]


FAILURES = {
    "500 after the effect": (Fault(method="DELETE", status=500, effect=True), "answered with error 500"),
    "lost after the effect": (Fault(method="DELETE", drop=True, effect=True), "no answer"),
}


@pytest.mark.parametrize("database_kind", BOTH)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", ["run", "sync"])
def test_notes_who_withdrew_and_what_came_of_it_also_where_that_failed(ada: FlaskClient, invited: Scene, kind: str, failure: str) -> None:
    address, name = withdrawal(invited, kind)
    fault, told = FAILURES[failure]
    invited.tv.faults.append(Fault(**vars(fault)))
    shown = html.unescape(ada.post(address, follow_redirects=True).text)
    [(by, action, subject, detail)] = noted()
    assert (by, action, subject) == ("ada@example.test", "invite.withdrawal_begun", name)
    path = invited.tv.calls(changes=True)[-1].call.path
    assert f"New. Remove a share: {told} (DELETE {path}). " in detail
    assert detail.partition(f"{path}). ")[2] in shown, "the same sentence as on the page"
    assert ada.post(address, follow_redirects=True).status_code == 200
    assert [entry[1] for entry in noted()] == ["invite.withdrawal_begun", "invite.withdrawn"]


@pytest.mark.parametrize("kind", ["run", "sync"])
def test_notes_a_withdrawal_after_which_the_server_was_in_other_hands(
    ada: FlaskClient, invited: Scene, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    address, _ = withdrawal(invited, kind)

    def begun_meanwhile(server: Server) -> None:
        with db.engine.begin() as connection:
            connection.execute(db.update(Server).where(Server.id == server.id).values(migration_id=99))
        require_free(server)

    monkeypatch.setattr(invites, "require_free", begun_meanwhile)
    ada.post(address)
    [(by, action, _, detail)] = noted()
    assert (by, action) == ("ada@example.test", "invite.withdrawal_begun")
    assert re.search(r"Share removed \(DELETE \S+\)\. The invite of \w+ is withdrawn on the platform, but", detail)


@pytest.mark.parametrize("database_kind", BOTH)
@pytest.mark.parametrize("kind", ["run", "sync"])
def test_what_was_being_withdrawn_when_the_panel_stopped_is_noted(
    ada: FlaskClient, invited: Scene, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    class Stopped(BaseException):
        """The end of the process."""

    def stop(*_: object) -> None:
        # What another process reads at this moment.
        with db.engine.connect() as connection:
            rows.extend(connection.execute(db.select(AuditEntry.action, AuditEntry.detail)))
        raise Stopped

    rows: list[object] = []
    address, name = withdrawal(invited, kind)
    monkeypatch.setattr("panel.platforms.plex.server.PlexRemote.take", stop)
    with pytest.raises(Stopped):
        ada.post(address)
    [(by, action, subject, detail)] = noted()
    assert (by, action, subject) == ("ada@example.test", "invite.withdrawal_begun", name)
    assert "not known" in detail and rows == [(action, detail)]


@pytest.mark.parametrize("kind", ["run", "sync"])
def test_notes_nothing_where_nothing_was_sent(ada: FlaskClient, invited: Scene, kind: str) -> None:
    address, _ = withdrawal(invited, kind)
    invited.target.row.migration_id = 99
    db.session.commit()
    assert "is using New" in ada.post(address, follow_redirects=True).text
    invited.target.row.migration_id = None
    db.session.commit()
    invited.tv.stop()
    ada.post(address)
    assert noted() == []


def test_asks_a_server_who_has_accepted(ada: FlaskClient, invited: Scene) -> None:
    invited.tv.accept(invited.tv.shares_of(invited.target.sim)[0])
    address = f"/invites/servers/{invited.target.row.id}/check"
    assert "New: 1 accepted since the last look, 1 still waits." in ada.post(address, follow_redirects=True).text
    invited.tv.stop()
    assert "Check its address" in ada.post(address, follow_redirects=True).text


def account_of(scene: Scene) -> str:
    return f"plex:{scene.target.row.plex_account_id}"


def test_withdraws_at_the_pace_of_the_account(ada: FlaskClient, invited: Scene) -> None:
    Setting.current().pace_s = 60.0
    db.session.commit()
    invited.tv.journal.clear()
    text = post(ada, "Alice", "withdraw")
    assert re.search("Plex asks for 60 seconds between two changes: nothing was done yet. Try again in (60|5[0-9]) seconds.", text)
    assert invited.tv.journal == [] and move_of("Alice").status is MoveStatus.INVITED
    Setting.current().pace_s = 1.0
    db.session.commit()
    before = time.monotonic()
    assert "The invite of Alice is withdrawn" in post(ada, "Alice", "withdraw")
    taken = db.session.get_one(Pacemaker, account_of(invited)).last_turn_at
    assert "The invite of Bob is withdrawn" in post(ada, "Bob", "withdraw")
    again = db.session.get_one(Pacemaker, account_of(invited)).last_turn_at
    assert taken and again and (again - taken).total_seconds() >= 1.0 and time.monotonic() - before < 20


def test_a_call_that_plex_does_not_know_takes_a_turn_as_well(ada: FlaskClient, invited: Scene) -> None:
    """The deletion is refused in v2, then asked of v1: two changing requests for one button."""
    Setting.current().pace_s = 1.0
    db.session.commit()
    invited.tv.faults.append(Fault("DELETE", "^/api/v2/shared_servers/", status=410, times=None))
    invited.tv.journal.clear()
    assert "The invite of Alice is withdrawn" in post(ada, "Alice", "withdraw")
    first, second = (entry.at for entry in invited.tv.calls(changes=True))
    assert second - first >= 1.0


def test_no_page_waits_long_for_a_second_turn(ada: FlaskClient, invited: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "BETWEEN_S", 0.1)
    Setting.current().pace_s = 60.0
    db.session.query(Pacemaker).update({"last_turn_at": None})
    db.session.commit()
    invited.tv.faults.append(Fault("DELETE", "^/api/v2/shared_servers/", status=410, times=None))
    assert "nothing was done yet. Try again in" in post(ada, "Alice", "withdraw")
    assert move_of("Alice").status is MoveStatus.INVITED


def test_asks_nothing_while_plex_wants_to_be_left_alone(ada: FlaskClient, invited: Scene) -> None:
    invited.person("Guest", on=invited.target, accepted=False)
    share = db.session.scalars(db.select(Share).join(User).where(User.name == "Guest")).one().id
    pace.cool_down(account_of(invited), 120.0)
    db.session.commit()
    invited.tv.journal.clear()
    verbs = (f"invites/moves/{move_of('Alice').id}/withdraw", f"invites/servers/{invited.target.row.id}/check", f"shares/{share}/read")
    for verb in verbs:
        text = ada.post(f"/{verb}", follow_redirects=True).text
        assert "Plex has asked to slow down" in text and "Check its address" not in text, verb
    assert invited.tv.journal == []


@pytest.mark.parametrize("verb", ["withdraw", "read"])
def test_leaves_plex_alone_once_it_says_so(ada: FlaskClient, invited: Scene, verb: str) -> None:
    invited.person("Guest", on=invited.target, accepted=False)
    share = db.session.scalars(db.select(Share).join(User).where(User.name == "Guest")).one().id
    invited.tv.faults.append(Fault(status=429, times=None))
    address = f"/shares/{share}/read" if verb == "read" else f"/invites/shares/{share}/withdraw"
    text = ada.post(address, follow_redirects=True).text
    assert "Check its address" not in text and "slow" in text
    assert pace.cooling_until([invited.target.row]) is not None
    assert db.session.get(Share, share) is not None


def test_lets_a_viewer_only_look(vic: FlaskClient, invited: Scene) -> None:
    assert vic.get(f"/invites/moves/{move_of('Alice').id}/actions").text.count("Only administrators can do this.") == 3
    for address in ("moves/1/remind", "moves/1/withdraw", "servers/1/check", "shares/1/withdraw"):
        assert vic.post(f"/invites/{address}").status_code == 403


def test_names_those_of_whom_it_cannot_be_told(ada: FlaskClient, invited: Scene) -> None:
    for share in invited.tv.shares_of(invited.target.sim):
        invited.tv.accept(share)
    with Bender(of_one("alice", "libraries", "wrong type")).around(invited.tv):
        text = ada.post(f"/invites/servers/{invited.target.row.id}/check", follow_redirects=True).text
    assert "1 accepted since the last look, 1 still waits. Whether Alice has accepted cannot be told" in text
    assert "New: plex.tv describes the share of alice@example.test" in ada.get(f"/migrations/1/moves/{move_of('Alice').id}").text
