"""Names and addresses longer than any column: what a server says about one person fails nobody."""

from __future__ import annotations

from typing import Any

import pytest

from panel.extensions import db
from panel.models import Account, Share
from tests.databases import BOTH
from tests.scene import Scene


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """One of them counts characters."""
    return str(request.param)


def test_an_account_that_is_listed_under_a_long_name_is_moved_like_any_other(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in ("ada", "ben"):
        scene.person(name)
    sim = scene.target.sim
    as_it_is = sim.user_dto

    def user_dto(account: Any) -> dict[str, Any]:
        shown: dict[str, Any] = as_it_is(account)
        return {**shown, "Name": "b" * 300, "ConnectUserName": f"{'b' * 300}@example.test"} if account.name == "ben" else shown

    sim.user_dto = user_dto
    run = scene.move()
    assert run.status == "finished" and scene.outcome(run) == {"ada": "moved", "ben": "moved"}
    assert [scene.opened(name) for name in ("ada", "ben")] == [{"Films", "Shows"}] * 2
    assert [scene.opened(name, scene.source) for name in ("ada", "ben")] == [None] * 2
    kept = db.session.scalars(db.select(Account.name).where(Account.server_id == scene.target.row.id)).all()
    assert sorted(kept) == ["ada", "b" * 255]
    shares = db.session.scalars(db.select(Share.account_name).where(Share.server_id == scene.target.row.id)).all()
    assert sorted(shares) == ["ada", "b" * 255]
