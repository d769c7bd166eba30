"""A backup of the whole installation in one file, made while everything goes on running."""

from __future__ import annotations

import os
import tomllib
from datetime import datetime
from pathlib import Path
from typing import IO

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection, Engine

from panel.config import ROOT, Config
from panel.services.backup import rows as backup_rows
from panel.services.backup import secrets as backup_secrets
from panel.services.backup.file import Backup, BackupRefused, Manifest, Writer, open_private


def make(path: Path, engine: Engine, config: Config, now: datetime, *, overwrite: bool = False) -> Manifest:
    """Write everything that is needed to start elsewhere: all tables as they are at one moment, and the secrets. The file has mode 0600,
    appears whole or not at all, and has been read back. Raises `BackupRefused`."""
    if path.exists() and not overwrite:
        raise BackupRefused(f"{path} exists already: choose another name, or add --overwrite.")
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open_private(half) as file:
            manifest = _write(file, engine, config, now)
            file.flush()
            os.fsync(file.fileno())
        with Backup(half):
            half.replace(path)
    except OSError as error:
        raise BackupRefused(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        half.unlink(missing_ok=True)
    return manifest


def program_version() -> str:
    """The version of this program."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def _write(file: IO[bytes], engine: Engine, config: Config, now: datetime) -> Manifest:
    with Writer(file) as writer, backup_rows.frozen(engine) as connection:
        revision = _revision(connection)
        writer.write_secrets(backup_secrets.of(config))
        for name, table in backup_rows.tables_of(connection).items():
            writer.write_table(name, [column.name for column in table.columns], backup_rows.rows_of(connection, table))
        return writer.finish(program_version(), revision, now.isoformat(timespec="seconds"))


def _revision(connection: Connection) -> str:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise BackupRefused("The database has no tables yet: there is nothing to back up.")
    return revision
