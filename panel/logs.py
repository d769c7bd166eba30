"""How the panel's own processes log: to standard output, where the process tree or the service manager picks it up."""

from __future__ import annotations

import logging
import sys


def to_stdout() -> None:
    """Sends everything from INFO up to standard output; chatty libraries only from WARNING up."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("rq.worker", "rq.scheduler", "rq.job", "rq.queue", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel(logging.WARNING)
