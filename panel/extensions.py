"""The Flask extensions, made once and bound to an app in `create_app`."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Connection, CursorResult, Delete, Dialect, MetaData, Update, UpdateBase, event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """What all models share: constraint names that Alembic can refer to on every database."""

    metadata = MetaData(naming_convention=NAMING)


# Rows stay readable after a commit: the run commits after every step and goes on with what it holds.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
login = LoginManager()
csrf = CSRFProtect()

if TYPE_CHECKING:
    from panel.config import Config

    class Model(Base):
        """For type checkers: what `db.Model` is at run time."""

        __abstract__ = True
else:
    Model = db.Model


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Readers beside a writer, enforced foreign keys, patience for locks, and commits that survive a power cut."""
    if isinstance(connection, sqlite3.Connection):
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=20000", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "do_connect")
def _connect_patiently(dialect: Dialect, _record: object, arguments: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """A connection to PostgreSQL that knows how long it is waited for; one to SQLite is made as ever."""
    if dialect.name != "postgresql":
        return None
    from panel import postgresql

    return postgresql.Connection.connect(*arguments, **settings)


#: How long PostgreSQL leaves its locks to somebody who has written something and then says nothing more.
SILENT_S = 30
_WRITES = "panel.writes"


@event.listens_for(Engine, "commit")
@event.listens_for(Engine, "rollback")
@event.listens_for(Engine, "rollback_savepoint")
def _forget_writes(connection: Connection, *_: object) -> None:
    # One that was cut has nothing to be asked for.
    if not connection.invalidated:
        connection.info.pop(_WRITES, None)


@event.listens_for(Engine, "before_execute")
def _let_go_when_silent(connection: Connection, statement: object, *_: object) -> None:
    """A host that falls asleep or loses its network in the middle of a change must not keep everybody else from those rows. Whoever only
    reads may be silent for as long as a media server takes to answer."""
    is_first = isinstance(statement, UpdateBase) and _WRITES not in connection.info
    if is_first and connection.dialect.name == "postgresql":
        connection.info[_WRITES] = True
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{SILENT_S}s'")


def bind(app: Flask) -> None:
    """Bind all of them to an app."""
    db.init_app(app)
    login.init_app(app)
    csrf.init_app(app)


def execute(statement: Update | Delete) -> int:
    """Run a conditional change and answer how many rows it met; rows already loaded are not touched."""
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)
    return result.rowcount


def for_threads() -> Callable[[], AbstractContextManager[object]]:
    """What a thread begun here opens to use `db` and `config` of the app at work: a session of its own each time, closed at the end."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app.app_context


def config() -> "Config":
    """The configuration of the app at work."""
    found: Config = current_app.extensions["panel_config"]
    return found
