"""Numbers for Prometheus: what stands in the database, and counters that processes hand over to Redis when a stretch of work ends."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import redis
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from panel import quick_redis, tally
from panel.domain.statuses import MigrationStatus, MoveStatus
from panel.extensions import config, db
from panel.models import Email, EmailStatus, Migration, Move

log = logging.getLogger(__name__)

#: The hash in Redis in which all processes add up what they counted.
COUNTERS = "streamferry:counters"

note_request = tally.note_request
note_pace_wait = tally.note_pace_wait


@dataclass(frozen=True)
class Queues:
    """What a look at Redis has shown: workers alive, jobs by (queue, state), counters."""

    workers: int
    jobs: Mapping[tuple[str, str], int]
    counters: Mapping[str, int]


@dataclass(frozen=True)
class Stock:
    """Rows of the database, counted by status; every status is there."""

    users: Mapping[str, int]
    migrations: Mapping[str, int]
    mails: Mapping[str, int]


def flush() -> bool:
    """Add what this process counted to the totals in Redis, in one round trip; call where a stretch of work ends. `False` when Redis is
    away: the counts stay for the next time (those of a process that ends are lost, as all are when Redis is emptied)."""
    counted = tally.drain()
    if not counted:
        return True
    try:
        with quick_redis.connect(config().redis_url) as connection:
            pipeline = connection.pipeline(transaction=False)
            for name, amount in counted.items():
                pipeline.hincrby(COUNTERS, name, amount)
            pipeline.execute()
    except (redis.RedisError, OSError) as error:
        log.debug("Counters could not be handed over (%s).", type(error).__name__)
        tally.put_back(counted)
        return False
    return True


def stock() -> Stock:
    """3 queries, whatever there is."""
    return Stock(
        users=_by_status(Move.status, MoveStatus),
        migrations=_by_status(Migration.status, MigrationStatus),
        mails=_by_status(Email.status, EmailStatus),
    )


def _by_status(column: InstrumentedAttribute[StrEnum], kind: type[StrEnum]) -> dict[str, int]:
    counted = {str(status): number for status, number in db.session.execute(select(column, func.count()).group_by(column))}
    return {status.value: counted.get(status.value, 0) for status in kind}


def page(rows: Stock | None, queues: Queues | None) -> bytes:
    """All numbers in Prometheus' text format; what could not be asked (`None`) is left out, and `streamferry_up` says so."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers([*_up(rows, queues), *(_of_rows(rows) if rows else ()), *(_of_queues(queues) if queues else ())]))
    return generate_latest(registry)


class _Numbers:
    """What `prometheus_client` asks for its metrics."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        return iter(self._metrics)


def _up(rows: Stock | None, queues: Queues | None) -> Iterator[Metric]:
    up = GaugeMetricFamily("streamferry_up", "Whether a part of the installation answers", labels=["part"])
    up.add_metric(["database"], float(rows is not None))
    up.add_metric(["redis"], float(queues is not None))
    yield up


def _of_rows(rows: Stock) -> Iterator[Metric]:
    yield _gauge("streamferry_users", "Users in migrations, by what became of them", "outcome", rows.users)
    yield _gauge("streamferry_migrations", "Migrations by status", "status", rows.migrations)
    yield _gauge("streamferry_mails", "Mails of the outbox by status", "status", rows.mails)


def _of_queues(queues: Queues) -> Iterator[Metric]:
    yield GaugeMetricFamily("streamferry_workers", "Workers alive", value=queues.workers)
    jobs = GaugeMetricFamily("streamferry_queue_jobs", "Jobs by queue and state", labels=["queue", "state"])
    for (queue, state), number in queues.jobs.items():
        jobs.add_metric([queue, state], number)
    yield jobs
    requests = CounterMetricFamily("streamferry_requests", "Requests to media servers and plex.tv", labels=["platform", "outcome"])
    for name, number in sorted(queues.counters.items()):
        kind, *labels = name.split(":")
        if kind == tally.REQUESTS and len(labels) == 2:
            requests.add_metric(labels, number)
    yield requests
    waits, waited_ms = (queues.counters.get(name, 0) for name in (tally.PACE_WAITS, tally.PACE_WAIT_MS))
    yield CounterMetricFamily("streamferry_pace_waits", "Waits for a turn of the pace", value=waits)
    yield CounterMetricFamily("streamferry_pace_wait_seconds", "Seconds of waiting for turns of the pace", value=waited_ms / 1000)


def _gauge(name: str, text: str, label: str, numbers: Mapping[str, int]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=[label])
    for value, number in numbers.items():
        gauge.add_metric([value], number)
    return gauge
