"""The page of a run: what it shows, how it keeps itself up to date, and how a run is steered from it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Email, EmailStatus, Migration, Move, Setting, User
from panel.models.types import utc_now
from panel.services import report
from tests.scene import Scene
from tests.web.asking import by_htmx

pytestmark = pytest.mark.usefixtures("worker")
LIVE = by_htmx("migration-progress")


@pytest.fixture
def run(pair: Scene) -> Migration:
    """Cedar to Birch, begun and not yet in a worker's hands."""
    return pair.start()


def poll_address(text: str) -> str:
    """Where the live part of this page asks next; empty when it does not."""
    found = re.search(r'<section id="migration-progress"\s+hx-get="([^"]+)"', text)
    return found[1].replace("&amp;", "&") if found else ""


def row(text: str, move: Move) -> str:
    """The row of a user in this page."""
    found = re.search(rf'<tr id="move-{move.id}".*?</tr>', text, re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""


def set_mail() -> None:
    """An administrator address and a mail server nobody will ask."""
    setting = Setting.current()
    setting.admin_email, setting.smtp_host = "ada@example.test", "mail.example.test"
    db.session.commit()


def test_lists_nothing_before_the_first_run(ada: FlaskClient) -> None:
    assert "No migrations yet" in ada.get("/migrations").text


def test_lists_runs_with_their_counts(ada: FlaskClient, pair: Scene) -> None:
    pair.move()
    text = " ".join(re.sub(r"<[^>]+>", " ", ada.get("/migrations").text).split())
    assert "Cedar → Birch" in text and "finished" in text
    assert "2 of 2 moved" in text and "1 skipped" in text


# M17
def test_shows_one_row_per_user_with_the_reason(ada: FlaskClient, run: Migration) -> None:
    text = ada.get(f"/migrations/{run.id}").text
    assert row(text, run.moves[0]).startswith("Alice pending Waits for their turn.")
    assert row(text, run.moves[2]).startswith("Lapsed skipped Has no active subscription.")
    assert "of 2 done" in text and '<noscript><meta http-equiv="refresh"' in text


def test_does_not_count_whom_a_cancelled_run_left_as_done(ada: FlaskClient, run: Migration) -> None:
    run.status, run.started_at, run.ended_at = MigrationStatus.CANCELLED, utc_now(), utc_now()
    run.moves[0].status, run.moves[1].status = MoveStatus.MOVED, MoveStatus.CANCELLED
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}").text
    assert '<span class="fs-4 fw-semibold">1</span> of 2 done' in text and 'value="50"' in text


def test_shows_in_the_bar_what_the_numbers_say(ada: FlaskClient, pair: Scene) -> None:
    for number in range(6):
        pair.person(f"Person {number}")
    run = pair.start()
    for position, move in enumerate(move for move in run.moves if move.status is MoveStatus.PENDING):
        if position < 2:
            move.status, move.step = MoveStatus.MOVED, Step.DONE
        elif position < 6:
            move.status, move.step = MoveStatus.MOVING, (Step.CHECK, Step.TAKE)[position % 2]
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}").text
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))
    assert "2 of 8 done, 4 more have the new access" in words
    bars = dict(re.findall(r'<progress[^>]*id="([^"]+)"[^>]*value="(\d+)"', text))
    assert bars == {"bar-given": "75", "bar-done": "25"}
    assert 'aria-valuetext="2 of 8 done, 4 more have the new access"' in text


def test_says_that_the_list_of_a_new_run_is_still_to_come(ada: FlaskClient, run: Migration) -> None:
    for move in list(run.moves):
        db.session.delete(move)
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}").text
    assert "Getting ready…" in text and "once both servers have said who is there" in text


@pytest.mark.parametrize("ended_after", [None, timedelta(minutes=1)], ids=["at once", "a minute later"])
def test_speaks_of_nobody_in_a_run_that_was_cancelled_before_it_began(
    ada: FlaskClient, run: Migration, ended_after: timedelta | None
) -> None:
    for move in list(run.moves):
        db.session.delete(move)
    run.status, run.start_at, run.rounds_left, run.repeat_every_h = MigrationStatus.CANCELLED, utc_now() + timedelta(days=1), 2, 1.0
    run.ended_at = run.created_at + ended_after if ended_after else None
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}").text
    assert "Cancelled before it began." in text and "Never begun" in text
    assert "it was cancelled before the servers were asked who is there" in text
    for wrong in ("in hand", "more rounds", "Everyone is listed", "Took", "done</span>", "Getting ready"):
        assert wrong not in text
    line = " ".join(re.sub(r"<[^>]+>", " ", ada.get("/migrations").text).split())
    assert "never begun" in line and "asked for" in line and "begins" not in line and "1 min" not in line


