"""Readiness and the banner stay quick whatever hangs behind them, and tell nothing to strangers."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from panel import create_app, embedded_redis, jobs
from panel.config import Config
from panel.extensions import db
from panel.models import Role
from panel.services import shared_clock
from panel.web import workers
from tests.processes import wait_until
from tests.scene import Scene
from tests.web.conftest import signed_in
from tests.web.silent import Line, ask, far_app, line, read, request, screens, web_process

__all__ = ["far_app", "line", "screens"]

#: More than the threads for pages, and more than waitress would take in by itself: two questions of each of 70 open pages.
OPEN_PAGES = 140
#: More than a process may open where that is kept small.
CROWD = 300
#: Seconds in which `/readyz` has answered whatever hangs, and what a machine busy with other tests may take on top.
READY_S, BUSY_S = 4.0, 3.0
#: How long a page waits where that is not what is tested: a busy machine needs more than the moment that people are made to wait.
LONG_S = 30.0


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of something that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=50)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def point_at(app: Flask, redis_url: str) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], external_redis_url=redis_url)


def old_enough(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The web process is past the moment in which the worker may still be starting."""
    monkeypatch.setattr(app.extensions["panel_workers"], "_born", time.monotonic() - workers.GRACE_S)


def test_is_alive_in_two_letters(app: Flask) -> None:
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is inside takes no longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_says_within_seconds_that_redis_hangs(app: Flask, hanging: str) -> None:
    point_at(app, f"redis://:secret@{hanging}/0")
    with within(READY_S):
        answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"ready": False, "database": True, "redis": False, "worker": False}
    assert "secret" not in answer.text and hanging not in answer.text


def test_says_within_seconds_that_the_database_hangs(config: Config, hanging: str, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = create_app(replace(config, database_url=f"postgresql+psycopg://me:secret@{hanging}/panel"))
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)
    for _ in range(2):
        with within(READY_S):
            answer = stuck.test_client().get("/readyz")
        assert (answer.status_code, answer.json) == (503, {"ready": False, "database": False, "redis": True, "worker": True})


def test_says_within_four_seconds_that_both_hang(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def connect(_engine: Engine) -> None:
        over.wait(60)
        raise OSError("nobody has answered")

    db.session.remove()
    monkeypatch.setattr(Engine, "connect", connect)
    monkeypatch.setattr(jobs, "workers_alive", lambda: over.wait(60))
    try:
        with within(READY_S + BUSY_S):
            answer = app.test_client().get("/readyz")
    finally:
        over.set()
    assert answer.json == {"ready": False, "database": False, "redis": False, "worker": False}


def test_is_ready_again_once_the_database_is(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)
    connect = Engine.connect

    def fail(_engine: Engine) -> None:
        raise OSError("the disk is gone")

    db.session.remove()
    monkeypatch.setattr(Engine, "connect", fail)
    assert app.test_client().get("/readyz").status_code == 503
    monkeypatch.setattr(Engine, "connect", connect)
    assert app.test_client().get("/readyz").status_code == 200


def test_shows_on_every_page_that_no_worker_is_running(
    app: Flask, ada: FlaskClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_enough(app, monkeypatch)
    with embedded_redis.running(config.ensure()):
        wait_until(lambda: "No worker is running" in ada.get("/users").text)
        assert all("No worker is running" in ada.get(page).text for page in ("/servers", "/migrations", "/settings"))


def test_shows_no_banner_while_workers_live(app: Flask, ada: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    old_enough(app, monkeypatch)
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)
    ada.get("/servers")
    assert workers.NO_WORKER[:10] not in ada.get("/servers").text


@pytest.mark.parametrize(("before", "now", "is_shown"), [(1, 0, True), (0, 1, False)], ids=["died", "came back"])
def test_shows_on_the_first_page_after_a_pause_what_is_so_by_now(
    app: Flask, ada: FlaskClient, monkeypatch: pytest.MonkeyPatch, before: int, now: int, is_shown: bool
) -> None:
    old_enough(app, monkeypatch)
    monkeypatch.setattr(workers, "PATIENCE_S", LONG_S)
    monkeypatch.setattr(jobs, "workers_alive", lambda: before)
    wait_until(lambda: (workers.NO_WORKER[:10] in ada.get("/servers").text) is not is_shown)

    def answer_in_a_moment() -> int:
        time.sleep(0.05)
        return now

    monkeypatch.setattr(jobs, "workers_alive", answer_in_a_moment)
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 60))
    assert (workers.NO_WORKER[:10] in ada.get("/servers").text) is is_shown


