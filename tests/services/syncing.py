"""A world whose estate is imported, a sync of one of its servers, and what the panel knows of that server afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from panel.models import Account, Evidence, Library, Server, Share, User
from panel.services import estate
from panel.services.sync import SyncResult, sync_server
from tests.world import World, estate_of


@pytest.fixture
def known(db: Any, world: World) -> World:
    """The world, with its estate imported and nothing synchronised."""
    estate.apply(estate.load(estate_of(world), {}))
    db.session.commit()
    return world


@pytest.fixture
def bare(db: Any, known: World) -> World:
    """The same without any user."""
    for user in db.session.scalars(select(User)):
        db.session.delete(user)
    db.session.commit()
    return known


def sync(db: Any, name: str, **how: Any) -> SyncResult:
    """What one sync of the server answers; it has committed all it did."""
    db.session.expunge_all()
    result = sync_server(server(db, name), **how)
    assert not db.session.new and not db.session.dirty
    db.session.rollback()
    return result


def server(db: Any, name: str) -> Server:
    """Its row."""
    return db.session.scalars(select(Server).where(Server.name == name)).one()


def user(db: Any, name: str) -> User:
    """Their row."""
    return db.session.scalars(select(User).where(User.name == name)).one()


def shares(db: Any, name: str) -> dict[str, Share]:
    """Who has access to the server: name -> share."""
    rows = db.session.scalars(select(Share).where(Share.server_id == server(db, name).id))
    return {share.user.name: share for share in rows}


def libraries(db: Any, name: str) -> dict[str, Library]:
    """Of the server, also those that are missing: name -> row."""
    return {row.name: row for row in db.session.scalars(select(Library).where(Library.server_id == server(db, name).id))}


def accounts(db: Any, name: str) -> dict[str, tuple[str, Evidence]]:
    """Of the server: name of the account -> whose it is, and how that is known."""
    rows = db.session.scalars(select(Account).where(Account.server_id == server(db, name).id))
    return {row.name: (row.user.name, row.known_by) for row in rows}
