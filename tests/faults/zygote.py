"""Workers that can be started, and killed, many times a second: `python -m tests.faults.zygote` forks itself for each, warm and ready.

It has no thread of its own when it forks, and no connection. One line of JSON on standard input asks for a worker on one run; it tells of
itself on standard output: `pid`, then `invited` where people have to accept (an empty line says that they have), then `done` or what broke
it. `ended` comes from the zygote when the worker is gone. A worker asked for with `here` is the zygote itself, which warms it up.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback

from flask import Flask

from panel import create_app
from panel.extensions import db
from tests.compiled import once_per_session, remember_statements
from tests.faults.stage import labour


def say(**what: object) -> None:
    """One line to whoever asked, whole."""
    os.write(1, json.dumps(what).encode() + b"\n")


def hear() -> str:
    """One line, read without buffering: whatever follows is for others."""
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(0, 1)
        if not read:
            os._exit(0)
        line += read
    return line.decode().strip()


def work(app: Flask, run_id: int) -> None:
    """One worker, from start to end."""
    say(pid=os.getpid())
    hear()
    with app.app_context():
        try:
            labour(run_id, accepted)
            say(done=True)
        except BaseException:
            say(broken=traceback.format_exc())
        finally:
            db.session.remove()
            db.engine.dispose()


def accepted() -> None:
    """Wait until everybody has."""
    say(invited=True)
    hear()


def main() -> None:
    """Until standard input ends."""
    once_per_session()
    app = create_app()
    with app.app_context():
        remember_statements(db.engine)
        db.engine.dispose()
    say(ready=True)
    while True:
        line = hear()
        if not line:
            # Meant for a worker that was killed before it could read it.
            continue
        asked = json.loads(line)
        if asked.get("here"):
            work(app, asked["run"])
            for thread in threading.enumerate():
                if thread is not threading.current_thread():
                    thread.join(30)
            say(ended=0)
            continue
        pid = os.fork()
        if pid == 0:
            work(app, asked["run"])
            os._exit(0)
        say(ended=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    sys.exit(main())