def test_says_once_when_a_run_begins_that_waits_for_its_time(ada: FlaskClient, run: Migration) -> None:
    for move in list(run.moves):
        db.session.delete(move)
    run.start_at = run.wake_at = utc_now() + timedelta(days=1)
    run.wake_reason, run.rounds_left, run.repeat_every_h = "It begins at the time that was set.", 3, 1.0
    db.session.commit()
    text = " ".join(re.sub(r"<[^>]+>", "", ada.get(f"/migrations/{run.id}").text).split())
    assert text.count(f"{run.start_at:%H:%M}") == 1 and "Begins by itself tomorrow" in text
    assert "Not begun yet" in text and "Next try" not in text
    assert "Up to 3 more rounds for those who are left, each 1 h after the one before has ended." in text
    assert "begins <time" in ada.get("/migrations").text
    run.status = MigrationStatus.PAUSED
    db.session.commit()
    assert "Once resumed, it begins then, or at once where that time has passed." in ada.get(f"/migrations/{run.id}").text


def test_answers_nothing_while_nothing_changes(ada: FlaskClient, run: Migration) -> None:
    address = poll_address(ada.get(f"/migrations/{run.id}").text)
    answer = ada.get(address, headers=LIVE)
    assert (answer.status_code, answer.data) == (204, b"")


def test_answers_only_the_rows_that_changed(ada: FlaskClient, run: Migration) -> None:
    address = poll_address(ada.get(f"/migrations/{run.id}").text)
    run.moves[1].status, run.moves[1].step = MoveStatus.MOVED, Step.DONE
    db.session.commit()
    text = ada.get(address, headers=LIVE).text
    assert row(text, run.moves[1]).startswith("Bob moved")
    assert 'hx-swap-oob="true"' in text
    assert text.count('<tr id="move-') == 1
    assert poll_address(text) not in ("", address)


def test_misses_no_row_whose_transaction_ended_late(ada: FlaskClient, run: Migration) -> None:
    run.moves[0].changed_at = utc_now()
    db.session.commit()
    address = poll_address(ada.get(f"/migrations/{run.id}").text)
    run.moves[1].status, run.moves[1].changed_at = MoveStatus.MOVING, utc_now() - timedelta(seconds=1)
    db.session.commit()
    assert row(ada.get(address, headers=LIVE).text, run.moves[1]).startswith("Bob moving")


