"""The background worker: `python worker.py` runs PANEL_WORKERS RQ workers and the housekeeping beside them."""

from __future__ import annotations

import logging
import sys
import threading

from flask import Flask

from panel import create_app, logs
from panel.config import Config
from panel.jobs import housekeeping
from panel.tree import Tree

HOUSEKEEPING_EVERY_S = 5.0
# How long a worker may finish the job in hand after SIGTERM: a stretch of work on a run takes about 20 s.
JOB_GRACE_S = 25.0

log = logging.getLogger("panel.worker")


def main() -> int:
    """Runs until SIGTERM or SIGINT; one that dies is started again."""
    config = Config.from_env().ensure()
    logs.to_stdout(as_json=config.log_json)
    app = create_app(config, screens=False, commands=False)
    stop = threading.Event()
    with Tree(together=True, write=logs.pass_on if config.log_json else None) as tree:
        for number in range(1, config.workers + 1):
            tree.add(f"rq-{number}", [sys.executable, "-m", "panel.jobs.worker"], config.child_environ(), grace_s=JOB_GRACE_S)
        chores = threading.Thread(target=keep_house, args=(app, stop), daemon=True)
        chores.start()
        code = tree.run()
        stop.set()
    chores.join(timeout=HOUSEKEEPING_EVERY_S)
    return code


def keep_house(app: Flask, stop: threading.Event) -> None:
    """Does the periodic chores at once and then every 5 s; a chore that fails is logged and tried again the next time."""
    while not stop.is_set():
        try:
            with app.app_context():
                housekeeping.tick()
        except Exception:
            # The database or Redis may be away for a while: whatever is due now is still due in 5 s.
            log.exception("Housekeeping failed and is tried again in %g s.", HOUSEKEEPING_EVERY_S)
        stop.wait(HOUSEKEEPING_EVERY_S)


if __name__ == "__main__":
    sys.exit(main())
