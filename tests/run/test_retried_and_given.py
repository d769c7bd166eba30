"""A retry, a pause or a cancel comes while it is not noted what somebody was given, or had removed: they are told, finished and taken back
all the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.domain.statuses import MoveStatus, Removal, Step
from panel.extensions import db
from panel.jobs import invites
from panel.models import Email, Migration, Payment, Setting
from panel.models.types import utc_now
from panel.services import notices
from panel.services.run import steer, undo
from panel.simulators.http import Call, Fault
from tests.clock import Clock, clock
from tests.run.doubts import in_doubt, paused
from tests.run.test_judged_again import OTHER, half_made, move_of, retry, work_minutes
from tests.run.test_steering import work_until
from tests.run.test_unreadable_judged import declined
from tests.scene import Scene

__all__ = ["clock"]


def tell_people() -> None:
    """Mails can be sent from now on."""
    setting = Setting.current()
    setting.smtp_host, setting.smtp_sender = "mail.example.test", "panel@example.test"
    db.session.commit()


def told() -> list[str]:
    """Whom a mail has told that their account has moved."""
    return list(db.session.scalars(db.select(Email.recipient).where(Email.event == notices.ACCOUNT_MOVED).order_by(Email.recipient)))


def opened_unnoted(scene: Scene, run: Migration) -> bool:
    """Whether ada's account is open by a request whose answer was lost."""
    ada = move_of(run, "ada")
    return scene.opened("ada") is not None and (ada.status, ada.step, ada.given_at) == (MoveStatus.PENDING, Step.GIVE, None)


def made_and_opened_unnoted(scene: Scene, clock: Clock, *, retried: bool) -> Migration:
    """Ada's account was found and closed, then opened by a request whose answer was lost; she is moved, perhaps after ben was retried."""
    run = in_doubt(scene, "ada")
    made = half_made(scene, run)
    scene.target.sim.faults[:] = [Fault("POST", f"/Users/{made.id}/Policy", skip=1, times=1, effect=True, drop=True)]
    work_until(run, lambda: opened_unnoted(scene, run))
    if retried:
        retry(run, move_of(run, "ben"))
    work_minutes(run, clock, 5)
    assert scene.outcome(run)["ada"] == "moved"
    return run


@pytest.mark.parametrize("retried", [False, True])
def test_whose_account_was_opened_with_a_lost_answer_is_told(scene: Scene, clock: Clock, retried: bool) -> None:
    tell_people()
    made_and_opened_unnoted(scene, clock, retried=retried)
    assert told().count("ada@example.test") == 1


@pytest.mark.parametrize("retried", [False, True])
def test_an_account_that_was_opened_with_a_lost_answer_is_withdrawn_by_an_undo(scene: Scene, clock: Clock, retried: bool) -> None:
    run = made_and_opened_unnoted(scene, clock, retried=retried)
    if run.ended_at is None:
        steer.cancel(run)
        db.session.commit()
        scene.finish(run)
    back = undo.start_undo(run, [move_of(run, "ada").id])
    db.session.commit()
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "moved"}
    assert scene.opened("ada") is None and scene.opened("ada", scene.source) == {"Films"}


def closed_without_a_password(scene: Scene, target: str, *others: str) -> Migration:
    """A run for ada, whose account on the target stands closed and without a password; the answer of what opens it will be lost."""
    scene.add_server(OTHER[target], "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    ada = scene.person("ada")
    for name in others:
        scene.person(name)
    scene.place(ada, scene.target, ("Films",))
    account = scene.target.sim.user("ada")
    account.password, account.policy["IsDisabled"] = "", True
    db.session.commit()
    tell_people()
    run = scene.start()
    scene.target.sim.faults.append(Fault("POST", f"/Users/{account.id}/Policy", times=1, effect=True, drop=True))
    return run


@pytest.mark.parametrize("meanwhile", ["nothing", "retried", "paused"])
@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_who_was_sealed_and_opened_with_a_lost_answer_is_told_once(scene: Scene, clock: Clock, target: str, meanwhile: str) -> None:
    run = closed_without_a_password(scene, target, "ben")
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="No."))
    work_until(run, lambda: opened_unnoted(scene, run) and move_of(run, "ben").status is MoveStatus.FAILED)
    assert move_of(run, "ada").sealed
    if meanwhile == "retried":
        retry(run, move_of(run, "ben"))
    elif meanwhile == "paused":
        paused(run)
        steer.resume(run)
        db.session.commit()
    work_minutes(run, clock, 4)
    assert scene.outcome(run)["ada"] == "moved" and told().count("ada@example.test") == 1


