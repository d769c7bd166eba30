"""How the panel's own processes log: one line each to standard output, where the process tree or the service manager picks it up."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

TEXT = "%(asctime)s %(levelname)s %(name)s%(run_mark)s: %(message)s"

#: What could begin a line of its own, steer a terminal, or turn the order of what is read: names and answers come from strangers.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_run: ContextVar[int | None] = ContextVar("run", default=None)
_user: ContextVar[int | None] = ContextVar("user", default=None)
# A thread that is started begins without its starter's context. A worker's process works on one run at a time, so that what its threads
# log is about that one as well; users are moved side by side, so that each thread has to say for itself whom it is about.
_run_of_process: int | None = None


@contextlib.contextmanager
def about_run(run_id: int) -> Iterator[None]:
    """What is logged inside carries this migration's number, in threads that are started inside too."""
    global _run_of_process
    before, _run_of_process = _run_of_process, run_id
    mark = _run.set(run_id)
    try:
        yield
    finally:
        _run.reset(mark)
        _run_of_process = before


@contextlib.contextmanager
def about_user(user_id: int) -> Iterator[None]:
    """What this thread logs inside carries this user's number."""
    mark = _user.set(user_id)
    try:
        yield
    finally:
        _user.reset(mark)


def to_stdout(*, as_json: bool = False) -> None:
    """Sends everything from INFO up to standard output; chatty libraries only from WARNING up."""
    output = logging.StreamHandler(sys.stdout)
    output.addFilter(mark_run)
    output.setFormatter(JsonLine() if as_json else TextLine(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[output])
    for name in ("rq.worker", "rq.scheduler", "rq.job", "rq.queue", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel(logging.WARNING)


def pass_on(name: str, line: str) -> None:
    """A line that another program of the tree has written, for who reads the log as JSON: a record as it is, anything else (of Redis, or of
    Python itself) as a record of the logger `name`. An output that takes nothing any more is no reason to stop."""
    if _is_record(line):
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    elif line.strip():
        logging.getLogger(name).warning("%s", line)


def _is_record(line: str) -> bool:
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def mark_run(record: logging.LogRecord) -> bool:
    """Puts the run at work and the user in hand on a record: `run` and `user` (numbers or `None`), and `run_mark` (text for a line)."""
    run, user = _run.get(), _user.get()
    run = _run_of_process if run is None else run
    record.run, record.user = run, user
    marks = [f"{what} {number}" for what, number in (("migration", run), ("user", user)) if number is not None]
    record.run_mark = f" [{', '.join(marks)}]" if marks else ""
    return True


def visible(text: str) -> str:
    """The text with what steers terminals and readers written out."""
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class TextLine(logging.Formatter):
    """A record as one line; the lines of a traceback follow it, each indented, so that none looks like a record."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """One line, whatever the message and the logger's name hold."""
        return visible(super().formatMessage(record))

    def formatStack(self, stack_info: str) -> str:
        """Where the record was made, indented like a traceback."""
        return _indented(super().formatStack(stack_info))

    def formatException(self, ei: Any) -> str:
        """The traceback, indented."""
        return _indented(super().formatException(ei))


def _indented(lines: str) -> str:
    return "\n".join(f"    {visible(line)}" for line in lines.split("\n"))


class JsonLine(logging.Formatter):
    """A record as one JSON object: `at` (UTC), `level`, `logger`, `message`, `pid`, and where there are such `run`,
    `user`, `error` and `stack`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        fields: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        for name in ("run", "user"):
            if getattr(record, name, None) is not None:
                fields[name] = getattr(record, name)
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return visible(json.dumps(fields, ensure_ascii=False))
