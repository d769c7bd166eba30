"""A sync asks whether somebody new is somebody known, once, and never decides it by a name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from flask import Flask
from sqlalchemy import event, select

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import PossibleTwin, Server, User
from panel.models.types import utc_now
from panel.platforms.base import Member
from panel.services.sync.people import meet_members
from panel.services.twins import MOST_NAMESAKES


@pytest.fixture
def server(app: Flask) -> Server:
    """An Emby server, with no users known."""
    with app.app_context():
        yield_server = Server(name="Oak", platform=Platform.EMBY, url="http://127.0.0.1:9")
        db.session.add(yield_server)
        db.session.commit()
        db.session.expunge(yield_server)
    return yield_server


def known(*names: str, **columns: str) -> None:
    db.session.add_all(User(name=name, **columns) for name in names)
    db.session.commit()


def sync(server: Server, *names: str) -> list[tuple[str, str]]:
    """Meets members of these names; answers the questions there are."""
    meet_members(server, [Member(f"id-{number}-{name}", f"id-{number}-{name}", name) for number, name in enumerate(names)], utc_now())
    db.session.commit()
    return [(row.user.name, row.other.name) for row in db.session.scalars(select(PossibleTwin).order_by(PossibleTwin.id))]


def test_asks_about_somebody_new_with_a_known_name(app: Flask, server: Server) -> None:
    with app.app_context():
        known("Ada", "Ben")
        assert sync(server, "ADA", "Cleo") == [("ADA", "Ada")]
        assert len(list(db.session.scalars(select(User)))) == 4, "nobody was merged"


def test_asks_once_however_often_it_syncs_and_whatever_was_answered(app: Flask, server: Server) -> None:
    with app.app_context():
        known("Ada")
        sync(server, "Ada")
        db.session.scalars(select(PossibleTwin)).one().answered_at = utc_now()
        db.session.commit()
        assert len(sync(server, "Ada")) == 1


def test_does_not_ask_about_two_accounts_of_one_server(app: Flask, server: Server) -> None:
    with app.app_context():
        assert sync(server, "Ada") == []
        members: Sequence[str] = ("Ada", "ada")
        assert sync(server, *members) == []


def test_does_not_ask_where_plex_says_they_differ(app: Flask, server: Server) -> None:
    with app.app_context():
        known("Ada", plex_id="7")
        plex = Server(name="Elm", platform=Platform.PLEX, url="http://127.0.0.1:9")
        db.session.add(plex)
        db.session.commit()
        assert sync(plex, "Ada") == []


def test_does_not_ask_about_a_name_that_many_have(app: Flask, server: Server) -> None:
    with app.app_context():
        known(*["Guest"] * (MOST_NAMESAKES + 1))
        assert sync(server, "Guest") == []


def test_asks_any_number_of_questions_in_as_many_statements(app: Flask, server: Server) -> None:
    def statements(prefix: str) -> int:
        names = [f"{prefix} {number}" for number in range(300)] if prefix == "Many" else [prefix]
        known(*names)
        sent: list[str] = []
        listener = lambda *given: sent.append(given[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listener)
        meet_members(server, [Member(f"{prefix}-{name}", f"{prefix}-{name}", name) for name in names], utc_now())
        event.remove(db.engine, "before_cursor_execute", listener)
        db.session.commit()
        return len([statement for statement in sent if "possible_twins" in statement])

    with app.app_context():
        assert statements("One") == statements("Many") == 1
