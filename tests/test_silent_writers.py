"""Who holds rows of PostgreSQL and says nothing more, as a host does that fell asleep or lost its network, loses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import SQLAlchemyError

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.models import Setting
from tests.databases import upgraded_database_url
from tests.processes import wait_until

CHANGED = update(Setting).values(time_zone="Europe/Berlin")


@pytest.fixture
def app_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr("panel.extensions.SILENT_S", 1)
    with upgraded_database_url("postgresql", tmp_path) as url:
        app = create_app(Config.from_env({"PANEL_VAR": str(tmp_path), "DATABASE_URL": url}))
        with app.app_context():
            Setting.current()
            db.session.commit()
            yield app
            db.session.remove()
            db.engine.dispose()


def number_of(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def is_connected(number: int) -> bool:
    with db.engine.connect() as asking:
        return asking.exec_driver_sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (number,)).scalar() == 1


def test_a_writer_who_falls_silent_keeps_nobody_from_its_rows(app_on_postgresql: Flask) -> None:
    with db.engine.connect() as silent, db.engine.connect() as reader:
        silent.execute(CHANGED)
        reader.execute(select(Setting.time_zone))
        with db.engine.begin() as other:
            assert other.execute(CHANGED).rowcount == 1
        with pytest.raises(SQLAlchemyError):
            silent.execute(CHANGED)
        assert reader.execute(select(Setting.time_zone)).all(), "who only reads may wait for a media server as long as that takes"


def test_also_who_writes_in_a_second_transaction_of_the_same_connection(app_on_postgresql: Flask) -> None:
    with db.engine.connect() as silent:
        silent.execute(CHANGED)
        silent.commit()
        number = number_of(silent)
        silent.execute(CHANGED)
        wait_until(lambda: not is_connected(number), 30)
        with pytest.raises(SQLAlchemyError):
            silent.commit()
            silent.execute(CHANGED)