def test_stops_asking_when_the_run_has_ended(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    address = poll_address(ada.get(f"/migrations/{run.id}").text)
    pair.finish(run)
    text = ada.get(address, headers=LIVE).text
    assert "finished" in text and row(text, run.moves[0]).startswith("Alice moved")
    assert poll_address(text) == "" and "every 2s" not in text
    page = ada.get(f"/migrations/{run.id}").text
    assert poll_address(page) == "" and "http-equiv" not in page


def test_sends_the_whole_table_once_the_run_has_ended(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    pair.finish(run)
    run.status, ended, run.ended_at = MigrationStatus.RUNNING, run.ended_at, None
    db.session.commit()
    watched = ada.get(f"/migrations/{run.id}").text
    assert "Take back" not in watched
    run.status, run.ended_at = MigrationStatus.FINISHED, ended
    db.session.commit()
    text = ada.get(poll_address(watched), headers=LIVE).text
    assert re.search(r'id="moves"\s+hx-swap-oob="true"', text) and "<template>" not in text
    assert "Take back…" in text


#: Markers of the moment, and tokens, which are signed with the second they were made in.
CHANGES_BY_ITSELF = re.compile(r'since=[\w.-]*|(?<=name="csrf_token" value=")[^"]*')


def test_page_and_update_show_the_same(ada: FlaskClient, run: Migration) -> None:
    part = re.compile(r'<section id="migration-progress".*?</section>', re.S)
    page, update = (ada.get(f"/migrations/{run.id}{rest}").text for rest in ("", "/progress"))
    page, update = (CHANGES_BY_ITSELF.sub("", part.search(text)[0]) for text in (page, update))  # type: ignore[index]
    assert page == update


def test_filters_by_status(ada: FlaskClient, run: Migration) -> None:
    text = ada.get(f"/migrations/{run.id}?status=skipped").text
    assert row(text, run.moves[2]) and not row(text, run.moves[0])
    assert "Nobody is listed here now." in ada.get(f"/migrations/{run.id}?status=failed").text
    assert row(ada.get(f"/migrations/{run.id}?status=nonsense&page=-3").text, run.moves[0])


def test_shows_who_comes_under_a_filter_while_it_is_open(ada: FlaskClient, run: Migration) -> None:
    address = poll_address(ada.get(f"/migrations/{run.id}?status=moved").text)
    run.moves[1].status, run.moves[1].step = MoveStatus.MOVED, Step.DONE
    db.session.commit()
    text = ada.get(address, headers=LIVE).text
    assert row(text, run.moves[1]) and text.count('id="moves"') == 1


def test_parts_many_users_into_pages(ada: FlaskClient, run: Migration) -> None:
    for number in range(250):
        user = User(name=f"More {number}")
        db.session.add(user)
        db.session.flush()
        db.session.add(Move(migration_id=run.id, user_id=user.id, name=user.name, position=100 + number))
    db.session.commit()
    first, third = (ada.get(f"/migrations/{run.id}?page={page}").text for page in (1, 3))
    assert first.count('<tr id="move-') == 100 and third.count('<tr id="move-') == 53
    assert "Page 3 of 3" in third and "page=3" in poll_address(third)


def test_says_until_when_it_waits(ada: FlaskClient, run: Migration) -> None:
    run.wake_at, run.wake_reason = utc_now() + timedelta(minutes=30), "Birch does not answer. Trying again by itself."
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}").text
    assert "Birch does not answer." in text
    assert f'Next try <time datetime="{run.wake_at:%Y-%m-%dT%H:%M:%SZ}" ' in " ".join(text.split())


def test_escapes_names_and_what_servers_said(ada: FlaskClient, run: Migration) -> None:
    run.moves[0].name = "<script>alert(1)</script>" + "x" * 230
    run.moves[0].status, run.moves[0].detail = MoveStatus.FAILED, "It said <b>no</b>."
    run.note, run.problem = "<i>note</i>", "<i>problem</i>"
    db.session.commit()
    for address in (f"/migrations/{run.id}", f"/migrations/{run.id}/progress"):
        text = ada.get(address).text
        assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
        assert "It said &lt;b&gt;no&lt;/b&gt;." in text
        assert "<i>" not in text


@pytest.mark.parametrize("headers", [{}, LIVE])
def test_pauses_resumes_and_cancels(ada: FlaskClient, run: Migration, headers: dict[str, str]) -> None:
    for verb, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        answer = ada.post(f"/migrations/{run.id}/{verb}", headers=headers, follow_redirects=True)
        assert answer.status_code == 200
        db.session.refresh(run)
        assert run.status == status
        assert re.search(rf'class="badge status [^>]*>{status}<', answer.text)


def test_asks_before_cancelling(ada: FlaskClient, run: Migration) -> None:
    run.status, run.started_at = MigrationStatus.RUNNING, utc_now()
    db.session.commit()
    address = f"/migrations/{run.id}/cancel?status=pending&page=2"
    assert address.replace("&", "&amp;") in ada.get(f"/migrations/{run.id}?status=pending&page=2").text
    for headers in ({}, by_htmx("dialog")):
        text = ada.get(address, headers=headers).text
        assert "nobody else is moved" in text and f'action="{address.replace("&", "&amp;")}"' in text
    assert run.status is MigrationStatus.RUNNING
    assert ada.post(address).headers["Location"] == f"/migrations/{run.id}?status=pending&page=2"
    assert "It cannot be done now." in ada.get(address).text


def test_says_of_a_run_that_waits_for_its_time_that_nobody_is_in_hand(ada: FlaskClient, run: Migration) -> None:
    run.start_at, run.rounds_left = utc_now() + timedelta(days=1), 2
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}/cancel", headers=by_htmx("dialog")).text
    assert "nobody is in hand" in text and "are finished" not in text and "No further round follows." in text
    assert ">Cancel the migration<" in text and ">Let it go on<" in text


