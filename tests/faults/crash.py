"""A worker killed at one chosen request, and the next one that finds what it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panel.config import ROOT, Config
from panel.simulators.http import Call
from tests.faults.stage import Stage
from tests.faults.whose import asked_for

DEADLINE_S = 60.0


class Zygote:
    """Starts workers on one installation, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes], stage: Stage) -> None:
        self.process, self.stage = process, stage
        self.pid = 0
        assert self._hear() == {"ready": True}

    def start(self, *, here: bool = False) -> None:
        """A worker, which waits for `go`."""
        self._say(json.dumps({"run": self.stage.run_id, "here": here}))
        self.pid = self._hear()["pid"]

    def go(self) -> int:
        """Let it work; answers its exit code once it is gone (-9: it was killed). Raises `AssertionError` with what broke it."""
        self._say("")
        while True:
            told = self._hear()
            if told.get("invited"):
                self.stage.accept()
                self._say("")
            assert "broken" not in told, told["broken"]
            if "ended" in told:
                return int(told["ended"])

    def kill(self) -> None:
        """SIGKILL, and it is dead when this returns."""
        os.kill(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + DEADLINE_S
        while _runs(self.pid):
            assert time.monotonic() < deadline, "it does not die"
            time.sleep(0.0005)

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the zygote has died"
        return dict(json.loads(line))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@contextmanager
def zygote(stage: Stage) -> Iterator[Zygote]:
    """Workers for this stage's installation."""
    config: Config = stage.config
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.zygote"],
        cwd=ROOT,
        env=config.child_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Zygote(process, stage)
    finally:
        process.kill()
        process.wait()


@dataclass
class Killer:
    """Kills the worker at its nth request, of any kind: `before` it arrives (nor does anything else it had on its way), or `after` its
    effect (and whatever else it had on its way arrives)."""

    workers: Zygote
    nth: int
    moment: str
    seen: int = 0
    struck: bool = False
    takes_over: bool = False
    "Whether the second worker is at work: from then on nothing is in the way."
    lock: threading.Lock = field(default_factory=threading.Lock)

    def on_call(self, call: Call, moment: str) -> None:
        """Hooked into every simulator."""
        if self.takes_over:
            return
        with self.lock:
            if self.struck:
                self._of_the_dead(moment)
                return
            if moment != self.moment:
                return
            self.seen += 1
            if self.seen == self.nth:
                self.workers.kill()
                self.struck = True
                if moment == "before":
                    raise ConnectionError("It died before this left.")

    def _of_the_dead(self, moment: str) -> None:
        if self.moment == "before" and moment == "before":
            raise ConnectionError("What the dead worker had on its way does not arrive.")


@dataclass(frozen=True)
class Change:
    """A changing request: about whom, and its path."""

    name: str
    path: str

    @property
    def closes(self) -> bool:
        """Whether it closes an account, which stands in the path by its own id."""
        return self.path.endswith(("/Password", "/Policy"))


@dataclass(frozen=True)
class Crashed:
    """What became of a try: whether there were so many requests at all, how long the second worker took (seconds), whose accounts stood
    open when it began, whom the dead one had in hand then, and the changing requests it sent."""

    struck: bool
    whole_s: float = 0.0
    open_then: frozenset[str] = frozenset()
    in_hand: frozenset[str] = frozenset()
    changes: tuple[Change, ...] = ()


def crash(stage: Stage, workers: Zygote, nth: int, moment: str) -> Crashed:
    """A fresh run whose worker dies at its nth request; the next one ends it."""
    stage.reset()
    killer = Killer(workers, nth, moment)
    stage.hook(killer.on_call)
    workers.start()
    code = workers.go()
    stage.wait_for_silence()
    with killer.lock:
        assert code == (-signal.SIGKILL if killer.struck else 0), code
        if not killer.struck:
            return Crashed(False)
        open_then = frozenset(name for side in stage.scene.sides if side.kind != "plex" for name in side.sim.exposure.still_open())
        in_hand = stage.in_hand() if open_then else frozenset()
        sent = {id(sim): len(sim.journal) for sim in stage.sims}
        killer.takes_over = True
    workers.start(here=True)
    began = time.monotonic()
    assert workers.go() == 0
    whole_s = time.monotonic() - began
    later = [(entry.at, sim, entry.call) for sim in stage.sims for entry in sim.journal[sent[id(sim)] :] if entry.changes]
    changes = tuple(Change(asked_for(sim, call), call.path) for _, sim, call in sorted(later, key=lambda one: one[0]))
    return Crashed(True, whole_s, open_then, in_hand, changes)
