"""`flask up` with all its processes, as tests start it: what it says, where it answers, which processes it has, and the ways it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from panel.config import ROOT, Config
from tests.processes import descendants, wait_until

#: How long starting and ending may take on a busy machine.
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Up:
    """A running `flask up`, which writes to `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Of the launcher, under which all others are."""
        return self.process.pid

    @property
    def said(self) -> str:
        """All of it so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def address(self) -> str:
        """Where it answers; waits until it says so."""
        return self.told(r"ready at (http://\S+)")

    def told(self, pattern: str) -> str:
        """The first group of a pattern in what it says; waits for that, and fails where it ends before."""
        wait_until(lambda: re.search(pattern, self.said) or self.process.poll() is not None, PATIENCE_S)
        found = re.search(pattern, self.said)
        assert found is not None, self.said
        return found[1]

    def parts(self, word: str) -> list[int]:
        """The processes under it with this word on their command line."""
        return [pid for pid, command in descendants(self.pid).items() if word in command]


def stop(up: Up) -> None:
    """In good order, as whoever has started it would; fails where that takes too long."""
    up.process.send_signal(signal.SIGTERM)
    try:
        up.process.wait(timeout=PATIENCE_S)
    finally:
        up.process.kill()
        up.process.wait()


def power_cut(up: Up) -> None:
    """SIGKILL for the whole tree; all of it is dead when this returns."""
    if up.process.poll() is not None:
        return
    everything = [up.pid, *descendants(up.pid)]
    for pid in everything:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    up.process.wait(timeout=60)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in everything))


@contextmanager
def flask_up(
    config: Config, log: Path = Path(os.devnull), *, errors: Path | None = None, end: Callable[[Up], None] = stop, **environ: str
) -> Iterator[Up]:
    """`flask up` on this installation, at a port of its own choice, with more in its environment. Errors go to the log where they have no
    file of their own. It is not waited for at the beginning; in the end `end` is done to it."""
    with log.open("wb") as output, errors.open("wb") if errors else nullcontext(subprocess.STDOUT) as other:
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "up", "--port", "0"],
            cwd=ROOT,
            env={**config.child_environ(), **environ},
            stdout=output,
            stderr=other,
            start_new_session=True,
        )
    up = Up(process, log)
    try:
        yield up
    finally:
        end(up)
