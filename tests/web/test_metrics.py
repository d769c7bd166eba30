"""`/metrics`: who may read it, what stands in it, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from panel import embedded_redis, jobs, quick_redis, tally
from panel.config import Config
from panel.domain.statuses import MigrationStatus, Removal
from panel.extensions import db
from panel.models import Email, EmailStatus, Server
from panel.platforms.base import PlatformError, TooManyRequests, Unreachable, WrongServer
from panel.platforms.counted import counted
from panel.services import metrics
from tests.scene import Scene
from tests.web.counting import statements

TOKEN = "a-token-of-32-characters-or-more"


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Counters belong to the process: other tests may have left some."""
    tally.drain()


@pytest.fixture
def redis_running(config: Config) -> Iterator[None]:
    """The installation's Redis."""
    with embedded_redis.running(config.ensure()):
        yield


def numbers(answer_text: str) -> dict[tuple[str, ...], float]:
    """Every sample of a page: (name, label values in the order of their names…) -> value."""
    families = text_string_to_metric_families(answer_text)
    return {
        (sample.name, *(value for _label, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


#: Every family, as dashboards know them.
FAMILIES = (
    "up",
    "users",
    "migrations",
    "mails",
    "workers",
    "queue_jobs",
    "requests_total",
    "pace_waits_total",
    "pace_wait_seconds_total",
)

#: By the text format: a name, label="value" pairs in which quotes, backslashes and line ends are escaped, a number.
LABEL = r'[a-zA-Z_]\w*="(?:\\[\\n"]|[^\\"\n])*"'
SAMPLE = re.compile(rf"([a-zA-Z_:][\w:]*)(?:{{{LABEL}(?:,{LABEL})*}})? [-+\d.eE]+", re.ASCII)


def with_token(app: Flask, token: str) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], metrics_token=token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_is_not_there_for_visitors_without_a_token_set(app: Flask) -> None:
    assert app.test_client().get("/metrics").status_code == 404
    assert app.test_client().get("/metrics", headers=bearer("")).status_code == 404


def test_is_there_for_whom_sends_the_token(app: Flask) -> None:
    with_token(app, TOKEN)
    visitor = app.test_client()
    for wrong in ({}, bearer(""), bearer("wrong"), bearer(TOKEN + "x"), bearer("ümläut"), {"Authorization": f"Basic {TOKEN}"}):
        refused = visitor.get("/metrics", headers=wrong)
        assert (refused.status_code, refused.headers.get("WWW-Authenticate")) == (401, "Bearer")
        assert "streamferry_" not in refused.text
    answer = visitor.get("/metrics", headers=bearer(TOKEN))
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    assert "Set-Cookie" not in answer.headers


def test_is_there_for_admins_and_viewers(ada: FlaskClient, vic: FlaskClient) -> None:
    assert ada.get("/metrics").status_code == vic.get("/metrics").status_code == 200


def test_counts_what_stands_in_the_database(ada: FlaskClient, pair: Scene) -> None:
    pair.move()
    db.session.add(Email(event="x", recipient="a@example.test", status=EmailStatus.FAILED))
    db.session.commit()
    found = numbers(ada.get("/metrics").text)
    assert found["streamferry_up", "database"] == 1
    assert found["streamferry_users", "moved"] == 2
    assert found["streamferry_users", "skipped"] == 1
    assert found["streamferry_migrations", "finished"] == 1
    assert found["streamferry_migrations", "running"] == 0
    assert found["streamferry_mails", "failed"] == 1
    assert {status for name, *rest in found if name == "streamferry_migrations" for status in rest} == {*MigrationStatus}


@pytest.mark.usefixtures("redis_running")
def test_adds_up_what_processes_hand_over(app: Flask, ada: FlaskClient) -> None:
    for _ in range(3):
        metrics.note_request("plex", "ok")
    metrics.note_pace_wait(1.5)
    assert metrics.flush()
    metrics.note_request("plex", "ok")
    metrics.note_request("emby", "unreachable")
    metrics.note_pace_wait(0.25)
    assert metrics.flush()
    found = numbers(ada.get("/metrics").text)
    assert found["streamferry_requests_total", "ok", "plex"] == 4
    assert found["streamferry_requests_total", "unreachable", "emby"] == 1
    assert (found["streamferry_pace_waits_total",], found["streamferry_pace_wait_seconds_total",]) == (2, 1.75)
    assert found["streamferry_up", "redis"] == 1


@pytest.mark.usefixtures("redis_running")
def test_has_the_form_that_prometheus_reads(ada: FlaskClient, pair: Scene) -> None:
    pair.move()
    assert metrics.flush()
    text, families, seen = ada.get("/metrics").text, dict[str, str](), set[str]()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in families, "each family stands there once"
            families[name] = kind
        elif not line.startswith("# HELP "):
            sample, newest = SAMPLE.fullmatch(line), next(reversed(families))
            assert sample and sample[1] == newest, f"{line} below {newest}"
            assert sample[1].startswith("streamferry_") and (families[newest] == "counter") == sample[1].endswith("_total"), line
            assert line.rpartition(" ")[0] not in seen, "each sample stands there once"
            seen.add(line.rpartition(" ")[0])
    assert {*families} == {f"streamferry_{name}" for name in FAMILIES}


@pytest.mark.usefixtures("redis_running")
def test_counts_the_waits_of_a_run_that_has_a_pace(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New", owner=scene.source.owner)
    for name in ("ann", "ben", "cleo"):
        scene.person(name)
    scene.move(removal=Removal.KEEP, pace_s=0.5)
    assert metrics.flush()
    found = numbers(ada.get("/metrics").text)
    assert found["streamferry_pace_waits_total",] >= 2, "from the first user to the second, from the second to the third"
    assert 0.5 < found["streamferry_pace_wait_seconds_total",] < 5
    assert found["streamferry_requests_total", "ok", "plex"] >= 3


@pytest.mark.usefixtures("redis_running")
def test_shows_queues_and_workers_that_gave_a_sign_of_life_lately(app: Flask, ada: FlaskClient, config: Config) -> None:
    jobs.wake(1)
    jobs.wake(2)
    with quick_redis.connect(config.ensure().redis_url) as connection:
        for name, ttl in (("alive", 70), ("silent", 20)):
            connection.sadd("rq:workers", f"rq:worker:{name}")
            connection.hset(f"rq:worker:{name}", "birth", "x")
            connection.expire(f"rq:worker:{name}", ttl)
        connection.sadd("rq:workers", "rq:worker:gone")
    found = numbers(ada.get("/metrics").text)
    assert found["streamferry_queue_jobs", "runs", "waiting"] == 2
    assert found["streamferry_queue_jobs", "mail", "waiting"] == 0
    assert found["streamferry_workers",] == jobs.workers_alive() == 1


def test_keeps_what_could_not_be_handed_over(app: Flask, ada: FlaskClient, config: Config) -> None:
    metrics.note_request("jellyfin", "ok")
    assert not metrics.flush()
    page = numbers(ada.get("/metrics").text)
    assert page["streamferry_up", "redis"] == 0
    assert not any(name.startswith("streamferry_requests") for name, *_ in page)
    with embedded_redis.running(config.ensure()):
        assert numbers(ada.get("/metrics").text)["streamferry_requests_total", "ok", "jellyfin"] == 1


@pytest.mark.usefixtures("redis_running")
def test_costs_the_same_whatever_there_is(app: Flask, ada: FlaskClient, pair: Scene) -> None:
    with statements() as before:
        ada.get("/metrics")
    pair.move()
    with statements() as after:
        ada.get("/metrics")
    assert len(before) == len(after) <= 4


def test_shows_no_name_and_no_secret(ada: FlaskClient, pair: Scene) -> None:
    pair.move()
    page = ada.get("/metrics").text
    secrets = [server.token for server in db.session.scalars(db.select(Server)) if server.token]
    assert secrets and not any(secret in page for secret in secrets)
    assert not re.search("Cedar|Birch|Alice|example", page)


class Door:
    """Sends nothing, and is answered as told."""

    who = "The Plex server at emby.example.test"

    @counted
    def send(self, answer: Callable[[], str]) -> str:
        return answer()


def raising(error: Exception) -> Callable[[], str]:
    def answer() -> str:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(TooManyRequests("Slow.", 3.0), "slow_down"), (Unreachable("Away."), "unreachable"), (WrongServer("Another."), "refused")],
)
def test_counts_requests_by_what_they_led_to(error: PlatformError, outcome: str) -> None:
    assert Door().send(lambda: "fine") == "fine"
    with pytest.raises(type(error)):
        Door().send(raising(error))
    with pytest.raises(RuntimeError):
        Door().send(raising(RuntimeError("It never left.")))
    assert tally.drain() == {"requests:plex:ok": 1, f"requests:plex:{outcome}": 1}
