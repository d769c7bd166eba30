"""A restore believes nothing before it has read it all, and where it refuses, nothing is changed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from panel import launcher, var
from panel.extensions import db
from panel.services.backup import file as backup_file
from panel.services.backup.file import Backup
from tests.databases import upgraded_database_url
from tests.services.installations import EITHER, at_work, config_of, flask, installation, new, old, saved, state

__all__ = ["new", "old", "saved"]

ODD_MANIFESTS: dict[str, dict[str, object]] = {
    "tables are a list": {"tables": []},
    "a table is a list": {"tables": {"users": []}},
    "columns are text": {"tables": {"users": {"columns": "xy", "rows": 0, "sha256": ""}}},
    "time is an object": {"made_at": {"a": 1}},
    "time is long": {"made_at": "x" * 5000},
    "time holds a line break": {"made_at": "2026-05-01\n12:00:00+00:00"},
    "version steers the terminal": {"program": "1\x1b[31m\nRestored 999 rows"},
    "version is long": {"program": "1" * 5000},
    "schema steers the terminal": {"revision": "0001\x1b[31m"},
    "more than there is": {"more": 1},
}


@pytest.mark.parametrize("what", ["zip version", "long row", *ODD_MANIFESTS])
def test_refuses_what_was_made_up_in_one_line_of_its_own(
    saved: Path, new: Flask, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, path = state(new), tmp_path / "odd.zip"
    if what == "zip version":
        of_a_later_zip(saved, path)
    elif what == "long row":
        monkeypatch.setattr(backup_file, "MOST_BYTES_OF_A_ROW", 10)
        path = saved
    else:
        with_manifest(saved, path, **ODD_MANIFESTS[what])
    refused = flask(new, "restore", path)
    assert refused.exit_code == 1 and isinstance(refused.exception, SystemExit)
    assert refused.output.startswith(str(path)) and refused.output.count("\n") == 1 and len(refused.output) < 500
    assert refused.output.rstrip("\n").isprintable()
    assert state(new) == before
    assert not [path for path in config_of(new).var.iterdir() if "restoring" in path.name or "replaced" in path.name]


def with_manifest(saved: Path, path: Path, **changes: object) -> Path:
    with zipfile.ZipFile(saved) as file:
        manifest = {**json.loads(file.read("manifest.json")), **changes}
    return rewritten(saved, path, manifest=json.dumps(manifest).encode())


def of_a_later_zip(saved: Path, path: Path) -> Path:
    """The first entry says that it takes a newer program to be unpacked."""
    content = bytearray(saved.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 6] = 255
    path.write_bytes(content)
    return path


def rewritten(saved: Path, path: Path, drop: str = "", **tables: bytes) -> Path:
    """The backup without an entry, or with other lines in a table."""
    with zipfile.ZipFile(saved) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            if name != drop:
                after.writestr(name, tables.get(Path(name).stem, before.read(name)))
    return path


def test_refuses_what_is_damaged_or_foreign_and_changes_nothing(saved: Path, new: Flask, tmp_path: Path) -> None:
    before = state(new)
    for said, path in broken_copies(saved, tmp_path):
        refused = flask(new, "restore", path)
        assert refused.exit_code == 1
        assert said in refused.output and len(refused.output.splitlines()) == 1, path
    assert state(new) == before
    assert not [path for path in config_of(new).var.iterdir() if "restoring" in path.name or "replaced" in path.name]


def broken_copies(saved: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Files that are not this backup: cut off, changed, foreign, missing; each with a word of the refusal."""
    content = saved.read_bytes()
    yield "There is no file", folder / "nothing.zip"
    for name, said, changed in (
        ("empty", "not a backup", b""),
        ("text", "not a backup", b"Dear admin, here is the backup."),
        ("cut", "only a part", content[: len(content) // 2]),
        *((f"flipped{at}", "damaged", content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]) for at in places_of_content(saved)),
    ):
        path = folder / f"{name}.zip"
        path.write_bytes(changed)
        yield said, path
    yield "is not a backup of Streamferry", rewritten(saved, folder / "foreign.zip", drop="manifest.json")
    yield "damaged", rewritten(saved, folder / "table.zip", drop="tables/users.jsonl")
    yield "damaged", rewritten(saved, folder / "more.zip", users=b'{"more": 1}\n')


def places_of_content(saved: Path) -> Iterator[int]:
    """Where in the file a byte of an entry's content stands, for some entries."""
    with zipfile.ZipFile(saved) as file:
        for name in ("secrets.json", "tables/users.jsonl", "manifest.json"):
            entry = file.getinfo(name)
            # A local header has 30 bytes, a name, and an extra field whose length stands at its end.
            extra = int.from_bytes(saved.read_bytes()[entry.header_offset + 28 : entry.header_offset + 30], "little")
            yield entry.header_offset + 30 + len(name) + extra + entry.compress_size // 2


def test_refuses_the_backup_of_a_newer_version(saved: Path, new: Flask, tmp_path: Path) -> None:
    before = state(new)
    for changes in ({"revision": "9999"}, {"version": 2}):
        refused = flask(new, "restore", with_manifest(saved, tmp_path / "newer.zip", **changes))
        assert (refused.exit_code, "newer Streamferry" in refused.output) == (1, True)
    assert state(new) == before


@pytest.mark.parametrize("target", EITHER)
def test_refuses_rows_that_do_not_fit_and_leaves_nothing_behind(saved: Path, tmp_path: Path, target: str) -> None:
    with Backup(saved) as whole:
        columns, rows = whole.manifest.tables["payments"].columns, list(whole.rows("payments"))
    rows[0][columns.index("user_id")] = 4711
    line = json.dumps(rows[0], separators=(",", ":")).encode() + b"\n"
    with zipfile.ZipFile(saved) as file:
        manifest = json.loads(file.read("manifest.json"))
    manifest["tables"]["payments"]["sha256"] = hashlib.sha256(line).hexdigest()
    path = rewritten(saved, tmp_path / "orphan.zip", payments=line, manifest=json.dumps(manifest).encode())
    (tmp_path / "pg").mkdir()
    with upgraded_database_url(target, tmp_path / "pg") as url:
        app = installation(tmp_path / "pg", url)
        before = state(app)
        refused = flask(app, "restore", path)
        assert (refused.exit_code, "does not fit" in refused.output) == (1, True)
        assert state(app) == before
        with at_work(app):
            schemas = [name for name in db.inspect(db.engine).get_schema_names() if name.startswith(("restoring", "replaced"))]
        assert schemas == []


def test_refuses_while_the_panel_runs(saved: Path, new: Flask) -> None:
    before = state(new)
    with launcher.single_tree(config_of(new)):
        refused = flask(new, "restore", saved)
    assert refused.exit_code == 1
    assert "it is already running here" in refused.output
    assert state(new) == before


def test_refuses_while_another_process_has_the_file_open(saved: Path, new: Flask) -> None:
    before = state(new)
    with closing(sqlite3.connect(config_of(new).var / "test.db")) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("SELECT count(*) FROM admins").fetchone()
        refused = flask(new, "restore", saved)
    assert (refused.exit_code, "in use by another process" in refused.output) == (1, True)
    assert state(new) == before


@pytest.mark.thorough
def test_refuses_while_others_are_connected_to_postgresql(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    with upgraded_database_url("postgresql", tmp_path / "pg") as url:
        app = installation(tmp_path / "pg", url)
        with psycopg.connect(url.replace("+psycopg", "")):
            refused = flask(app, "restore", saved)
    assert (refused.exit_code, "1 other connections" in refused.output) == (1, True)


def test_refuses_where_the_environment_lacks_the_key(saved: Path, tmp_path: Path, new: Flask) -> None:
    before = config_of(new)
    told = installation(before.var, before.database_url, PANEL_ENCRYPTION_KEYS=var.fernet_key())
    refused = flask(told, "restore", saved)
    assert (refused.exit_code, "PANEL_ENCRYPTION_KEYS is set here" in refused.output) == (1, True)
