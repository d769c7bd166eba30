"""Readiness and the banner stay quick whatever hangs behind them, and tell nothing to strangers."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from panel import create_app, embedded_redis, jobs
from panel.config import Config
from panel.extensions import db
from panel.web import workers
from tests.processes import wait_until


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


def test_says_within_seconds_that_redis_hangs(app: Flask, hanging: str) -> None:
    point_at(app, f"redis://:secret@{hanging}/0")
    began = time.monotonic()
    answer = app.test_client().get("/readyz")
    assert time.monotonic() - began < 4
    assert answer.status_code == 503
    assert answer.json == {"ready": False, "database": True, "redis": False, "worker": False}
    assert "secret" not in answer.text and hanging not in answer.text


def test_says_within_seconds_that_the_database_hangs(config: Config, hanging: str, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = create_app(replace(config, database_url=f"postgresql+psycopg://me:secret@{hanging}/panel"))
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)
    for _ in range(2):
        began = time.monotonic()
        answer = stuck.test_client().get("/readyz")
        assert time.monotonic() - began < 4
        assert (answer.status_code, answer.json) == (503, {"ready": False, "database": False, "redis": True, "worker": True})


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
        wait_until(lambda: "No worker is running" in ada.get("/users").text, 5)
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
    monkeypatch.setattr(jobs, "workers_alive", lambda: before)
    wait_until(lambda: (workers.NO_WORKER[:10] in ada.get("/servers").text) is not is_shown, 5)

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


def test_shows_that_redis_is_gone(app: Flask, ada: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    old_enough(app, monkeypatch)
    wait_until(lambda: "Redis does not answer" in ada.get("/servers").text, 5)


def test_tells_strangers_nothing_about_workers(app: Flask, ada: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    old_enough(app, monkeypatch)
    wait_until(lambda: "Redis does not answer" in ada.get("/servers").text, 5)
    page = app.test_client().get("/sign-in").text
    assert "Redis" not in page and "worker" not in page


def test_a_redis_that_hangs_slows_no_page_down(app: Flask, ada: FlaskClient, hanging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.get("/servers")
    old_enough(app, monkeypatch)
    point_at(app, f"redis://{hanging}/0")
    for _ in range(4):
        began = time.monotonic()
        assert ada.get("/servers").status_code == 200
        assert time.monotonic() - began < 1
    wait_until(lambda: "Redis does not answer" in ada.get("/servers").text, 10)
