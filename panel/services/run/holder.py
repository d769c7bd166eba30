"""Who holds a run: a name by which a process on this host can be told dead at once, without waiting for its lease to run out."""

from __future__ import annotations

import os
import socket


def process_name() -> str:
    """Host, start of the machine and process: tells whether a holder on this very host still lives."""
    return f"{socket.gethostname()}/{_boot_id()}/{os.getpid()}/{_started(os.getpid())}"


def is_dead(name: str) -> bool:
    """Whether the holder is known to be dead: on this host, and its process gone (or its number used by a later one)."""
    host, _, rest = name.partition("/")
    boot, _, rest = rest.partition("/")
    pid, _, started = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    return boot != _boot_id() or _started(int(pid)) != started


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "?"


def _started(pid: int) -> str:
    """The process's start time in ticks; empty when it does not live (or nobody can tell, off Linux, where a lease has to run out)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return "" if os.path.isdir("/proc/self") else "?"
    return "" if fields[0] == "Z" else fields[19]
