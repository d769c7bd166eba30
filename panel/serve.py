"""The web process of `flask up`: `python -m panel.serve --socket FD`, waitress in front of the screens."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

import waitress

from panel import create_app, listening, logs
from panel.config import Config

THREADS = 8


def main() -> None:
    """Serves until SIGTERM; requests in hand are finished."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True, metavar="FD", help="number of the listening socket that was handed down")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    config = Config.from_env()
    logs.to_stdout(as_json=config.log_json)
    app = create_app(config, commands=False)
    waitress.serve(
        app,
        sockets=[listening.handed(options.socket)],
        threads=THREADS,
        ident="Streamferry",
        # What a proxy says about the visitor is for the app to judge, which knows how many to trust; else it is thrown away here.
        clear_untrusted_proxy_headers=not config.trusted_proxies,
        _quiet=True,
    )


def leave(_signum: int, _frame: FrameType | None) -> None:
    """Lets waitress end its threads in order."""
    sys.exit(0)


if __name__ == "__main__":
    main()