def test_answers_the_dialog_with_the_live_part_of_the_cancelled_run_or_the_refusal(ada: FlaskClient, run: Migration) -> None:
    address, headers = f"/migrations/{run.id}/cancel?status=pending&page=1", by_htmx("dialog")
    answer = ada.post(address, headers=headers)
    assert (answer.status_code, answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == (200, "#migration-progress", "outerHTML")
    assert answer.text.lstrip().startswith('<section id="migration-progress"')
    assert run.status is MigrationStatus.CANCELLED
    refused = ada.post(address, headers=headers)
    assert refused.status_code == 422 and "there is nothing to cancel" in refused.text and 'id="dialog-title"' in refused.text


@pytest.mark.parametrize("headers", [{}, LIVE])
def test_says_why_a_run_cannot_be_steered_so(ada: FlaskClient, run: Migration, headers: dict[str, str]) -> None:
    answer = ada.post(f"/migrations/{run.id}/resume", headers=headers, follow_redirects=True)
    assert answer.status_code == (422 if headers else 200)
    assert "only a paused one can be resumed" in answer.text


def test_disabled_buttons_carry_their_reason(ada: FlaskClient, vic: FlaskClient, run: Migration) -> None:
    text = ada.get(f"/migrations/{run.id}").text
    reason = "Nobody has failed in a way that could be tried again."
    assert re.search(rf'id="retry"[^>]*disabled title="{reason}"', text)
    assert re.search(rf'<small[^>]*id="why-retry">{reason}</small>', text)
    assert re.search(r'id="pause-resume"[^>]*disabled title="Only administrators can do this."', vic.get(f"/migrations/{run.id}").text)


def test_retries_one_and_all(ada: FlaskClient, run: Migration) -> None:
    for verb in (f"moves/{run.moves[0].id}/retry", "retry"):
        run.moves[0].status, run.moves[0].retryable = MoveStatus.FAILED, True
        db.session.commit()
        assert "Retry 1 failed" in ada.get(f"/migrations/{run.id}").text
        assert ada.post(f"/migrations/{run.id}/{verb}").status_code == 303
        db.session.refresh(run.moves[0])
        assert run.moves[0].status is MoveStatus.PENDING


def test_gives_the_run_as_csv(ada: FlaskClient, run: Migration) -> None:
    answer = ada.get(f"/migrations/{run.id}.csv")
    assert answer.mimetype == "text/csv" and "attachment" in answer.headers["Content-Disposition"]
    assert "Lapsed,skipped,no_active_subscription" in answer.text


# M13
def test_says_why_no_result_mail_was_sent_and_sends_it_once_it_can(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    pair.finish(run)
    assert "Not sent. No administrator address is set." in ada.get(f"/migrations/{run.id}").text
    set_mail()
    assert ada.post(f"/migrations/{run.id}/mail").status_code == 303
    mail = report.result_mail(run.id)
    assert mail and mail.status is EmailStatus.QUEUED


@pytest.mark.parametrize("headers", [{}, by_htmx("migration-mail")])
def test_sends_the_result_mail_again(ada: FlaskClient, pair: Scene, run: Migration, headers: dict[str, str]) -> None:
    set_mail()
    pair.finish(run)
    mail = report.result_mail(run.id)
    assert mail
    mail.status, mail.error = EmailStatus.FAILED, "The mail server refused the mail (550 <b>no</b>)."
    db.session.commit()
    assert "refused the mail (550 &lt;b&gt;no&lt;/b&gt;)." in ada.get(f"/migrations/{run.id}").text
    answer = ada.post(f"/migrations/{run.id}/mail", headers=headers, follow_redirects=True)
    assert "It waits to be sent." in answer.text
    assert db.session.scalars(db.select(Email.status).where(Email.event == "system_message")).all() == [EmailStatus.QUEUED]


def test_watches_a_mail_that_is_under_way_and_then_no_more(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    set_mail()
    pair.finish(run)
    address = f"/migrations/{run.id}/mail"
    assert "hx-trigger" in ada.get(address, headers=by_htmx("migration-mail")).text
    mail = report.result_mail(run.id)
    assert mail
    mail.status, mail.sent_at = EmailStatus.SENT, utc_now()
    db.session.commit()
    text = ada.get(address, headers=by_htmx("migration-mail")).text
    assert "Sent to ada@example.test" in text and "hx-trigger" not in text


def test_sends_no_mail_before_the_run_has_ended(ada: FlaskClient, run: Migration) -> None:
    set_mail()
    ada.post(f"/migrations/{run.id}/mail")
    assert report.result_mail(run.id) is None


def test_shows_the_run_as_cancelled_while_people_are_still_in_hand(ada: FlaskClient, run: Migration) -> None:
    run.status, run.started_at = MigrationStatus.CANCELLED, utc_now()
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}").text
    assert "being finished" in text and poll_address(text)


def test_answers_404_for_a_run_that_never_was(ada: FlaskClient) -> None:
    for address in ("/migrations/9", "/migrations/9/progress", "/migrations/9.csv", "/migrations/9/mail"):
        assert ada.get(address).status_code == 404


def test_promises_no_end_while_a_run_is_paused(ada: FlaskClient, run: Migration) -> None:
    run.status, run.pace_s = MigrationStatus.RUNNING, 60.0
    db.session.commit()
    assert re.search(r"About .{1,10} left", ada.get(f"/migrations/{run.id}").text)
    run.status = MigrationStatus.PAUSED
    db.session.commit()
    assert not re.search(r"About .{1,10} left", ada.get(f"/migrations/{run.id}").text)
