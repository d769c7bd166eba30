"""Keeps a set of programs running: restarts what dies, stops all in reverse order, leaves none behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, TracebackType

from panel.tether import tied

LOOK_EVERY_S = 0.05
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
HEALTHY_AFTER_S = 10.0
READY_WITHIN_S = 60.0
LAST_WORDS_S = 1.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


#: Takes a line of a program's output, after the program's name.
Write = Callable[[str, str], None]


class TreeError(Exception):
    """The tree cannot start or go on; `str(error)` is a sentence for the person at the terminal."""


def write_line(name: str, line: str) -> None:
    """One line of a program's output, marked with its name. A terminal that went away is no reason to stop."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{name:<7}| {line}\n")
        sys.stdout.flush()


@dataclass
class Child:
    """One program of a tree: how to start it, and the process that runs it now. `stdin` is fed to every start,
    `sockets` are handed to it under the numbers they have here. `write` is given what it says; without, it writes where this process does.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    stdin: bytes = b""
    sockets: Sequence[socket.socket] = ()
    grace_s: float = 10.0
    write: Write | None = write_line
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    pause_s: float = field(default=FIRST_PAUSE_S, init=False)
    again_at: float = field(default=0.0, init=False)
    kill_at: float | None = field(default=None, init=False)
    copying: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Starts the program in a process group of its own, tied to this process. To be called from the main thread."""
        self.started_at = time.monotonic()
        output = None if self.write is None else subprocess.PIPE
        source = subprocess.PIPE if self.stdin else subprocess.DEVNULL
        self.process = subprocess.Popen(
            tied(list(self.argv)),
            env=self.env,
            stdin=source,
            stdout=output,
            stderr=None if self.write is None else subprocess.STDOUT,
            process_group=0,
            pass_fds=[each.fileno() for each in self.sockets],
        )
        if self.process.stdout is not None:
            self.copying = threading.Thread(target=self._copy_output, args=(self.process,), daemon=True)
            self.copying.start()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
                stdin.write(self.stdin)

    def tend(self) -> None:
        """Starts the program again when it died: after 0.2 s first, then twice as long each time up to 5 s, until it lives for 10 s."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.again_at:
                self.start()
        elif (code := self.process.poll()) is not None:
            self.end_group()
            if now - self.started_at >= HEALTHY_AFTER_S:
                self.pause_s = FIRST_PAUSE_S
            (self.write or write_line)(self.name, f"ended with {describe(code)}; starts again in {self.pause_s:g} s")
            self.process, self.again_at = None, now + self.pause_s
            self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S)

    def ask_to_stop(self) -> None:
        """Sends SIGTERM to the program, once: it tells its own children itself, and RQ takes a second one for "at once"."""
        if self.process is not None and self.kill_at is None:
            self.kill_at = time.monotonic() + self.grace_s
            self.process.terminate()

    def stopped(self) -> bool:
        """Whether the program is not running now."""
        return self.process is None or self.process.poll() is not None

    def end_group(self) -> None:
        """Kills whatever is left of the program's process group, and waits for the program itself."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def say_the_last(self) -> None:
        """Returns once all is written that the program said before it ended."""
        if self.copying is not None:
            self.copying.join(LAST_WORDS_S)

    def _copy_output(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None and self.write is not None
        with process.stdout as lines:
            for line in lines:
                self.write(self.name, line.decode(errors="replace").rstrip("\n"))


class Tree:
    """Programs that run together. `with Tree() as tree: tree.add(…); return tree.run()`, in the main thread.

    `add` starts a program at once and can wait until it is ready; `run` keeps all of them running until SIGTERM, SIGINT or SIGHUP, or
    until `finish(code)`. Leaving the block stops them, last one first; `together` stops them all at the same time. A second signal
    does not wait any longer.
    """

    def __init__(self, *, together: bool = False, write: Write | None = write_line) -> None:
        self.together = together
        self.write = write
        self.children: list[Child] = []
        self._code = 0
        self._stopping = threading.Event()
        self._signals = 0
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Tree:
        self._before = {each: signal.signal(each, self._on_signal) for each in STOP_SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._stop_all()
        for each, handler in self._before.items():
            signal.signal(each, handler)

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the tree to end."""
        return self._stopping.is_set()

    def add(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        stdin: bytes = b"",
        sockets: Sequence[socket.socket] = (),
        ready: Callable[[], bool] | None = None,
        ready_within_s: float = READY_WITHIN_S,
        grace_s: float = 10.0,
    ) -> Child:
        """Starts a program and, given `ready`, returns when that is true. `grace_s`: how long it may take to stop before it is killed.

        Raises `TreeError` when it is not ready in time. Adds nothing once the tree is stopping.
        """
        child = Child(name, argv, env, stdin, sockets, grace_s, self.write)
        if self.stopping:
            return child
        self.children.append(child)
        child.start()
        if ready is not None:
            self._wait_until(ready, name, ready_within_s)
        return child

    def run(self) -> int:
        """Keeps everything running until the tree is asked to end; gives the exit code."""
        while not self._stopping.wait(LOOK_EVERY_S):
            self._tend()
        return self._code

    def finish(self, code: int = 0) -> None:
        """Asks the tree to end with this exit code; from any thread."""
        self._code = code
        self._stopping.set()

    def _wait_until(self, ready: Callable[[], bool], name: str, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not self.stopping and not ready():
            if time.monotonic() > deadline:
                raise TreeError(f"{name} was not ready after {within_s:g} s: its last lines above say why.")
            self._tend()
            self._stopping.wait(LOOK_EVERY_S)

    def _tend(self) -> None:
        for child in self.children:
            child.tend()

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._stopping.set()

    def _stop_all(self) -> None:
        last_first = self.children[::-1]
        if self.together:
            for child in last_first:
                child.ask_to_stop()
        for child in last_first:
            child.ask_to_stop()
            self._wait_for_end(child)
            child.end_group()
            child.say_the_last()

    def _wait_for_end(self, child: Child) -> None:
        while not child.stopped() and self._signals < 2 and child.kill_at is not None and time.monotonic() < child.kill_at:
            time.sleep(LOOK_EVERY_S)


def describe(code: int) -> str:
    """A process's end in words: an exit code, or the signal that killed it."""
    if code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}"
