"""An account that an earlier run made, and whose password nobody has chosen yet, is as new to its person as one made just now."""

from __future__ import annotations

import pytest

from panel.extensions import db
from panel.models import Email, Migration, Move, Setting
from panel.services import notices
from panel.services.claims import choosing, links
from panel.services.preflight import ask_both, assess
from panel.services.run.start import start
from panel.simulators.http import Fault
from panel.web.move_actions import why_no_claim
from tests.scene import Scene, Side


@pytest.fixture(autouse=True)
def mail_server(scene: Scene) -> None:
    """People are told; nothing is sent in these tests."""
    setting = Setting.current()
    setting.smtp_host, setting.smtp_port, setting.smtp_sender, setting.admin_email = "127.0.0.1", 9, "p@example.test", "a@example.test"
    db.session.commit()
    assert notices.people_are_told()


def from_to(scene: Scene, source: Side, target: Side) -> Migration:
    """A run between two servers of the stage, worked off."""
    flight = assess(source.row, target.row, looks=ask_both(source.row, target.row), pace_s=0.0)
    db.session.commit()
    run = start(flight)
    db.session.commit()
    return scene.finish(run)


def told(run: Migration) -> list[str]:
    """Who of the run is to get the Account Moved mail."""
    wanted = (Email.event == notices.ACCOUNT_MOVED, Email.migration_id == run.id)
    return list(db.session.scalars(db.select(Email.recipient).where(*wanted)))


def only(run: Migration) -> Move:
    (move,) = run.moves
    return move


def claim(move: Move, password: str) -> None:
    """The person follows the link of this move."""
    link = links.find(links.CLAIM, links.make(links.CLAIM, move.id))
    db.session.commit()
    assert link is not None
    choosing.choose_password(link, password)


def two_servers(scene: Scene) -> tuple[Side, Side]:
    sides = scene.add_server("jellyfin", "Old"), scene.add_server("emby", "New")
    scene.person("ada")
    return sides


def offers_link(run: Migration) -> bool:
    """Whether the menu of its one person offers a link to choose a password."""
    return not why_no_claim(run, only(run))


def test_a_half_made_account_finished_by_a_second_run_is_announced_with_a_link(scene: Scene) -> None:
    old, new = two_servers(scene)
    new.sim.faults.append(Fault(method="POST", path="/Policy", times=1, status=400, body="no"))
    first = from_to(scene, old, new)
    assert scene.outcome(first) == {"ada": "failed"} and not told(first)
    second = from_to(scene, old, new)
    assert scene.outcome(second) == {"ada": "moved"} and scene.opened("ada") and scene.opened("ada", old) is None
    assert told(second) == ["ada@example.test"]
    assert offers_link(second)
    claim(only(second), "my own password")
    assert new.sim.can_sign_in("ada", "my own password")


def test_who_comes_back_to_an_account_never_claimed_is_told_again(scene: Scene) -> None:
    old, new = two_servers(scene)
    assert told(from_to(scene, old, new))
    back = from_to(scene, new, old)
    assert not told(back) and not offers_link(back), "that account was the person's own"
    again = from_to(scene, old, new)
    assert scene.outcome(again) == {"ada": "moved"}
    assert told(again) == ["ada@example.test"] and offers_link(again)


def test_who_comes_back_to_an_account_they_have_claimed_keeps_their_password(scene: Scene) -> None:
    old, new = two_servers(scene)
    claim(only(from_to(scene, old, new)), "my own password")
    from_to(scene, new, old)
    again = from_to(scene, old, new)
    assert scene.outcome(again) == {"ada": "moved"} and new.sim.can_sign_in("ada", "my own password")
    assert not told(again) and not offers_link(again)


def test_a_link_left_unused_by_an_earlier_run_is_void_once_a_later_one_has_made_another(scene: Scene) -> None:
    old, new = two_servers(scene)
    early = links.make(links.CLAIM, only(from_to(scene, old, new)).id)
    db.session.commit()
    from_to(scene, new, old)
    late = links.make(links.CLAIM, only(from_to(scene, old, new)).id)
    db.session.commit()
    assert links.find(links.CLAIM, early) is None and links.find(links.CLAIM, late)


def test_somebody_whose_own_account_is_opened_again_hears_of_no_link(scene: Scene) -> None:
    old, new = scene.add_server("jellyfin", "Old"), scene.add_server("emby", "New")
    ada = scene.person("ada")
    scene.place(ada, new, ("Shows",))
    db.session.commit()
    run = from_to(scene, old, new)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada") == {"Films", "Shows"}
    assert not told(run) and not offers_link(run)
