"""What an operator relies on: readiness, and the visitor's address behind proxies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import text

from panel import create_app, jobs
from panel.config import Config, ConfigError
from panel.web import health


@pytest.mark.parametrize(("workers", "parts"), [(2, (True, True)), (0, (True, False)), (None, (False, False))])
def test_is_ready_only_with_redis_and_a_worker(
    app: Flask, ada: FlaskClient, monkeypatch: pytest.MonkeyPatch, workers: int | None, parts: tuple[bool, bool]
) -> None:
    monkeypatch.setattr(jobs, "workers_alive", lambda: workers)
    answer = app.test_client().get("/readyz")
    assert answer.status_code == (200 if workers else 503)
    assert answer.json == {"ready": bool(workers), "database": True, "redis": parts[0], "worker": parts[1]}


def test_is_not_ready_without_its_database(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)
    monkeypatch.setattr(health, "text", lambda _statement: text("SELECT * FROM a_table_that_is_not_there"))
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json is not None and answer.json["database"] is False


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen", "scheme"),
    [
        (0, "203.0.113.9", "127.0.0.1", "http"),
        (1, "203.0.113.9", "203.0.113.9", "https"),
        (1, "198.51.100.66, 203.0.113.9", "203.0.113.9", "https"),
        # Fewer proxies have written down whom they saw than there should be: none of it is believed.
        (2, "198.51.100.66, 203.0.113.9, 192.0.2.1", "203.0.113.9", "http"),
        (2, "203.0.113.9", "127.0.0.1", "http"),
    ],
)
def test_believes_as_many_proxies_as_it_is_told(config: Config, proxies: int, forwarded: str, seen: str, scheme: str) -> None:
    app = create_app(replace(config, trusted_proxies=proxies))
    app.before_request_funcs[None].insert(0, lambda: f"{request.remote_addr} {request.host} {request.scheme}")
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https"}
    assert app.test_client().get("/servers", headers=headers).text == f"{seen} localhost {scheme}"


def test_reads_its_settings_strictly() -> None:
    assert Config.from_env({}).trusted_proxies == 0
    assert not Config.from_env({"PANEL_LOG_JSON": "0"}).log_json
    read = Config.from_env({"PANEL_TRUSTED_PROXIES": "2", "PANEL_LOG_JSON": "1"})
    assert (read.trusted_proxies, read.log_json) == (2, True)
    for wrong in ({"PANEL_TRUSTED_PROXIES": "-1"}, {"PANEL_LOG_JSON": "maybe"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Config.from_env(wrong)
