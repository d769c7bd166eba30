"""Sentences that have to be true where they stand, and a way back from wherever one is."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Library, Server, Setting, SmtpSecurity
from panel.services import mail
from tests.mission.mailbox import running_mailbox
from tests.scene import Scene
from tests.web.asking import by_htmx


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_does_not_speak_of_a_server_it_cannot_know_yet(ada: FlaskClient, pair: Scene) -> None:
    sim = pair.source.sim
    fields = {"name": "New", "url": sim.url, "token": sim.api_key, "action": "test"}
    text = words(ada.post("/servers/new?platform=jellyfin", data=fields).text)
    assert "It is a Jellyfin server: no" in text and "the panel knows" not in text
    db.session.get_one(Server, 1).machine_id = "another"
    db.session.commit()
    for address, sent in (("/servers/1/edit", {**fields, "name": "Cedar"}), ("/servers/1/look", {})):
        assert "It is the server the panel knows: no" in words(ada.post(address, data=sent).text)


def test_says_of_an_empty_panel_that_there_are_no_libraries_and_leads_back(ada: FlaskClient) -> None:
    for headers in ({}, by_htmx("dialog")):
        text = ada.get("/libraries/suggestions", headers=headers).text
        assert "There are no libraries yet" in text and "Every library is in a group" not in text
        assert re.search(r'<a class="btn btn-outline-secondary" href="/libraries" data-leave>', text)


def test_says_that_every_library_is_in_a_group_where_there_are_some(ada: FlaskClient, pair: Scene) -> None:
    text = ada.get("/libraries/suggestions").text
    assert "Every library is in a group" in text and "There are no libraries yet" not in text
    assert "data-leave>" in text and db.session.scalar(db.select(db.func.count(Library.id)))


@pytest.mark.parametrize("address", ["/migrations/new", "/migrations/new?source=1"])
def test_leads_back_from_a_new_migration(ada: FlaskClient, pair: Scene, address: str) -> None:
    main = ada.get(address).text.partition("<main")[2]
    assert re.search(r'<p class="mb-2"><a href="/(migrations|servers)">', main)


def test_promises_nothing_where_nothing_can_be_cancelled(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    text = words(ada.get(f"/migrations/{run.id}/cancel").text)
    assert "This migration is finished, so it cannot be cancelled." in text
    assert "stays moved" not in text and "are finished; nobody" not in text and "Let it go on" not in text and "Back" in text
    answer = ada.post(f"/migrations/{run.id}/cancel", headers=by_htmx("dialog"))
    assert answer.status_code == 422 and "Let it go on" not in answer.text and "stays moved" not in answer.text


@pytest.mark.parametrize(
    ("security", "username", "what"),
    [(SmtpSecurity.STARTTLS, "", "does not offer STARTTLS"), (SmtpSecurity.NONE, "panel", "does not offer to sign in in a way")],
)
def test_says_what_the_mail_server_does_not_offer_with_its_own_answer(
    ada: FlaskClient, security: SmtpSecurity, username: str, what: str
) -> None:
    with running_mailbox() as mailbox:
        setting = Setting(smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_security=security, smtp_username=username, smtp_password="x")
        with pytest.raises(mail.MailRefused) as refused:
            mail.send_test("ada@example.test", setting)
    assert what in str(refused.value) and re.search(r"It offers: .*8BITMIME", str(refused.value)) and not refused.value.retryable


@pytest.mark.parametrize(
    ("address", "field", "value"),
    [
        ("/settings", "remind_after_d", "1.5"),
        ("/servers/new?platform=emby", "max_users", "1.5"),
        ("/plans/new", "duration_days", "1.5"),
        ("/payments/extend?all=1", "days", "1.5"),
        ("/users/bulk?all=1", "days", "1.5"),
    ],
)
def test_says_that_a_number_has_to_be_whole(ada: FlaskClient, pair: Scene, address: str, field: str, value: str) -> None:
    answer = ada.post(address, data={field: value, "all": "1", "change": "extend"})
    said = re.search(rf'id="{field}-error">([^<]+)<', answer.text)
    assert answer.status_code == 422 and said and "whole" in said[1], said


@pytest.mark.parametrize(
    ("address", "label"),
    [("/users", "Name"), ("/payments", "Last day"), ("/migrations", "Number"), ("/shares", "User"), ("/libraries", "Server")],
)
def test_says_how_a_list_is_sorted_where_the_address_asks_for_what_it_does_not_know(
    ada: FlaskClient, pair: Scene, address: str, label: str
) -> None:
    pair.move()
    text = ada.get(f"{address}?sort=horoscope").text
    assert "horoscope" not in text
    assert re.search(r'aria-sort="\w+">\s*<a[^>]*>' + label, text)