def test_an_open_page_hears_of_it_when_the_last_worker_dies_and_when_one_comes_back(
    app: Flask, ada: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_enough(app, monkeypatch)
    alive = 1
    monkeypatch.setattr(jobs, "workers_alive", lambda: alive)
    monkeypatch.setattr(workers, "FRESH_S", 0.0)
    monkeypatch.setattr(workers, "PATIENCE_S", LONG_S)

    def asked_by(page: str) -> str:
        found = re.search(r'hx-get="(/workers/banner[^"]*)"', page)
        assert found
        return found[1]

    calm = ada.get("/servers").text
    assert ada.get(asked_by(calm)).status_code == 204
    alive = 0
    told = ada.get(asked_by(calm))
    assert told.status_code == 200 and workers.NO_WORKER[:10] in told.text
    assert ada.get(asked_by(told.text)).status_code == 204, "what is shown already is not read out again"
    alive = 1
    assert workers.NO_WORKER[:10] not in ada.get(asked_by(told.text)).text


def test_an_open_page_hears_of_a_clock_that_is_wrong(app: Flask, ada: FlaskClient, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    old_enough(app, monkeypatch)
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)
    monkeypatch.setattr(shared_clock, "ahead_s", lambda: 25.0)
    told = ada.get("/workers/banner?shown=0")
    assert told.status_code == 200 and "25 seconds ahead of" in told.text
    assert "25 seconds ahead of" in ada.get("/servers").text
    run = pair.start()
    page = ada.get(f"/migrations/{run.id}").text
    assert "once a worker can work again" not in page and "25 seconds" not in page, "it keeps nobody from working"
    monkeypatch.setattr(shared_clock, "ahead_s", lambda: 0.0)
    monkeypatch.setattr(workers, "CLOCK_EVERY_S", 0.0)
    assert "25 seconds" not in ada.get("/workers/banner?shown=100").text
    assert "25 seconds" not in app.test_client().get("/sign-in").text


def test_shows_that_redis_is_gone(app: Flask, ada: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    old_enough(app, monkeypatch)
    wait_until(lambda: "Redis does not answer" in ada.get("/servers").text)


def test_tells_strangers_nothing_about_workers(app: Flask, ada: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    old_enough(app, monkeypatch)
    wait_until(lambda: "Redis does not answer" in ada.get("/servers").text)
    page = app.test_client().get("/sign-in").text
    assert "Redis" not in page and "worker" not in page


def test_a_redis_that_hangs_slows_no_page_down(app: Flask, ada: FlaskClient, hanging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.get("/servers")
    old_enough(app, monkeypatch)
    point_at(app, f"redis://{hanging}/0")
    for _ in range(4):
        with within(1):
            assert ada.get("/servers").status_code == 200
    wait_until(lambda: "Redis does not answer" in ada.get("/servers").text)


def waiting(stack: ExitStack, port: int, address: str, cookie: str) -> socket.socket:
    """A request whose answer nobody has read yet."""
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
    connection.sendall(request(address, cookie))
    return connection


def test_answers_beside_many_pages_that_wait_for_a_silent_database(line: Line, far_app: Flask) -> None:
    client = signed_in(far_app, "ada@example.test", Role.ADMINISTRATOR)
    cookie = f"session={client.get_cookie('session').value}"  # type: ignore[union-attr]
    with embedded_redis.running(far_app.extensions["panel_config"]), web_process(far_app.extensions["panel_config"]) as port:
        with ExitStack() as stack:
            assert b" 200 " in read(waiting(stack, port, "/servers", cookie))
            line.fall_silent()
            pages = [waiting(stack, port, "/servers", cookie) for _ in range(OPEN_PAGES)]
            for _ in range(2):
                with within(1):
                    assert ask(port, "/healthz", within_s=2).endswith(b"ok")
                with within(READY_S + BUSY_S):
                    answer = ask(port, "/readyz", within_s=6)
                assert b" 503 " in answer and b'"database":false' in answer and b'"redis":true' in answer
            line.talk()
            assert all(b" 200 " in read(page).partition(b"\r\n")[0] for page in pages), "who has waited is answered"
        wait_until(lambda: b'"database":true' in ask(port, "/readyz", within_s=10))


def test_finds_the_database_again_by_a_new_connection_where_the_old_ones_stay_silent(line: Line, far_app: Flask) -> None:
    def database_answers() -> bool:
        return bool(far_app.test_client().get("/readyz").json["database"])  # type: ignore[index]

    assert database_answers()
    line.fall_silent()
    assert not database_answers()
    line.forget()
    wait_until(database_answers, 30)


def test_finds_the_database_again_after_a_silence_that_began_once_it_had_answered(line: Line, far_app: Flask) -> None:
    said = list[str]()

    def fall_silent(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement == "SELECT 1" and not said:
            said.append(statement)
            line.forget()

    event.listen(db.engine, "after_cursor_execute", fall_silent)
    far_app.test_client().get("/readyz")
    assert said
    wait_until(lambda: far_app.test_client().get("/readyz").json["database"])  # type: ignore[index]


def crowd(stack: ExitStack, port: int) -> None:
    """Many connections that are held open, as browsers do."""
    for _ in range(CROWD):
        stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))


def test_answers_beside_many_connections_where_few_open_files_are_the_habit(config: Config) -> None:
    with web_process(config.ensure(), "ulimit -Sn 128") as port, ExitStack() as stack:
        crowd(stack, port)
        assert ask(port, "/healthz", within_s=10).endswith(b"ok")


@pytest.mark.parametrize("files", [64, 128, 256])
def test_lets_in_no_more_than_may_be_open_and_answers_once_they_have_left(
    config: Config, files: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with web_process(config.ensure(), f"ulimit -n {files}") as port:
        with ExitStack() as stack:
            crowd(stack, port)
            with pytest.raises(TimeoutError):
                ask(port, "/healthz", within_s=1)
        assert ask(port, "/healthz", within_s=30).endswith(b"ok")
    told = capfd.readouterr()
    assert "Too many open files" not in told.out + told.err and "reached the connection limit" in told.out
