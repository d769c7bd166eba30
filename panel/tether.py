"""Ties a process to its parent's life. Also a program: `python tether.py PARENT_PID program arguments…` becomes that program, tied.

Standard library only, imports nothing of the panel: it runs before every child of the process tree.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(parent_pid: int) -> None:
    """From now on the kernel kills this process when the thread that started it ends; survives exec, is not inherited by children.

    Ends this process at once if the parent is gone already. Does nothing but that check outside Linux.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def tie_forks() -> None:
    """Makes every process that this one forks from now on, and theirs, die with the process that forked it."""
    parent = os.getpid()

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: die_with_parent(parent))


def tied(argv: list[str]) -> list[str]:
    """The command that runs `argv` as a child tied to this process; to be started from the main thread."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *argv]


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
