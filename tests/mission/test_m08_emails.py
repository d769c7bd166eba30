"""M8: between different platforms a user needs the e-mail each platform of the pair knows people by; missing ones are named per user."""

from __future__ import annotations

import pytest
from flask import Flask

from panel.extensions import db
from panel.models import User
from tests.mission.stage import cli, document, reasons, set_up
from tests.scene import PAIRS, Scene

DIFFERENT = [pair for pair in PAIRS if pair[0] != pair[1]]
REASONS = {"plex": "plex_email_missing", "emby": "emby_email_missing"}


def forget_email(name: str, *columns: str) -> None:
    """The user has no such address (any more)."""
    user = db.session.scalars(db.select(User).where(User.name == name)).one()
    for column in columns:
        setattr(user, column, "")
    db.session.commit()


# M8
@pytest.mark.parametrize(("source", "target"), DIFFERENT)
def test_each_platform_of_the_pair_asks_for_its_own_email_and_for_no_other(app: Flask, scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target, people=("ada", "both", "emby", "plex"))
    forget_email("plex", "plex_email")
    forget_email("emby", "emby_email")
    forget_email("both", "plex_email", "emby_email")
    needed = [REASONS[platform] for platform in ("plex", "emby") if platform in (source, target)]
    users = {user["user"]: user for user in document(cli(app, "preflight", "Old", "New", "--json"))["users"]}
    assert users["both"] == {"user": "both", "verdict": "skip", "reasons": needed}
    for platform, reason in REASONS.items():
        missing = [reason] if reason in needed else []
        assert users[platform] == {"user": platform, "verdict": "skip" if missing else "move", "reasons": missing}
    assert users["ada"] == {"user": "ada", "verdict": "move", "reasons": []}


# M8
@pytest.mark.parametrize("platform", ["plex", "emby", "jellyfin"])
def test_between_servers_of_one_platform_nobody_is_asked_for_an_email(scene: Scene, platform: str) -> None:
    set_up(scene, platform, platform, people=("ada",))
    forget_email("ada", "plex_email", "emby_email")
    assert reasons(scene.preflight()) == {"ada": []}


# M8
def test_who_lacks_an_email_stays_with_the_reason_and_the_others_move(scene: Scene) -> None:
    set_up(scene, "plex", "emby")
    forget_email("ben", "emby_email")
    run = scene.move()
    assert scene.outcome(run) == {"ada": "moved", "ben": "skipped", "cleo": "moved"}
    assert [list(move.reasons) for move in run.moves if move.name == "ben"] == [["emby_email_missing"]]
    assert scene.opened("ben", scene.source) == {"Films"} and scene.target.sim.user("ben") is None


# M8
def test_an_email_filled_in_lets_the_person_move(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex", people=("ada",))
    forget_email("ada", "plex_email")
    assert reasons(scene.preflight()) == {"ada": ["plex_email_missing"]}
    ada = db.session.scalars(db.select(User)).one()
    ada.plex_email = "ada.on.plex@example.test"
    db.session.commit()
    run = scene.move()
    assert scene.outcome(run) == {"ada": "invited"}
    assert scene.target.sim.share_of("ada.on.plex@example.test") is not None
