"""The texts of the two notifications, rendered from a run that really ran."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask import Flask

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, Move
from panel.services import notices, result_mail
from tests.scene import Scene


@pytest.fixture
def run(app: Flask, pair: Scene) -> Migration:
    """A run in which one person failed, one has to accept, and one stayed."""
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], public_url="https://panel.example.test")
    run = pair.move()
    alice, bob, _ = run.moves
    alice.status, alice.name, alice.detail = MoveStatus.FAILED, "<b>Alice</b>", "Birch refused it: <no>."
    bob.status = MoveStatus.INVITED
    db.session.commit()
    return run


def no_gaps(text: str) -> bool:
    """Whether the text has no runs of empty lines and no forgotten template marks."""
    return "\n\n\n" not in text and "{" not in text


# M13
def test_tells_the_administrator_how_it_went_and_who_stayed_and_why(run: Migration) -> None:
    mail = notices.render(notices.SYSTEM_MESSAGE, result_mail.values_of(run))
    assert mail.subject == "Cedar → Birch: 1 of 2 moved"
    for part in (mail.text, mail.html):
        assert "Has no active subscription." in part and "Lapsed" in part
        assert "Bob" in part and "https://panel.example.test/migrations/1" in part
    assert "- <b>Alice</b> (failed): Birch refused it: <no>." in mail.text
    assert "&lt;b&gt;Alice&lt;/b&gt;" in mail.html and "<no>" not in mail.html
    assert no_gaps(mail.text)


def test_is_short_when_everybody_moved(run: Migration) -> None:
    for move in run.moves:
        move.status, move.detail, move.reasons = MoveStatus.MOVED, "", ()
    run.note = "Cedar was not reached."
    db.session.commit()
    mail = notices.render(notices.SYSTEM_MESSAGE, result_mail.values_of(run))
    assert "Please note: Cedar was not reached." in mail.text
    assert "did not move" not in mail.text + mail.html and "accept" not in mail.text
    assert no_gaps(mail.text)


def test_says_in_the_subject_that_a_run_failed(run: Migration) -> None:
    values = result_mail.values_of(run)
    values["run"] |= {"status": "failed", "problem": "The key is not accepted."}
    mail = notices.render(notices.SYSTEM_MESSAGE, values)
    assert mail.subject.endswith("(failed)")
    assert "The key is not accepted." in mail.text and "The key is not accepted." in mail.html


def account_mail(move: Move, link: str, **change: object) -> notices.Rendered:
    """The mail to the moved person."""
    return notices.render(notices.ACCOUNT_MOVED, notices.account_moved_values(move, link) | change)


def test_gives_the_moved_person_account_address_and_link(run: Migration) -> None:
    link = notices.claim_link("token")
    mail = account_mail(run.moves[1], link)
    assert mail.subject == "Your account on Birch"
    for part in (mail.text, mail.html):
        assert "Bob" in part and run.target.url in part and "https://panel.example.test/claim/token" in part
    assert no_gaps(mail.text)


def test_names_the_administrator_where_there_is_no_link(run: Migration) -> None:
    mail = account_mail(run.moves[1], "")
    assert "ask your administrator" in mail.text and "ask your administrator" in mail.html
    assert no_gaps(mail.text)


def test_says_where_to_accept_an_invite_of_plex(run: Migration) -> None:
    mail = account_mail(run.moves[1], "", is_plex=True, platform="Plex", server_url="https://app.plex.tv")
    assert mail.subject == "Your invitation to Birch"
    for part in (mail.text, mail.html):
        assert "https://app.plex.tv" in part and "account menu" in part and "password" not in part
    assert no_gaps(mail.text)


def test_needs_nothing_from_elsewhere_to_be_read(run: Migration) -> None:
    for event in notices.EVENTS:
        html = notices.shipped(event, "body.html")
        assert not re.search(r"<(img|link|script|style)\b|url\(|@import", html)
        assert 'name="color-scheme" content="light dark"' in html
