"""What a production database connection is told: to survive a power cut, and to notice that the other side is gone."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from panel import cli, patience
from panel.cli import up
from panel.config import ROOT, Config
from panel.extensions import SILENT_S, db
from panel.tree import TreeError
from tests.processes import wait_until
from tests.web.silent import Line, far_app, line

__all__ = ["far_app", "line"]

ASKED = """
from panel import create_app
from panel.extensions import db
with create_app(screens=False, commands=False).app_context():
    print(*(db.session.execute(db.text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode", "foreign_keys")))
"""


def test_what_is_committed_to_sqlite_is_on_the_disk(tmp_path: Path) -> None:
    """Asked in a process of its own: the tests leave the disk alone."""
    env = Config.from_env({"PANEL_VAR": str(tmp_path)}).ensure().child_environ()
    asked = subprocess.run([sys.executable, "-c", ASKED], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert asked.stdout.split() == ["2", "wal", "1"], "2 is FULL"


@pytest.fixture
def screens() -> bool:
    """None but those of the test that asks."""
    return False


def test_a_connection_to_postgresql_is_told_to_notice_a_host_that_is_gone(far_app: Flask) -> None:
    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert int(driver.info.get_parameters()["connect_timeout"]) <= 10
        with socket.socket(fileno=driver.fileno()) as wire:
            told = {name: wire.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE")}
            again = [wire.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in ("TCP_KEEPINTVL", "TCP_KEEPCNT")]
            is_kept_alive = wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            wire.detach()
    assert is_kept_alive and told["TCP_KEEPIDLE"] + again[0] * again[1] <= 30
    assert 0 < told["TCP_USER_TIMEOUT"] <= 30_000


def test_whoever_asks_waits_longer_than_rows_are_left_to_who_says_nothing_and_no_longer_than_promised() -> None:
    assert SILENT_S < patience.QUESTION_S <= 40


def test_a_page_gives_up_a_connection_that_never_speaks_again(line: Line, far_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "QUESTION_S", 2.0)
    far_app.add_url_rule("/ask", "ask", lambda: str(db.session.execute(db.text("SELECT 7")).scalar()))
    client = far_app.test_client()
    assert client.get("/ask").text == "7"
    line.forget()
    assert [client.get("/ask").text for _ in range(2)] == ["7", "7"], "by a new connection"


def test_a_page_that_gives_up_leaves_the_line(far_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "QUESTION_S", 0.5)
    far_app.add_url_rule("/lock", "lock", lambda: str(db.session.execute(db.text("SELECT pg_advisory_xact_lock(7)")).scalar()))
    with db.engine.connect() as holder:
        holder.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
        assert far_app.test_client().get("/lock").status_code == 500
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: holder.exec_driver_sql(waiting).scalar() == 0, 30)


def test_a_page_that_has_what_it_came_for_is_shown_although_its_connection_falls_silent(line: Line, far_app: Flask) -> None:
    def view() -> str:
        found = str(db.session.execute(db.text("SELECT 7")).scalar())
        line.forget()
        return found

    far_app.add_url_rule("/ask", "ask", view)
    answers: list[str] = []
    client = FlaskClient(far_app, far_app.response_class)
    page = threading.Thread(target=lambda: answers.append(client.get("/ask").text), daemon=True)
    page.start()
    page.join(30)
    assert answers == ["7"], "what is left to do is to roll back"


def test_whoever_asks_elsewhere_gives_up_as_well(line: Line, far_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of a worker, which has neither a page nor an application context around it."""
    engine = db.engine
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 7")
        monkeypatch.setattr(patience, "QUESTION_S", 0.5)
        line.forget()
        said: list[str] = []

        def ask() -> None:
            try:
                connection.exec_driver_sql("SELECT 7")
            except OperationalError as error:
                said.append(str(error))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(30)
        assert len(said) == 1 and "has not answered for 0.5 s" in said[0]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 7").scalar() == 7


def test_a_command_waits_for_as_long_as_it_takes(far_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "QUESTION_S", 0.1)
    far_app.cli.command("ask")(lambda: click.echo(db.session.execute(db.text("SELECT 7 FROM pg_sleep(0.5)")).scalar()))
    assert far_app.test_cli_runner().invoke(args=["ask"]).output == "7\n"


def test_the_upgrade_of_flask_up_ends_with_a_sentence_where_the_database_says_nothing(
    far_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "UPGRADE_QUESTION_S", 0.5)
    said: list[str] = []

    def upgrade() -> None:
        with pytest.raises(TreeError, match="has not answered for 0.5 s") as caught:
            up.upgrade()
        said.append(str(caught.value))

    cli.register(far_app)
    far_app.cli.command("bring-up-to-date")(upgrade)
    with db.engine.connect() as other:
        # What stands there is the test's own: the upgrade looks for its table, and waits for it.
        other.exec_driver_sql("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        other.commit()
        other.exec_driver_sql("LOCK TABLE alembic_version")
        assert far_app.test_cli_runner().invoke(args=["bring-up-to-date"], catch_exceptions=False).exit_code == 0
        other.rollback()
    assert said[0].startswith("the database could not be brought up to date")


def test_who_says_for_how_long_waits_no_longer(far_app: Flask) -> None:
    began = time.monotonic()
    with patience.at_most(0.2), patience.at_most(60), pytest.raises(OperationalError, match="has not answered for 0.2 s"):
        db.session.execute(db.text("SELECT 7 FROM pg_sleep(60)"))
    assert time.monotonic() - began < 30
