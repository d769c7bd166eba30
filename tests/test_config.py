"""The environment is read strictly, and the first start makes what the installation needs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from panel import var
from panel.config import ROOT, Config, ConfigError


def config(folder: Path, **environ: str) -> Config:
    return Config.from_env({"PANEL_VAR": str(folder), **environ})


def test_works_with_nothing_set() -> None:
    found = Config.from_env({})
    assert found.var == ROOT / "var"
    assert found.database_url == f"sqlite:///{ROOT}/var/streamferry.db"
    assert found.platforms == ("plex", "emby", "jellyfin")
    assert (found.max_servers, found.workers, found.lease_s) == (None, 2, 20.0)
    assert found.outage_waits_s == (5, 15, 45, 120, 300)
    assert found.retry_waits_s == (1, 3, 9)
    assert found.plex_tv_url == found.public_url == ""
    assert found.embeds_redis


def test_reads_every_variable(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    found = config(
        tmp_path,
        DATABASE_URL="postgres://me:pw@db/panel?sslmode=require",
        REDIS_URL="redis://cache:6379/2",
        SECRET_KEY="s",
        PANEL_ENCRYPTION_KEYS=f"{key}, {key}",
        PANEL_PUBLIC_URL="https://panel.example/",
        PANEL_PLATFORMS="jellyfin, Plex",
        PANEL_MAX_SERVERS="0",
        PLEX_TV_URL="http://127.0.0.1:9/",
        PANEL_WORKERS="5",
        PANEL_SIDE_BY_SIDE="9",
        PANEL_OUTAGE_WAITS_S="0.5, 2",
        PANEL_RETRY_WAITS_S="0",
        PANEL_LEASE_S="7.5",
    ).ensure()
    assert found.database_url == "postgresql+psycopg://me:pw@db/panel?sslmode=require"
    assert found.redis_url == "redis://cache:6379/2"
    assert not found.embeds_redis
    assert (found.secret_key, found.encryption_keys) == ("s", (key, key))
    assert (found.public_url, found.plex_tv_url) == ("https://panel.example", "http://127.0.0.1:9")
    assert found.platforms == ("plex", "jellyfin")
    assert (found.max_servers, found.workers, found.side_by_side, found.lease_s) == (0, 5, 9, 7.5)
    assert (found.outage_waits_s, found.retry_waits_s) == ((0.5, 2.0), (0.0,))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://me:hidden@db/panel"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "postgresql://me:hidden@db:port/panel"),
        ("REDIS_URL", "localhost:6379"),
        ("PANEL_ENCRYPTION_KEYS", "hidden"),
        ("PANEL_PUBLIC_URL", "panel.example"),
        ("PANEL_PLATFORMS", "plex,kodi"),
        ("PANEL_MAX_SERVERS", "-1"),
        ("PANEL_MAX_SERVERS", "many"),
        ("PANEL_WORKERS", "0"),
        ("PANEL_WORKERS", "1.5"),
        ("PANEL_OUTAGE_WAITS_S", "5,,15"),
        ("PANEL_RETRY_WAITS_S", "1,-3"),
        ("PANEL_LEASE_S", "nan"),
        ("PLEX_TV_URL", "ftp://plex.tv"),
        ("SECRET_KEY_FILE", "/nowhere/at/all"),
    ],
)
def test_refuses_a_bad_value_by_name_without_showing_secrets(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        config(tmp_path, **{name: value})
    assert name in str(refusal.value)
    assert "hidden" not in str(refusal.value)


def test_takes_a_secret_from_the_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from a file\n")
    assert config(tmp_path, SECRET_KEY_FILE=str(file)).secret_key == "from a file"
    with pytest.raises(ConfigError, match="both set"):
        config(tmp_path, SECRET_KEY_FILE=str(file), SECRET_KEY="too")
    file.write_text("")
    with pytest.raises(ConfigError, match="empty"):
        config(tmp_path, SECRET_KEY_FILE=str(file))


def test_counts_a_relative_sqlite_path_from_the_current_folder(tmp_path: Path) -> None:
    assert config(tmp_path, DATABASE_URL="sqlite:///here.db").database_url == f"sqlite:///{Path.cwd()}/here.db"
    assert config(tmp_path, DATABASE_URL="sqlite:////srv/there.db").database_url == "sqlite:////srv/there.db"


def test_makes_its_secrets_once_and_keeps_them(tmp_path: Path) -> None:
    first = config(tmp_path / "var").ensure()
    second = config(tmp_path / "var").ensure()
    assert first == second
    assert Fernet(first.encryption_keys[0]).decrypt(Fernet(second.encryption_keys[0]).encrypt(b"x")) == b"x"
    assert len(first.secret_key) > 40
    assert len(first.plex_client_id) == 36
    assert config(tmp_path / "other").ensure().plex_client_id != first.plex_client_id


def test_lets_nobody_else_read_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir(mode=0o755)
    config(folder).ensure()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder / "secrets").iterdir()} == {0o600}
    assert sorted(path.name for path in (folder / "secrets").iterdir()) == [
        "encryption_key",
        "plex_client_id",
        "redis_password",
        "secret_key",
    ]


def test_agrees_on_one_set_of_secrets_when_processes_start_together(tmp_path: Path) -> None:
    shown = "c.secret_key, c.encryption_keys, c.plex_client_id, c.redis_url"
    code = f"from panel.config import Config; c = Config.from_env().ensure(); print({shown})"
    environ = {**os.environ, "PANEL_VAR": str(tmp_path / "var"), "PYTHONPATH": str(ROOT)}
    with ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(subprocess.check_output, [sys.executable, "-c", code], env=environ) for _ in range(6)]
        answers = {run.result() for run in runs}
    assert len(answers) == 1


def test_never_shows_secrets_in_its_repr(tmp_path: Path) -> None:
    found = config(tmp_path, DATABASE_URL="postgresql://me:dbpass@db/panel", SECRET_KEY="sesame").ensure()
    for secret in ("dbpass", "sesame", found.redis_password, found.encryption_keys[0]):
        assert secret
        assert secret not in repr(found)


def test_says_when_the_folder_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="PANEL_VAR"):
        config(file / "var").ensure()


def test_finds_a_short_private_place_for_the_socket_and_remembers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    deep = tmp_path / ("d" * 100)
    monkeypatch.setattr(var.tempfile, "gettempdir", lambda: str(places[0]))
    places[0].mkdir()
    first = config(deep).ensure().redis_socket
    monkeypatch.setattr(var.tempfile, "gettempdir", lambda: str(places[1]))
    assert first is not None
    assert first.parent.parent == places[0]
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert config(deep).ensure().redis_socket == first
    assert len(os.fsencode(config(tmp_path / "s").ensure().redis_socket or "")) <= var.LONGEST_SOCKET_PATH


def test_refuses_a_socket_place_that_others_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(var.tempfile, "gettempdir", lambda: str(tmp_path))
    deep = tmp_path / ("d" * 100)
    socket = config(deep).ensure().redis_socket
    assert socket is not None
    socket.parent.chmod(0o777)
    with pytest.raises(ConfigError, match="someone else"):
        config(deep).ensure()


def test_gives_its_own_settings_to_child_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    monkeypatch.setenv("KEPT", "yes")
    mine = config(tmp_path, PANEL_WORKERS="3").ensure()
    child = mine.child_environ()
    assert "REDIS_URL" not in child
    assert child["KEPT"] == "yes"
    assert Config.from_env(child).ensure() == mine
