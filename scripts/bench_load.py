"""Measures the panel as `flask up` runs it, while many admins watch a run of very many users (`make bench-load`).

Each of them asks at the live page's own address and interval, over a connection of their own; the run goes on all the time. The times
are those that a browser on the same machine sees, the wait for a free thread included. At the end, with `wrk` installed, comes how many
requests a second some pages stand. Everything is printed as it stands in docs/speed.md; 1 when an aim is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bench_wrk
from bench import own_cpu_seconds
from bench_polls import Admins, Poll
from bench_up import Panel, panel

MOST_MEDIAN_MS, MOST_UNCHANGED_KB, MOST_GROWTH = 20.0, 2.0, 0.05
LOOK_EVERY_S = 5.0
#: What is loaded by the first requests does not count as growing; a shorter measuring has a shorter warm-up.
LONGEST_WARM_UP_S = 60.0
UNCHANGED, CHANGED = 204, 200


@dataclass
class Memory:
    """Resident memory of the web process: seconds since the beginning, and MB."""

    at_s: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)

    def look(self, pid: int, at_s: float) -> None:
        """One more sample."""
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        self.at_s.append(at_s)
        self.mb.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)

    @property
    def growth(self) -> float:
        """By what share of itself it grows over the whole time, by the line of least squares."""
        slope, start = statistics.linear_regression(self.at_s, self.mb)
        return slope * (self.at_s[-1] - self.at_s[0]) / (start + slope * self.at_s[0])


@dataclass(frozen=True)
class Measured:
    """The polls of the measured time, the memory, and the processor seconds the web process has used."""

    polls: Sequence[Poll]
    memory: Memory
    cpu_s: float


def main() -> int:
    """Prints the tables; 1 when an aim is missed."""
    options = parsed()
    with panel(options.users, options.admins, options.pace) as running:
        found = measured(running, options.minutes * 60)
        print_table(options, found)
        missed = misses(found)
        if options.wrk_seconds and bench_wrk.is_there():
            bench_wrk.table(running, options.wrk_seconds)
    print("\n" + ("\n".join(missed) or "All aims are met."))
    return 1 if missed else 0


def parsed() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description="Measure the panel while many admins watch a run.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--admins", type=int, default=50)
    parser.add_argument("--pace", type=float, default=5.0, metavar="SECONDS", help="from one user of the run to the next")
    parser.add_argument("--wrk-seconds", type=int, default=10, metavar="SECONDS", help="of each spell of wrk; 0: none")
    return parser.parse_args()


def measured(running: Panel, seconds: float) -> Measured:
    """Let the admins look for so long, after a warm-up. Ends the measuring when one of them got no proper answer."""
    admins = Admins(running)
    admins.begin()
    time.sleep(min(LONGEST_WARM_UP_S, seconds / 4))
    began, cpu_before, memory = time.monotonic(), own_cpu_seconds(running.web_pid), Memory()
    while (at_s := time.monotonic() - began) < seconds:
        memory.look(running.web_pid, at_s)
        time.sleep(min(LOOK_EVERY_S, seconds / 10))
    cpu_s = own_cpu_seconds(running.web_pid) - cpu_before
    admins.end()
    if admins.problems:
        raise SystemExit("\n".join(sorted(set(admins.problems))))
    return Measured([poll for poll in admins.polls if poll.at >= began], memory, cpu_s)


def print_table(options: argparse.Namespace, found: Measured) -> None:
    """All figures."""
    run = f"a run of {options.users} users, one user every {options.pace:g} s"
    print(f"{options.admins} admins watch {run}, for {options.minutes:g} minutes; {os.cpu_count()} processors\n")
    print("| the live page asks | times | median | 95 % | median size | largest |\n|---|---:|---:|---:|---:|---:|")
    for name, statuses in (("nothing changed", (UNCHANGED,)), ("something changed", (CHANGED,)), ("all", (UNCHANGED, CHANGED))):
        print_line(name, [poll for poll in found.polls if poll.status in statuses])
    print(f"\nThe web process: {found.cpu_s / len(found.polls) * 1000:.1f} ms of a processor per poll; memory {found.memory.mb[0]:.1f} MB")
    print(f"at first, {found.memory.mb[-1]:.1f} MB at last, grown by {found.memory.growth * 100:+.1f} % by the line of least squares.")


def print_line(name: str, polls: Sequence[Poll]) -> None:
    """One line."""
    if len(polls) < 2:
        print(f"| {name} | {len(polls)} | | | | |")
        return
    times, sizes = [poll.seconds * 1000 for poll in polls], [poll.size for poll in polls]
    late, size, largest = statistics.quantiles(times, n=20)[-1], statistics.median(sizes) / 1000, max(sizes) / 1000
    print(f"| {name} | {len(polls)} | {statistics.median(times):.1f} ms | {late:.1f} ms | {size:.1f} KB | {largest:.1f} KB |")


def misses(found: Measured) -> list[str]:
    """A sentence for each aim that is missed."""
    median_ms = statistics.median(poll.seconds for poll in found.polls) * 1000
    largest_kb = max((poll.size for poll in found.polls if poll.status == UNCHANGED), default=0) / 1000
    figures = (
        ("The median of the polls", median_ms, MOST_MEDIAN_MS, "ms"),
        ("The largest answer when nothing changed", largest_kb, MOST_UNCHANGED_KB, "KB"),
        ("The growth of the memory", found.memory.growth * 100, MOST_GROWTH * 100, "%"),
    )
    return [f"{what} is {value:.1f} {unit}, the aim under {most:g} {unit}." for what, value, most, unit in figures if value >= most]


if __name__ == "__main__":
    sys.exit(main())