@pytest.mark.parametrize("outage", [False, True])
@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_who_was_sealed_and_opened_right_before_an_outage_is_told_once(scene: Scene, clock: Clock, target: str, outage: bool) -> None:
    run, sim = closed_without_a_password(scene, target), scene.target.sim

    def goes_down(call: Call, moment: str) -> None:
        if moment == "after" and call.path.endswith("/Policy"):
            sim.faults.append(Fault("", "", drop=True, times=None))

    sim.on_call = goes_down if outage else None
    work_minutes(run, clock, 12)
    if outage:
        assert scene.opened("ada") and scene.outcome(run) == {"ada": "failed"} and run.ended_at
        sim.on_call = None
        sim.faults.clear()
        retry(run)
        work_minutes(run, clock, 4)
    assert scene.outcome(run) == {"ada": "moved"} and told() == ["ada@example.test"]
    assert not sim.can_sign_in("ada", "")


def test_who_may_not_move_any_more_and_has_an_invite_of_this_run_is_not_passed_over(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    scene.person("ada")
    run = scene.start()

    def narrow(_call: Call, _moment: str) -> None:
        for share in scene.tv.shares_of(scene.target.sim):
            if share.email == "ada@example.test" and len(share.section_ids) == 2:
                share.section_ids = set(sorted(share.section_ids)[:1])

    scene.tv.on_call = narrow
    scene.finish(run)
    scene.tv.on_call = None
    ada = move_of(run, "ada")
    assert ada.status is MoveStatus.FAILED and ada.given_at
    db.session.execute(db.update(Payment).values(end_at=utc_now() - timedelta(days=1)))
    db.session.commit()
    retry(run, ada)
    scene.finish(run)
    share = scene.target.sim.share_of("ada@example.test")
    assert share is not None and not share.accepted and scene.outcome(run) == {"ada": "failed"}


@pytest.mark.parametrize("cancelled", [False, True])
def test_whose_source_access_is_gone_is_not_cancelled(scene: Scene, cancelled: bool) -> None:
    run = declined(scene)
    if cancelled:
        steer.cancel(run)
        db.session.commit()
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "invited" and scene.target.sim.share_of("ada@example.test") is not None


def opened_again(scene: Scene) -> Migration:
    """Ada's account on the source was closed by a run, and her invite is gone; somebody opens all libraries to her there, and she is
    retried: invited once more."""
    run = declined(scene)
    scene.source.sim.user("ada").policy.update(IsDisabled=False, EnableAllFolders=True)
    assert scene.opened("ada", scene.source)
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "invited"
    return run


def accept(scene: Scene) -> None:
    """Ada accepts her invite, and is asked about."""
    scene.tv.accept(scene.target.sim.share_of("ada@example.test"))
    invites.check(scene.target.row.id)


def test_whose_source_access_is_there_again_loses_it_again(scene: Scene, clock: Clock) -> None:
    run = opened_again(scene)
    accept(scene)
    work_minutes(run, clock, 4)
    assert run.removal is Removal.AT_ONCE
    assert scene.outcome(run)["ada"] == "moved" and scene.opened("ada", scene.source) is None
    assert move_of(run, "ada").taken_at is not None


def test_an_undo_gives_back_what_was_there_before_the_first_removal(scene: Scene, clock: Clock) -> None:
    run = opened_again(scene)
    accept(scene)
    work_minutes(run, clock, 4)
    back = undo.start_undo(run, [move_of(run, "ada").id])
    db.session.commit()
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "moved"} and scene.opened("ada", scene.source) == {"Films"}
