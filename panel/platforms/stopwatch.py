"""How much time has passed, also while the machine was asleep or stopped and some of its clocks with it."""

from __future__ import annotations

import time


def since_boot_s() -> float:
    """Seconds since the machine started, its sleep included: never put back, and never standing still while others go on (Linux; elsewhere
    sleep may be missing)."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._boot, self._wall = since_boot_s(), time.time()

    @property
    def passed_s(self) -> float:
        """Seconds that have passed for this machine."""
        return since_boot_s() - self._boot

    @property
    def at_most_s(self) -> float:
        """Seconds that may have passed, by whichever clock says more: a virtual machine that was frozen learns of it by the time of day
        alone. Too many once that was put forward."""
        return max(self.passed_s, time.time() - self._wall)
