"""One RQ worker process: `python -m panel.jobs.worker`, started and watched by `worker.py`."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import pkgutil
import secrets
import socket
import sys

import redis
from flask import Flask
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from panel import create_app, jobs, logs
from panel.config import Config
from panel.extensions import db
from panel.services import metrics
from panel.tether import tie_forks

# With these three a job whose worker and work-horse were both killed is free again after about 70 s instead of 13 minutes.
WORKER_TTL_S = 20
MAINTENANCE_EVERY_S = 10
LOOK_AT_JOB_EVERY_S = 5

log = logging.getLogger(__name__)


class PanelWorker(Worker):
    """An RQ worker whose jobs run inside the application, with database connections of their own."""

    # Redis may be restarted: come back soon after it does.
    max_connection_wait_time = 5.0
    app: Flask

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Runs the job in the forked work-horse, inside an application context."""
        with self.app.app_context():
            # A connection opened before the fork is the parent's: forget it without closing it under the parent's feet.
            for engine in db.engines.values():
                engine.dispose(close=False)
            try:
                return bool(super().perform_job(job, queue, execution))
            finally:
                metrics.flush()

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """As RQ does it, but a Redis that is away for a moment does not end the worker in the middle of a job."""
        try:
            super().maintain_heartbeats(job, execution)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            log.warning("Redis is away while job %s runs (%s); the job goes on.", job.id, error)


def preload() -> None:
    """Imports every job module once, so that no work-horse has to, and leaves what is there alone: a work-horse whose garbage collector
    looked at all of it would copy the memory it shares with this process."""
    for module in pkgutil.iter_modules(jobs.__path__, f"{jobs.__name__}."):
        if module.name != f"{jobs.__name__}.worker":
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def unique_name() -> str:
    """Host, process and four random digits: in a container a killed worker and its successor have the same host and process id."""
    return f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(2)}"


def main() -> int:
    """Works until SIGTERM, which lets the job in hand end. Ends with 1 when Redis is away for long: the parent starts it again."""
    # Work-horses and RQ's scheduler are forks of this process; none may outlive it.
    tie_forks()
    config = Config.from_env().ensure()
    logs.to_stdout(as_json=config.log_json)
    app = create_app(config, screens=False, commands=False)
    preload()
    try:
        connection = redis.Redis.from_url(config.redis_url)
        worker = PanelWorker(
            list(jobs.QUEUES),
            name=unique_name(),
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=MAINTENANCE_EVERY_S,
            job_monitoring_interval=LOOK_AT_JOB_EVERY_S,
            log_job_description=False,
        )
        worker.app = app
        worker.work(with_scheduler=True, logging_level="WARNING")
    except redis.RedisError as error:
        log.error("Redis does not answer: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
