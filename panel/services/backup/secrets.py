"""An installation's own secrets on their way into a backup and back: without the keys, stored tokens cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Text, select, type_coerce
from sqlalchemy.engine import Engine

from panel import var
from panel.config import Config
from panel.environment import is_fernet_key
from panel.extensions import Base
from panel.models.types import Secret
from panel.services.backup.file import BackupRefused


def of(config: Config) -> dict[str, Any]:
    """What another place needs to read this database and to be the same installation. `config` has been through `ensure`."""
    return {
        "secret_key": config.secret_key,
        "encryption_keys": list(config.encryption_keys),
        "plex_client_id": config.plex_client_id,
    }


def keys_of(secrets: dict[str, Any]) -> list[str]:
    """The encryption keys of a backup. Raises `BackupRefused` for what are none."""
    keys = secrets.get("encryption_keys")
    whole = isinstance(keys, list) and keys and all(isinstance(key, str) and is_fernet_key(key) for key in keys)
    if not whole or not all(isinstance(secrets.get(name), str) and secrets[name] for name in ("secret_key", "plex_client_id")):
        raise BackupRefused("The backup is damaged: its secrets are missing.")
    assert isinstance(keys, list)
    return keys


def require_usable(secrets: dict[str, Any], config: Config) -> None:
    """Raises `BackupRefused` when this installation is told its keys by the environment and lacks one of the backup's."""
    given = config.environ.get("PANEL_ENCRYPTION_KEYS") or config.environ.get("PANEL_ENCRYPTION_KEYS_FILE")
    if given and not set(keys_of(secrets)) <= set(config.encryption_keys):
        raise BackupRefused(
            "PANEL_ENCRYPTION_KEYS is set here and lacks the key that the backup's tokens are stored with: add it (it stands in "
            "secrets.json inside of the backup, a ZIP file), or take PANEL_ENCRYPTION_KEYS out of the environment."
        )


def put(secrets: dict[str, Any], config: Config) -> None:
    """Write them into PANEL_VAR. Keys that were there stay behind the backup's: the replaced database can still be read with them."""
    keys = dict.fromkeys([*keys_of(secrets), *config.encryption_keys])
    _replace(config.var / "secrets" / "encryption_key", " ".join(keys))
    _replace(config.var / "secrets" / "secret_key", secrets["secret_key"])
    _replace(config.var / "secrets" / "plex_client_id", secrets["plex_client_id"])


def unreadable(engine: Engine, keys: list[str]) -> int:
    """How many stored secrets none of the keys can read. The database has the newest schema."""
    cipher = MultiFernet([Fernet(key) for key in keys])
    columns = [column for table in Base.metadata.tables.values() for column in table.columns if isinstance(column.type, Secret)]
    with engine.connect() as connection:
        stored = [value for column in columns for value in connection.scalars(select(type_coerce(column, Text)).where(column.is_not(None)))]
    return sum(not _readable(cipher, value) for value in stored)


def _readable(cipher: MultiFernet, value: str) -> bool:
    try:
        cipher.decrypt(value.encode())
        return True
    except InvalidToken:
        return False


def _replace(path: Path, text: str) -> None:
    """Complete or not at all, readable by the owner alone."""
    var.make_private(path.parent)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
