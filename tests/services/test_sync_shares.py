"""A sync brings shares in step with a server: libraries, settings, invites, and who has none any more."""

from __future__ import annotations

from typing import Any

from tests.services.syncing import known, shares, sync, user
from tests.world import World

__all__ = ["known"]


def test_records_libraries_settings_and_waiting_invites(db: Any, known: World) -> None:
    sync(db, "Den")
    found = shares(db, "Den")
    assert sorted(library.name for library in found["Dora"].libraries) == ["Movies", "Movies 4K", "TV Shows"]
    assert found["Dora"].settings["allowSync"] is False
    assert found["Dora"].accepted_at is not None
    assert (found["carl"].accepted_at, found["carl"].invited_at is not None) == (None, True)


def test_notices_an_accepted_invite_and_keeps_when_the_others_were(db: Any, known: World) -> None:
    sync(db, "Den")
    before = shares(db, "Den")["Alice"].accepted_at
    invite = known.den.share_of(known.carl)
    assert invite is not None
    known.tv.accept(invite)
    sync(db, "Den")
    assert shares(db, "Den")["carl"].accepted_at is not None
    assert shares(db, "Den")["Alice"].accepted_at == before


def test_notices_changed_libraries(db: Any, known: World) -> None:
    sync(db, "Birch")
    juna = known.birch.user("juna")
    assert juna is not None
    known.birch.grant(juna, ["Shows", "Films 4K"])
    sync(db, "Birch")
    assert sorted(library.name for library in shares(db, "Birch")["juna"].libraries) == ["Films 4K", "Shows"]


def test_removes_a_share_that_is_gone_but_not_the_user(db: Any, known: World) -> None:
    sync(db, "Den")
    share = known.den.share_of(known.alice)
    assert share is not None
    known.tv.remove(share)
    assert sync(db, "Den").shares_ended == 1
    assert sorted(shares(db, "Den")) == ["Dora", "Kim", "carl"]
    assert user(db, "Alice").plex_id == str(known.alice.id)
