"""The web process of `flask up`: `python -m panel.serve --host H --port P`, waitress in front of `wsgi:app`."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

import waitress

from panel import logs

THREADS = 8


def main() -> None:
    """Serves until SIGTERM; requests in hand are finished."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    logs.to_stdout()

    from wsgi import app

    waitress.serve(app, host=options.host, port=options.port, threads=THREADS, ident="Streamferry", _quiet=True)


def leave(_signum: int, _frame: FrameType | None) -> None:
    """Lets waitress end its threads in order."""
    sys.exit(0)


if __name__ == "__main__":
    main()
