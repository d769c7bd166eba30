"""How many requests the panel answers in a second, by `wrk`: the table for docs/speed.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass

from bench_polls import HTMX, Live, ask
from bench_up import Panel

CONNECTIONS = (1, 8)
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
#: A run that rests is looked at this often until nothing changes any more.
REST_S = 3.0
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Spell:
    """One spell of `wrk`: answers in a second, and how long half and 99 of 100 of them took at most, in ms."""

    per_second: float
    median_ms: float
    slowest_ms: float


def is_there() -> bool:
    """Whether `wrk` is installed."""
    return shutil.which("wrk") is not None


def table(panel: Panel, seconds: int) -> None:
    """Pauses the run, so that its page does not change meanwhile, and prints a line for each page and number of connections."""
    cookie = {"Cookie": panel.cookies[0]}
    pages: list[tuple[str, str, dict[str, str]]] = [
        ("`/healthz`", "/healthz", {}),
        ("sign-in page", "/sign-in", {}),
        ("list of servers", "/servers", cookie),
        ("live page asks, nothing changed", still(panel), {**cookie, **HTMX}),
    ]
    print("\n| asked for | connections | answers per second | median | 99 % |\n|---|---:|---:|---:|---:|")
    for name, address, headers in pages:
        for connections in CONNECTIONS:
            spell = measured(panel.url + address, headers, connections, seconds)
            print(f"| {name} | {connections} | {spell.per_second:.0f} | {spell.median_ms:.1f} ms | {spell.slowest_ms:.1f} ms |", flush=True)


def still(panel: Panel) -> str:
    """The address the live page asks at while nothing changes."""
    panel.pause()
    connection, deadline = panel.connection(), time.monotonic() + PATIENCE_S
    live = Live.found_in(ask(connection, panel.page, panel.cookies[0]).body)
    while True:
        time.sleep(REST_S)
        answer = ask(connection, live.address, panel.cookies[0], HTMX)
        if answer.status == 204:
            return live.address
        if time.monotonic() > deadline:
            raise SystemExit("The paused run does not come to rest.")
        live = Live.found_in(answer.body)


def measured(url: str, headers: dict[str, str], connections: int, seconds: int) -> Spell:
    """One spell. Ends the measuring when anything but a good answer came."""
    sent = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *sent, url]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    shares = {share: float(number) * UNITS[unit] for share, number, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)\b", said)}
    assert rate is not None
    return Spell(float(rate[1]), shares["50"], shares["99"])
