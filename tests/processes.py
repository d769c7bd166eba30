"""What tests with real processes need: waiting with a deadline, who is alive, who descends from whom."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Returns as soon as the condition holds; fails when it does not in time, which is long: a busy machine is no mistake."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def table() -> dict[int, tuple[int, str]]:
    """All processes that run, the dead whose parent has not looked yet left out: pid -> (parent, command line)."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            found[int(folder.name)] = (int(parent), command)
    return found


def alive(pid: int) -> bool:
    """Whether the process still runs."""
    return pid in table()


def descendants(pid: int) -> dict[int, str]:
    """Children, their children and so on: pid -> command line."""
    processes = table()
    found: dict[int, str] = {}
    circle = {pid}
    while circle:
        circle = {child for child, (parent, _) in processes.items() if parent in circle}
        found |= {child: processes[child][1] for child in circle}
    return found


def nap(seconds: float, path: str) -> None:
    """A job for a real worker: writes its process id, sleeps, writes that it ended."""
    Path(path).write_text(f"{os.getpid()}\n")
    time.sleep(seconds)
    with open(path, "a", encoding="utf-8") as file:
        file.write("ended\n")
