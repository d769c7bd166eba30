"""One short look at Redis: who works, how much waits. Bounded in time: no second try, no long wait."""

from __future__ import annotations

import redis

from panel import quick_redis
from panel.services.metrics import COUNTERS, Queues

#: RQ lets a worker's key live for at least 65 s after each sign of life, and workers give one every 5 s. Measured by Redis' own clock, so
#: that it does not matter how the clocks of several hosts differ.
FRESH_TTL_S = 40

WORKERS = "rq:workers"


class NoAnswer(Exception):
    """Redis cannot be reached, or does not answer in time."""


def look(url: str, queues: tuple[str, ...]) -> Queues:
    """Workers, jobs of these queues, counters: 2 round trips, however many there are. Raises `NoAnswer`."""
    try:
        with quick_redis.connect(url) as connection:
            first = connection.pipeline(transaction=False)
            first.smembers(WORKERS).hgetall(COUNTERS)
            for queue in queues:
                first.llen(f"rq:queue:{queue}").zcard(f"rq:scheduled:{queue}").zcard(f"rq:failed:{queue}")
            workers, counted, *sizes = first.execute()
            alive = _count_alive(connection, workers)
    except (redis.RedisError, OSError) as error:
        raise NoAnswer(type(error).__name__) from None
    states = [(queue, state) for queue in queues for state in ("waiting", "scheduled", "failed")]
    numbers = {name: int(value) for name, value in counted.items()}
    return Queues(alive, dict(zip(states, sizes, strict=True)), numbers)


def workers_alive(url: str) -> int:
    """How many workers have given a sign of life lately; 2 round trips. Raises `NoAnswer`."""
    try:
        with quick_redis.connect(url) as connection:
            return _count_alive(connection, connection.smembers(WORKERS))
    except (redis.RedisError, OSError) as error:
        raise NoAnswer(type(error).__name__) from None


def _count_alive(connection: redis.Redis, keys: set[str]) -> int:
    if not keys:
        return 0
    ask = connection.pipeline(transaction=False)
    for key in keys:
        ask.ttl(key)
    return sum(ttl >= FRESH_TTL_S for ttl in ask.execute())
