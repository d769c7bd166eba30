"""A backup becomes the installation's database: read whole, built up beside the one in use, brought to the newest schema, then swapped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from panel.config import Config
from panel.services.backup import rows as backup_rows
from panel.services.backup import secrets as backup_secrets
from panel.services.backup.file import Backup, BackupRefused, Manifest
from panel.services.backup.places import place_of
from panel.services.backup.settle import settle
from panel.services.database import SCHEMA, schema


@dataclass(frozen=True)
class Restored:
    """What a restore has done. `kept`: where the replaced database is, empty when there was none; `paused`: runs that wait for the admin;
    `linkless`: whose link to choose a password is void now, and `unknown`: whose account was being made then (name, number of a run);
    `to_close`: the same by runs that had ended; `unreadable`: stored secrets that the backup's keys cannot read."""

    manifest: Manifest
    kept: str
    paused: int
    linkless: tuple[tuple[str, int], ...]
    unknown: tuple[tuple[str, int], ...]
    to_close: tuple[tuple[str, int], ...]
    unreadable: int


def restore(path: Path, config: Config, now: datetime) -> Restored:
    """Let the backup take the place of this installation's database and secrets. Nobody else may have the database open.

    Nothing is changed until everything has been read, loaded, upgraded and checked. Raises `BackupRefused`.
    """
    with Backup(path) as backup:
        _require_known(backup.manifest)
        backup_secrets.require_usable(backup.secrets, config)
        place = place_of(config.database_url, now)
        place.require_alone()
        try:
            engine = place.stage()
            _fill(engine, backup)
            _upgrade(engine, "head")
            settled = settle(engine, backup.manifest, now)
            unreadable = backup_secrets.unreadable(engine, backup_secrets.keys_of(backup.secrets))
            # First the keys: those of before stay among them, so that at every moment the database at hand can be read.
            backup_secrets.put(backup.secrets, config)
            people = settled.linkless, settled.unknown, settled.to_close
            return Restored(backup.manifest, place.swap(), settled.paused, *people, unreadable)
        except OSError as error:
            raise BackupRefused(f"The backup could not be restored ({error.strerror or error}); nothing was changed.") from error
        finally:
            with contextlib.suppress(OperationalError):
                place.clear()


def known_revisions() -> list[str]:
    """All schemas this program knows, oldest first."""
    return [script.revision for script in ScriptDirectory(SCHEMA).walk_revisions()][::-1]


def _require_known(manifest: Manifest) -> None:
    if manifest.revision not in known_revisions():
        raise BackupRefused(
            f"The backup was made by a newer Streamferry ({manifest.program}, schema {manifest.revision}): update this one first. "
            "Nothing was changed."
        )


def _fill(engine: Engine, backup: Backup) -> None:
    _upgrade(engine, backup.manifest.revision)
    with _as_refusals(), backup_rows.without_references(engine):
        for name, table in backup.manifest.tables.items():
            backup_rows.load(engine, name, table.columns, backup.rows(name))
    wrong = [name for name, table in backup.manifest.tables.items() if backup_rows.count(engine, name) != table.rows]
    if wrong:
        raise BackupRefused(f"The backup could not be restored: rows of {', '.join(wrong)} were lost on the way. Nothing was changed.")
    backup_rows.go_on_counting(engine)


@contextlib.contextmanager
def _as_refusals() -> Iterator[None]:
    """What does not fit into the tables is a sentence, without the values: they may be secret."""
    try:
        yield
    except (SQLAlchemyError, backup_rows.BrokenReference, KeyError, ValueError, TypeError) as error:
        what = str(getattr(error, "orig", None) or error).splitlines()[0][:200]
        raise BackupRefused(f"The backup does not fit into the tables of its schema ({what}). Nothing was changed.") from None


def _upgrade(engine: Engine, revision: str) -> None:
    how = schema.get_config(SCHEMA)
    how.attributes["engine"] = engine
    command.upgrade(how, revision)
