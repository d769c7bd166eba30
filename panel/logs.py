"""How the panel's own processes log: one line each to standard output, where the process tree or the service manager picks it up."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

TEXT = "%(asctime)s %(levelname)s %(name)s%(run_mark)s: %(message)s"

# Of the process, not of a thread: a worker's process works on one run at a time, with threads that start others.
_run: int | None = None


@contextlib.contextmanager
def about_run(run_id: int) -> Iterator[None]:
    """What is logged inside carries this migration's number."""
    global _run
    before, _run = _run, run_id
    try:
        yield
    finally:
        _run = before


def to_stdout(*, as_json: bool = False) -> None:
    """Sends everything from INFO up to standard output; chatty libraries only from WARNING up."""
    output = logging.StreamHandler(sys.stdout)
    output.addFilter(mark_run)
    output.setFormatter(JsonLine() if as_json else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[output])
    for name in ("rq.worker", "rq.scheduler", "rq.job", "rq.queue", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel(logging.WARNING)


def mark_run(record: logging.LogRecord) -> bool:
    """Puts the run at work on a record, as `run` (a number or `None`) and `run_mark` (text for a line)."""
    record.run = _run
    record.run_mark = f" [migration {_run}]" if _run is not None else ""
    return True


class JsonLine(logging.Formatter):
    """A record as one JSON object: `at` (UTC), `level`, `logger`, `message`, `pid`, and where there are such `run` and `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        fields: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if getattr(record, "run", None) is not None:
            fields["run"] = record.run  # type: ignore[attr-defined]
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)
