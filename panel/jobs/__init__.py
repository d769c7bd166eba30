"""The queue: ids only, and only to wake workers up. What is due stands in the database; a lost or doubled job changes nothing."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime
from typing import Any

import redis
from rq import Queue
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.serializers import JSONSerializer

from panel.extensions import config
from panel.jobs import look

log = logging.getLogger(__name__)

MAIL, RUNS, SYNC = "mail", "runs", "sync"
#: In order of urgency.
QUEUES = (MAIL, RUNS, SYNC)

#: Seconds. Whoever is in hand may wait there for a quarter of an hour for one more turn: RQ must not stop the job for that.
LIVES: dict[str, Any] = {"result_ttl": 0, "failure_ttl": 3600, "job_timeout": 3600}

RUN_JOB = "panel.jobs.runs.work_on"
MAIL_JOB = "panel.jobs.mail.send"
SYNC_JOB = "panel.jobs.sync.sync"
BELIEVE_JOB = "panel.jobs.sync.believe"
INVITES_JOB = "panel.jobs.invites.check"
REOPEN_JOB = "panel.jobs.claims.reopen"


def connection() -> redis.Redis:
    """A connection to the installation's Redis; made lazily, so this never fails."""
    return redis.Redis.from_url(config().redis_url, socket_connect_timeout=2, socket_timeout=10)


def queue(name: str) -> Queue:
    """One of `QUEUES`."""
    return Queue(name, connection=connection(), serializer=JSONSerializer)


def wake(run_id: int, at: datetime | None = None) -> bool:
    """Have a worker look at a run, now or at a moment. Call after the commit. `False` when the queue cannot be reached: the periodic
    check will find the run all the same."""
    return _enqueue(RUNS, RUN_JOB, f"run-{run_id}", run_id, at)


def wake_mail(email_id: int) -> bool:
    """Have a worker send a mail of the outbox. Call after the commit."""
    return _enqueue(MAIL, MAIL_JOB, f"mail-{email_id}", email_id, None)


def wake_sync(server_id: int) -> bool:
    """Have a worker sync a server. `False` when the queue cannot be reached."""
    return _enqueue(SYNC, SYNC_JOB, f"sync-{server_id}", server_id, None)


def wake_belief(server_id: int) -> bool:
    """Have a worker sync a server whose list is to be believed. `False` when the queue cannot be reached."""
    return _enqueue(SYNC, BELIEVE_JOB, f"believe-{server_id}", server_id, None)


def wake_invites(server_id: int) -> bool:
    """Have a worker ask a server who has accepted an invite."""
    return _enqueue(SYNC, INVITES_JOB, f"invites-{server_id}", server_id, None)


def wake_reopening(link_id: int) -> bool:
    """Have a worker open the account of a link again."""
    return _enqueue(MAIL, REOPEN_JOB, f"reopen-{link_id}", link_id, None)


def _enqueue(queue_name: str, function: str, what: str, row_id: int, at: datetime | None) -> bool:
    """A job under an id of its own (one that wakes its own row must not be cleared away with it), unless the same waits already."""
    job_id = f"{what}-{secrets.token_hex(4)}"
    try:
        into = queue(queue_name)
        if at is not None:
            into.enqueue_at(at, function, row_id, job_id=job_id, **LIVES)
        elif not any(waiting.startswith(f"{what}-") for waiting in into.get_job_ids()):
            into.enqueue(function, row_id, job_id=job_id, **LIVES)
        return True
    except (redis.RedisError, OSError, NoSuchJobError, InvalidJobOperation):
        log.warning("The queue cannot be reached; the periodic check will take care of %s.", what)
        return False


def workers_alive() -> int | None:
    """How many workers listen; `None` when the queue cannot be reached. Answers within a few seconds also where Redis hangs."""
    try:
        return look.workers_alive(config().redis_url)
    except look.NoAnswer:
        return None
