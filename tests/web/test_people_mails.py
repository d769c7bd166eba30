"""What became of the mails to people who were moved: on the run's page and on the user's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Email, EmailStatus, Migration, Move
from panel.models.types import utc_now
from panel.services import mail, people_mails
from tests.clock import Clock, clock
from tests.scene import Scene
from tests.web.counting import statements
from tests.web.test_migration import LIVE, poll_address

__all__ = ["clock"]

REFUSED = "The mail server refused the recipient (550 No such user <here>)."


def mail_to(run: Migration, name: str, status: EmailStatus, error: str = "", event: str = "account_moved") -> None:
    move = db.session.scalars(db.select(Move).where(Move.migration_id == run.id, Move.name == name)).one()
    address = f"{name.lower()}@example.test"
    db.session.add(Email(event=event, migration_id=run.id, move_id=move.id, recipient=address, status=status, error=error))
    db.session.commit()


def test_names_on_the_run_who_was_not_told_and_why(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    assert "could not be sent" not in ada.get(f"/migrations/{run.id}").text
    mail_to(run, "Alice", EmailStatus.FAILED, REFUSED)
    mail_to(run, "Bob", EmailStatus.SENT)
    text = ada.get(f"/migrations/{run.id}").text
    assert "1 mail about the move may not have arrived" in text
    # Below the table: what comes in while somebody watches moves no row away from them.
    part = text[text.index('id="people-mails"') :]
    assert text.index('id="moves"') < text.index('id="migration-mail"') < text.index('id="people-mails"')
    assert "Alice" in part and "alice@example.test" in part and "550 No such user &lt;here&gt;" in part and "Bob" not in part


def test_tells_a_page_that_is_open_as_soon_as_a_mail_could_not_be_sent(ada: FlaskClient, pair: Scene) -> None:
    run = pair.start()
    page = ada.get(f"/migrations/{run.id}").text
    asked: list[int] = []
    for name in ("Alice", "Bob"):
        assert ada.get(poll_address(page), headers=LIVE).status_code == 204
        mail_to(run, name, EmailStatus.QUEUED)
        assert ada.get(poll_address(page), headers=LIVE).status_code == 204
        mail_to(run, name, EmailStatus.FAILED, REFUSED)
        with statements() as sent:
            answer = ada.get(poll_address(page), headers=LIVE)
        asked.append(len(sent))
        page = answer.text
        assert f"{name.lower()}@example.test" in page[page.index('id="people-mails"') :]
    assert asked[0] == asked[1]
    mail_to(run, "Bob", EmailStatus.SENT)
    assert "1 mail about the move may not have arrived" in ada.get(poll_address(page), headers=LIVE).text


def test_counts_the_newest_mail_to_each_person(pair: Scene) -> None:
    run = pair.move()
    mail_to(run, "Alice", EmailStatus.FAILED, REFUSED)
    mail_to(run, "Alice", EmailStatus.SENT)
    mail_to(run, "Bob", EmailStatus.SENT)
    mail_to(run, "Bob", EmailStatus.FAILED, REFUSED)
    assert [(mail.name, mail.error) for mail in people_mails.unsent(run.id)] == [("Bob", REFUSED)]


def test_names_a_mail_that_perhaps_arrived(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    mail_to(run, "Bob", EmailStatus.SENDING)
    assert not people_mails.unsent(run.id), "it is on its way"
    mail_to(run, "Alice", EmailStatus.SENDING, "The mail server did not say whether it took it.")
    assert [mail.name for mail in people_mails.unsent(run.id)] == ["Alice"]
    move = db.session.scalars(db.select(Move).where(Move.name == "Alice")).one()
    text = " ".join(ada.get(f"/users/{move.user_id}").text.split())
    assert "Mail to <bdi>alice@example.test</bdi>: perhaps sent. The mail server did not say" in text


def test_says_of_a_mail_whose_sender_was_stopped_that_it_perhaps_arrived(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    mail_to(run, "Alice", EmailStatus.SENDING)
    move = db.session.scalars(db.select(Move).where(Move.name == "Alice")).one()
    places = f"/users/{move.user_id}", f"/migrations/{run.id}/moves/{move.id}"
    assert not mail.due()
    assert all("alice@example.test</bdi>: is being sent." in " ".join(ada.get(place).text.split()) for place in places)
    email = db.session.scalars(db.select(Email).where(Email.move_id == move.id)).one()
    email.not_before = utc_now() - mail.LASTS - timedelta(seconds=1)
    db.session.commit()
    assert not mail.due(), "nobody sends it again unasked"
    assert [unsent.name for unsent in people_mails.unsent(run.id)] == ["Alice"]
    assert all("alice@example.test</bdi>: perhaps sent. The panel stopped" in " ".join(ada.get(place).text.split()) for place in places)


def test_a_mail_that_was_taken_for_lost_and_was_sent_after_all_says_so(app: Flask, pair: Scene, clock: Clock) -> None:
    run = pair.move()
    mail_to(run, "Alice", EmailStatus.QUEUED)
    email = db.session.scalars(db.select(Email).where(Email.recipient == "alice@example.test")).one()

    def slow(*_args: object, **_options: object) -> mail.Taken:
        with app.app_context():
            clock.ahead = mail.LASTS + timedelta(seconds=1)
            mail.due()
            assert "It may have arrived" in db.session.scalars(db.select(Email.error).where(Email.id == email.id)).one()
        return mail.Taken("", "250 Taken")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mail, "deliver", slow)
        mail.send(email.id)
    db.session.expire_all()
    assert (email.status, email.error) == (EmailStatus.SENT, "")


def test_tells_it_on_the_user_too(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    mail_to(run, "Alice", EmailStatus.FAILED, REFUSED)
    move = db.session.scalars(db.select(Move).where(Move.name == "Alice")).one()
    text = " ".join(ada.get(f"/users/{move.user_id}").text.split())
    assert "Mail to <bdi>alice@example.test</bdi>: not sent. The mail server refused the recipient (550" in text
