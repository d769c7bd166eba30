"""M7: who shares the source now and has an active subscription; permanent users always have one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from panel.extensions import db
from panel.models import Payment, Share
from panel.services import preflight as judging
from tests.databases import BOTH
from tests.mission.stage import changed_anything, reasons, set_up
from tests.scene import Scene

NOW = datetime(2031, 5, 4, 12, 30, 15, 250_000, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
DAY = timedelta(days=1)


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both databases: each stores moments in its own way."""
    return str(request.param)


# M7
def test_start_and_end_of_a_payment_are_included_to_the_moment(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "emby", people=())
    expected: dict[str, list[str]] = {}
    for name, start, end, active in (
        ("a starts now", NOW, NOW + DAY, True),
        ("b ends now", NOW - DAY, NOW, True),
        ("c is one moment", NOW, NOW, True),
        ("d starts a moment later", NOW + TICK, NOW + DAY, False),
        ("e ended a moment ago", NOW - DAY, NOW - TICK, False),
    ):
        user = scene.person(name, plan=None)
        db.session.add(Payment(user=user, plan=scene.plan("Basic"), start_at=start, end_at=end))
        expected[name] = [] if active else ["no_active_subscription"]
    db.session.commit()
    db.session.expire_all()
    monkeypatch.setattr(judging, "utc_now", lambda: NOW)
    assert reasons(scene.preflight()) == expected


# M7
def test_one_payment_of_several_is_enough_and_a_gap_between_two_is_none(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby", people=())
    covered, gap = scene.person("ada", days=(-90, -60)), scene.person("ben", days=(-90, -1))
    db.session.add_all([scene.payment(covered, "Basic", (-1, 1)), scene.payment(gap, "Basic", (1, 90))])
    db.session.commit()
    assert reasons(scene.preflight()) == {"ada": [], "ben": ["no_active_subscription"]}


# M7
def test_only_those_who_share_the_source_now_move_and_the_others_are_left_untouched(scene: Scene) -> None:
    set_up(scene, "plex", "plex", same_account=True, people=("ada",))
    scene.person("waiting", accepted=False)
    former = scene.person("former")
    scene.tv.remove(scene.source.sim.share_of("former@example.test"))
    db.session.query(Share).filter(Share.user_id == former.id).delete()
    db.session.commit()
    run = scene.move()
    assert scene.outcome(run) == {"ada": "moved", "former": "skipped", "waiting": "skipped"}
    assert {move.name: list(move.reasons) for move in run.moves if move.reasons} == {"former": ["not_shared"], "waiting": ["not_shared"]}
    assert len(changed_anything(scene)) == 2, "ada given, ada taken, and nothing about anybody else"


# M7
@pytest.mark.parametrize("days", [None, (-60, -30), (30, 60)], ids=["no payment", "expired", "not begun"])
def test_a_permanent_user_is_always_active_and_a_standard_one_is_not(scene: Scene, days: tuple[int, int] | None) -> None:
    set_up(scene, "jellyfin", "emby", people=())
    how = {"plan": "Basic", "days": days} if days else {"plan": None}
    scene.person("permanent", permanent=True, **how)  # type: ignore[arg-type]
    scene.person("standard", **how)  # type: ignore[arg-type]
    run = scene.move()
    assert scene.outcome(run) == {"permanent": "moved", "standard": "skipped"}
    assert [list(move.reasons) for move in run.moves if move.name == "standard"] == [["no_active_subscription"]]
    assert scene.opened("standard") is None and scene.opened("standard", scene.source) == {"Films"}


# M7
def test_a_payment_that_ends_between_start_and_first_user_counts_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "emby", people=("ada",))
    scene.person("ben", days=(-10, 300))
    run = scene.start()
    later = judging.utc_now() + timedelta(days=40)
    monkeypatch.setattr(judging, "utc_now", lambda: later)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "skipped", "ben": "moved"}
