"""The file of a backup: a ZIP with a manifest, the installation's secrets, and each table as lines of JSON. Read whole, then believed."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

FORMAT = "streamferry-backup"
VERSION = 1
MANIFEST, SECRETS = "manifest.json", "secrets.json"
#: Manifest and secrets are small; a file that says otherwise is not ours.
MOST_BYTES = 4 * 1024 * 1024
#: A row holds what servers say about one person or library, which is far less.
MOST_BYTES_OF_A_ROW = 16 * 1024 * 1024
#: What reading a file can raise that is no ZIP, or one that was torn or made up.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError, TypeError, LookupError,
    AttributeError, OverflowError, MemoryError,
)  # fmt: skip


class BackupRefused(Exception):
    """A backup cannot be made or used; `str(error)` is a sentence. Nothing was changed."""


@dataclass(frozen=True)
class Table:
    """One table in the file: its columns in the order of each line, and what its lines have to add up to."""

    columns: list[str]
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says about itself. `made_at` is ISO 8601 in UTC, `revision` the schema its tables have."""

    program: str
    revision: str
    made_at: str
    secrets_sha256: str = ""
    tables: dict[str, Table] = field(default_factory=dict)
    format: str = FORMAT
    version: int = VERSION

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables.values())


class Writer:
    """Writes a backup entry by entry; `finish` puts the manifest, without which the file is none. A context manager: what is left in the
    middle is closed before the file itself is."""

    def __init__(self, target: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True)
        self._tables: dict[str, Table] = {}
        self._secrets_sha256 = ""

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_error: object) -> None:
        self._zip.close()

    def write_secrets(self, secrets: dict[str, Any]) -> None:
        """The installation's own secrets, by name."""
        content = json.dumps(secrets, indent=2).encode()
        self._secrets_sha256 = hashlib.sha256(content).hexdigest()
        self._zip.writestr(SECRETS, content)

    def write_table(self, name: str, columns: list[str], rows: Iterable[list[Any]]) -> None:
        """One table; rows are taken one by one, so that any number fits."""
        digest, count = hashlib.sha256(), 0
        with self._zip.open(entry_of(name), "w", force_zip64=True) as entry:
            for row in rows:
                line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                digest.update(line)
                entry.write(line)
                count += 1
        self._tables[name] = Table(columns, count, digest.hexdigest())

    def finish(self, program: str, revision: str, made_at: str) -> Manifest:
        """Put the manifest."""
        manifest = Manifest(program, revision, made_at, self._secrets_sha256, self._tables)
        self._zip.writestr(MANIFEST, json.dumps(asdict(manifest), indent=2))
        return manifest


class Backup:
    """A backup that was read whole and found undamaged. A context manager."""

    def __init__(self, path: Path) -> None:
        """Raises `BackupRefused` for a file that is missing, foreign, damaged, or of a later format."""
        try:
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise BackupRefused(f"There is no file {path}.") from None
        except OSError as error:
            raise BackupRefused(f"{path} cannot be read ({error.strerror or error}).") from None
        except UNREADABLE:
            raise BackupRefused(f"{path} is not a backup of Streamferry, or only a part of one: take another copy of it.") from None
        try:
            self.manifest = self._read_manifest(path)
            self.secrets = self._read_secrets()
            self._verify()
        except UNREADABLE:
            self._zip.close()
            raise BackupRefused(f"{path} is damaged: its content is not what was written into it. Take another copy of it.") from None
        except BackupRefused:
            self._zip.close()
            raise

    def __enter__(self) -> Backup:
        return self

    def __exit__(self, *_error: object) -> None:
        self._zip.close()

    def rows(self, table: str) -> Iterator[list[Any]]:
        """The rows of a table, one by one."""
        for line in self._lines(table):
            yield json.loads(line)

    def _lines(self, table: str) -> Iterator[bytes]:
        """A line is not read to its end to find that it is too long."""
        with self._zip.open(entry_of(table)) as lines:
            while line := lines.readline(MOST_BYTES_OF_A_ROW + 1):
                if len(line) > MOST_BYTES_OF_A_ROW:
                    raise ValueError(table)
                yield line

    def _read_manifest(self, path: Path) -> Manifest:
        if MANIFEST not in self._zip.namelist():
            raise BackupRefused(f"{path} is not a backup of Streamferry.")
        said = json.loads(self._read_small(MANIFEST))
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise BackupRefused(f"{path} is not a backup of Streamferry.")
        if said.get("version") != VERSION:
            raise BackupRefused(f"{path} was written by a newer Streamferry: update this one first.")
        tables = {str(name): Table(**table) for name, table in said.pop("tables").items()}
        manifest = Manifest(**said, tables=tables)
        if not _is_plausible(manifest):
            raise ValueError(MANIFEST)
        return manifest

    def _read_secrets(self) -> dict[str, Any]:
        content = self._read_small(SECRETS)
        if hashlib.sha256(content).hexdigest() != self.manifest.secrets_sha256:
            raise ValueError(SECRETS)
        secrets = json.loads(content)
        if not isinstance(secrets, dict):
            raise TypeError(SECRETS)
        return secrets

    def _read_small(self, name: str) -> bytes:
        if self._zip.getinfo(name).file_size > MOST_BYTES:
            raise ValueError(name)
        return self._zip.read(name)

    def _verify(self) -> None:
        expected = {MANIFEST, SECRETS, *map(entry_of, self.manifest.tables)}
        if sorted(self._zip.namelist()) != sorted(expected):
            raise ValueError("entries")
        for name, table in self.manifest.tables.items():
            digest, count = hashlib.sha256(), 0
            for line in self._lines(name):
                digest.update(line)
                count += 1
                row = json.loads(line)
                if not isinstance(row, list) or len(row) != len(table.columns):
                    raise ValueError(name)
            if (digest.hexdigest(), count) != (table.sha256, table.rows):
                raise ValueError(name)


def _is_plausible(manifest: Manifest) -> bool:
    """Whether everything that is stored or shown of it has the form in which it is written."""
    short = all(isinstance(text, str) and re.fullmatch(r"[\w.+-]{1,50}", text, re.ASCII) for text in (manifest.program, manifest.revision))
    made_then = datetime.fromisoformat(manifest.made_at).isoformat(timespec="seconds") == manifest.made_at
    return short and made_then and all(map(_is_plausible_table, manifest.tables.values()))


def _is_plausible_table(table: Table) -> bool:
    names = isinstance(table.columns, list) and all(isinstance(column, str) for column in table.columns)
    return names and isinstance(table.rows, int) and isinstance(table.sha256, str)


def entry_of(table: str) -> str:
    """Where a table stands in the file."""
    return f"tables/{table}.jsonl"


def open_private(path: Path) -> IO[bytes]:
    """A new file that its owner alone can read (0600). Raises `FileExistsError` and other `OSError`s."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b")
