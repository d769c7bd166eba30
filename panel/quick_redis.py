"""Connections to Redis for what must never make anybody wait: a look at the workers, counters."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

#: A Redis that has not answered after so many seconds counts as gone.
PATIENCE_S = 1.0


def connect(url: str) -> redis.Redis:
    """A connection that gives up soon and never tries twice; made lazily, so this never fails. Answers are text."""
    return redis.Redis.from_url(
        url, socket_connect_timeout=PATIENCE_S, socket_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0), decode_responses=True
    )
