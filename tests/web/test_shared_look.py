"""Many open pages of one run: what is new is drawn once, and each gets it as its own."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from types import FrameType
from typing import Any

import pytest
from flask import Flask, render_template, template_rendered
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from panel import patience
from panel.domain.statuses import Step
from panel.extensions import db
from panel.models import Email, EmailStatus, Migration, Role
from panel.models.types import utc_now
from panel.services import notices
from panel.web import shared_look
from tests.processes import wait_until
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.conftest import signed_in
from tests.web.test_migration import poll_address

pytestmark = pytest.mark.usefixtures("worker")
LIVE = by_htmx("migration-progress")


@pytest.fixture
def run(pair: Scene) -> Migration:
    """Cedar to Birch, begun and not yet in a worker's hands."""
    return pair.start()


@pytest.fixture
def drawn(app: Flask) -> Iterator[list[str]]:
    """The names of the templates that were drawn."""
    names: list[str] = []

    def note(_app: Flask, template: Any, **_: object) -> None:
        names.append(template.name)

    with template_rendered.connected_to(note, app):
        yield names


def something_happens(run: Migration) -> None:
    run.note = f"Looked at {utc_now()}."
    db.session.commit()


def token_in(text: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert found
    return found[1]


def asks_next(client: FlaskClient, run: Migration) -> str:
    """The address at which a page that is opened now asks next."""
    return poll_address(client.get(f"/migrations/{run.id}").text)


@pytest.fixture
def pages(app: Flask, ada: FlaskClient) -> list[FlaskClient]:
    """Six browsers, of as many administrators."""
    return [ada, *(signed_in(app, f"{name}@example.test", Role.ADMINISTRATOR) for name in ("bea", "cleo", "dora", "eve", "fay"))]


def looking(app: Flask, page: FlaskClient, address: str) -> TestResponse:
    """What a page gets, in a thread of its own."""
    with app.app_context():
        return page.get(address, headers=LIVE)


def waiting() -> int:
    """How many threads wait for what another one draws."""
    return sum(_waits(frame) for frame in sys._current_frames().values())


def _waits(top: FrameType) -> bool:
    files, frame = set(), top
    while frame.f_back is not None:
        files.add(frame.f_code.co_filename)
        frame = frame.f_back
    return top.f_code is threading.Condition.wait.__code__ and shared_look.__file__ in files


def test_is_drawn_once_for_all_who_ask_at_the_same_time(
    app: Flask, ada: FlaskClient, pages: list[FlaskClient], run: Migration, drawn: list[str]
) -> None:
    address = asks_next(ada, run)
    something_happens(run)
    drawn.clear()

    with ThreadPoolExecutor(len(pages)) as threads:
        texts = [answer.text for answer in threads.map(lambda page: looking(app, page, address), pages)]
    assert drawn == ["migrations/_update.html"]
    assert all(run.note in text for text in texts)


def test_is_tried_once_for_all_who_wait_where_it_fails(
    app: Flask, ada: FlaskClient, pages: list[FlaskClient], run: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, tried = asks_next(ada, run), list[str]()
    something_happens(run)

    def fails(name: str, **_: object) -> str:
        tried.append(name)
        if len(tried) == 1:
            wait_until(lambda: waiting() == len(pages) - 1, 30)
        raise RuntimeError("the database says nothing")

    with monkeypatch.context() as patched:
        patched.setattr(shared_look, "render_template", fails)
        with ThreadPoolExecutor(len(pages)) as threads:
            answers = list(threads.map(lambda page: looking(app, page, address), pages))
    assert [answer.status_code for answer in answers] == [500] * len(pages)
    assert tried == ["migrations/_update.html"]
    assert run.note in ada.get(address, headers=LIVE).text, "who asks later has it drawn anew"


def test_is_waited_for_no_longer_than_the_database(
    app: Flask, ada: FlaskClient, pages: list[FlaskClient], run: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, go_on, draw = asks_next(ada, run), threading.Event(), render_template
    something_happens(run)

    def draws_slowly(name: str, **values: Any) -> str:
        go_on.wait(60)
        return draw(name, **values)

    monkeypatch.setattr(shared_look, "render_template", draws_slowly)
    monkeypatch.setattr(patience, "QUESTION_S", 0.2)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(looking, app, page, address) for page in pages[:2]]
        (who_waited,) = wait(asked, 30, FIRST_COMPLETED).done
        assert who_waited.result().status_code == 500
        go_on.set()
        (who_drew,) = {*asked} - {who_waited}
        assert run.note in who_drew.result(30).text


def test_is_drawn_anew_once_something_has_happened(ada: FlaskClient, run: Migration) -> None:
    address = asks_next(ada, run)
    for _ in range(3):
        something_happens(run)
        assert run.note in ada.get(address, headers=LIVE).text


def test_is_drawn_anew_for_whoever_saw_something_else(ada: FlaskClient, run: Migration, drawn: list[str]) -> None:
    addresses = [asks_next(ada, run)]
    something_happens(run)
    addresses.append(asks_next(ada, run))
    run.moves[0].step = Step.TAKE
    something_happens(run)
    drawn.clear()
    assert all(run.note in ada.get(address, headers=LIVE).text for address in (*addresses, *addresses))
    assert len(drawn) == 2


def test_carries_the_token_of_whoever_asks(app: Flask, ada: FlaskClient, run: Migration) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    eve = signed_in(app, "eve@example.test", Role.ADMINISTRATOR)
    address = asks_next(ada, run)
    tokens = [token_in(page.get(f"/migrations/{run.id}").text) for page in (ada, eve)]
    something_happens(run)
    answers = [page.get(address, headers=LIVE).text for page in (ada, eve)]
    for page, own, other in ((ada, *answers), (eve, *reversed(answers))):
        assert page.post(f"/migrations/{run.id}/pause", data={"csrf_token": token_in(other)}).status_code == 400
        assert page.post(f"/migrations/{run.id}/pause", data={"csrf_token": token_in(own)}, headers=LIVE).status_code in (200, 422)
    assert len({*tokens, *map(token_in, answers)}) > 1


def test_shows_a_viewer_what_a_viewer_may_see(ada: FlaskClient, vic: FlaskClient, run: Migration) -> None:
    address = asks_next(ada, run)
    something_happens(run)
    answers = [page.get(address, headers=LIVE).text for page in (ada, vic)]
    assert ["Only administrators can do this." in text for text in answers] == [False, True]


def test_keeps_nothing_of_a_run_that_is_over(ada: FlaskClient, pair: Scene) -> None:
    """Where its mail stands is in no marker."""
    run = pair.move()
    mail = Email(migration_id=run.id, event=notices.SYSTEM_MESSAGE, recipient="ada@example.test", status=EmailStatus.QUEUED)
    db.session.add(mail)
    db.session.commit()
    address = f"/migrations/{run.id}/progress?since=earlier"
    assert "waits to be sent" in ada.get(address, headers=LIVE).text
    mail.status = EmailStatus.SENT
    db.session.commit()
    assert "waits to be sent" not in ada.get(address, headers=LIVE).text
