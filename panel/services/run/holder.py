"""Who holds a run: a name by which a process on this host can be told dead at once, without waiting for its lease to run out."""

from __future__ import annotations

import hashlib
import os
import re
import socket

#: How many digits of a machine's 32 stay the same when it starts anew, where it has no number of its own.
_OF_HOST = 16


def process_name() -> str:
    """Machine, its start, the process numbers' space, the process and its start: tells whether a holder on this machine still lives."""
    return "/".join((_machine(), _boot_id(), _namespace(), str(os.getpid()), _started(os.getpid())))


def is_dead(name: str) -> bool:
    """Whether the holder is known to be dead: on this very machine, which has started anew since, or whose process is gone (or its number
    used by a later one). About another machine or another container nobody here can tell: its lease has to run out."""
    machine, boot, namespace, pid, started = (name.split("/") + [""] * 5)[:5]
    if machine != _machine() or not pid.isdigit():
        return False
    if boot != _boot_id():
        return True
    return namespace == _namespace() and _started(int(pid)) != started


def is_to_blame(name: str) -> bool:
    """Whether a holder that has lost its hold died by itself, as far as can be told here: not together with its machine, and it does not
    live still, asleep for example. Who has no machine number, and another host name at each start, cannot be known again: they are."""
    machine, boot, namespace, pid, started = (name.split("/") + [""] * 5)[:5]
    if machine[:_OF_HOST] != _machine()[:_OF_HOST]:
        return True
    if boot != _boot_id():
        return False
    lives = machine == _machine() and namespace == _namespace() and pid.isdigit() and _started(int(pid)) == started
    return not lives


def _machine() -> str:
    """32 hexadecimal digits, so that the whole name always has room where it is stored; the first half outlasts a start of the machine."""
    found = _machine_id()
    if re.fullmatch(r"[0-9a-f]{32}", found):
        return found
    # A name alone is shared by machines made from one image: with the start of the machine it is unique, and a restart is waited out.
    host = socket.gethostname()
    return _digits(host) + _digits(f"{host}-{_boot_id()}")


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_OF_HOST]


def _machine_id() -> str:
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "?"


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
