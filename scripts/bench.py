"""Measures a run of the real worker against simulated servers, beside the bare requests it cannot do without (`make bench`).

Everybody on a Jellyfin server moves to an empty Emby server, with Emby Connect, without a pace: 5 changing requests per user. A round
is the product and then the bare loop, each against freshly started simulators in a process of their own; medians are printed. CPU times
say more than seconds on a machine that has other work. At the end a short run between Plex servers shows how well the pace is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bench_pace  # noqa: E402

from panel import create_app, embedded_redis, jobs  # noqa: E402
from panel.config import Config  # noqa: E402
from panel.demo.crowd import LIBRARIES, SOURCE, TARGET, email_of, name_of  # noqa: E402
from panel.domain.libraries import STANDARD  # noqa: E402
from panel.extensions import db  # noqa: E402
from panel.models import Migration, Server  # noqa: E402
from panel.models.types import utc_now  # noqa: E402
from panel.services import database, estate, report, sync  # noqa: E402
from panel.services.preflight import ask_both, assess  # noqa: E402
from panel.services.run.start import start  # noqa: E402
from panel.simulators.emby import Emby  # noqa: E402
from panel.simulators.jellyfin import Jellyfin  # noqa: E402

PATIENCE_S = 1800.0
LOOK_EVERY_S = 0.1
#: Looking at memory costs time that the run would use.
MEASURE_EVERY_S = 0.5


@dataclass(frozen=True)
class Simulators:
    """Running simulators: the port of each host."""

    ports: dict[str, int]

    def url(self, name: str) -> str:
        """Where a host answers."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def calls(self) -> dict[str, dict[str, int]]:
        """What each host was asked, by route."""
        return requests.get(f"{self.url('control')}/calls", timeout=30).json()

    def reset(self) -> None:
        """Forget what was asked."""
        requests.post(f"{self.url('control')}/reset", timeout=30)


@dataclass(frozen=True)
class Measured:
    """One run of the product: seconds from the click to the end, CPU seconds of the worker, requests by route, peak memory in MB."""

    seconds: float
    cpu_s: float
    calls: dict[str, dict[str, int]]
    peak_mb: float


@dataclass(frozen=True)
class Bare:
    """The loop of bare requests: seconds, and CPU seconds of this process."""

    seconds: float
    cpu_s: float


def main() -> int:
    """Prints the figures; 1 when somebody was not moved."""
    parser = argparse.ArgumentParser(description="Measure a run of the real worker against simulated servers.")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--paced-users", type=int, default=12, help="how many users to move between Plex servers at a pace; 0: none")
    parser.add_argument("--pace", type=float, default=0.5, metavar="SECONDS", help="the pace of that run")
    parser.add_argument("--profile", metavar="FILE", help="profile one run in this process instead (cProfile's format)")
    options = parser.parse_args()
    if options.profile:
        profiled(options.users, options.profile)
        return 0
    products, bare = [], []
    for number in range(1, options.rounds + 1):
        products.append(product(options.users))
        bare.append(minimum(options.users))
        print(f"round {number}: product {products[-1].seconds:.2f} s, bare requests {bare[-1].seconds:.2f} s", flush=True)
    print_figures(options.users, products, bare)
    if options.paced_users:
        print(f"\n{options.paced_users} users between two Plex servers, one user every {options.pace:g} s")
        print(bench_pace.measured(installation, options.paced_users, options.pace))
    return 0


def print_figures(users: int, products: list[Measured], bare: list[Bare]) -> None:
    """Medians, and the requests of the last round."""
    seconds, least = statistics.median(one.seconds for one in products), statistics.median(one.seconds for one in bare)
    cpu_ms, least_cpu_ms = (statistics.median(one.cpu_s for one in ones) / users * 1000 for ones in (products, bare))
    print(f"\n{users} users, {SOURCE} (Jellyfin) to {TARGET} (Emby), no pace, medians of {len(products)} rounds")
    print(f"  product          {seconds:7.2f} s   {users / seconds:6.0f} users/s")
    print(f"  bare requests    {least:7.2f} s   {users / least:6.0f} users/s")
    print(f"  ratio            {seconds / least:7.2f}     (aim: 1.5 or less)")
    print(f"  CPU per user     {cpu_ms:7.2f} ms  in the worker's processes; bare requests {least_cpu_ms:.2f} ms")
    print(f"  worker's memory  {max(one.peak_mb for one in products):7.0f} MB  (peak of its largest process; aim: under 150)")
    print("  requests per user")
    for host, routes in products[-1].calls.items():
        for route, count in sorted(routes.items(), key=lambda item: -item[1]):
            print(f"    {host:<6} {route:<40} {count / users:8.3f}")


@contextlib.contextmanager
def simulators(users: int) -> Iterator[Simulators]:
    """Freshly seeded, in a process of their own."""
    argv = [sys.executable, "-m", "panel.demo.simulators", "--crowd", str(users)]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Simulators(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()


def product(users: int) -> Measured:
    """One run by the real worker with its embedded Valkey, on SQLite in a folder of its own."""
    with simulators(users) as hosts, installation() as worker_pid:
        prepare(users, hosts)
        hosts.reset()
        return run_once(users, hosts, worker_pid)


@contextlib.contextmanager
def installation(**environ: str) -> Iterator[int]:
    """The panel in this process, with its embedded Valkey and real workers beside it; the process id above the workers."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config.from_env({"PANEL_VAR": folder, **environ}).ensure()
        with create_app(config).app_context(), embedded_redis.running(config), worker(config) as worker_pid:
            database.ensure()
            wait_for_workers(config.workers)
            yield worker_pid
            db.session.remove()
            db.engine.dispose()


def run_once(users: int, hosts: Simulators, worker_pid: int) -> Measured:
    """Start the run as the panel does, and wait for its end."""
    cpu_before = cpu_seconds(worker_pid)
    run_id = begin()
    peak_kb, deadline = 0, time.monotonic() + PATIENCE_S
    while not (ended := ended_run(run_id)):
        peak_kb = max(peak_kb, peak_memory_kb(worker_pid))
        if time.monotonic() > deadline:
            raise SystemExit("The run did not end in time.")
        time.sleep(MEASURE_EVERY_S)
    counts = report.counts_of(run_id)
    if counts.moved != users:
        raise SystemExit(f"Not everybody was moved: {counts}")
    assert ended.ended_at is not None
    cpu_s = cpu_seconds(worker_pid) - cpu_before
    return Measured((ended.ended_at - ended.created_at).total_seconds(), cpu_s, hosts.calls(), peak_kb / 1024)


def ended_run(run_id: int) -> Migration | None:
    """The run, once it has ended."""
    run = db.session.get_one(Migration, run_id, populate_existing=True)
    db.session.rollback()
    return run if run.ended_at else None


def begin(pace_s: float | None = None) -> int:
    """Judge and start, by default without a pace."""
    servers = {server.name: server for server in db.session.scalars(db.select(Server))}
    source, target = servers[SOURCE], servers[TARGET]
    run = start(assess(source, target, pace_s=pace_s, looks=ask_both(source, target)))
    db.session.commit()
    jobs.wake(run.id)
    return run.id


def prepare(users: int, hosts: Simulators) -> None:
    """An estate with everybody in it, synchronised."""
    database.ensure()
    estate.apply(estate.load(json.dumps(crowd_estate(users, hosts)), {}))
    db.session.commit()
    for result in sync.sync_servers():
        if result.problem:
            raise SystemExit(result.problem)


def crowd_estate(users: int, hosts: Simulators) -> dict[str, object]:
    """The estate file of the crowd."""
    today = utc_now()
    payment = {"plan": "Basic", "start": str((today - timedelta(days=10)).date()), "end": str((today + timedelta(days=10)).date())}
    return {
        "servers": [
            {"name": SOURCE, "platform": "jellyfin", "url": hosts.url(SOURCE), "token": Jellyfin(SOURCE).api_key},
            {"name": TARGET, "platform": "emby", "url": hosts.url(TARGET), "token": Emby(TARGET).api_key},
        ],
        "libraries": [{"server": server, "name": name, "group": STANDARD} for server in (SOURCE, TARGET) for name, _ in LIBRARIES],
        "plans": [{"name": "Basic", "library_groups": [STANDARD], "default": True}],
        "users": [{"name": name_of(number), "emby_email": email_of(number), "payments": [payment]} for number in range(1, users + 1)],
    }


@contextlib.contextmanager
def worker(config: Config) -> Iterator[int]:
    """The real worker; its process id."""
    log = open(config.var / "worker.log", "wb")  # noqa: SIM115
    process = subprocess.Popen([sys.executable, str(ROOT / "worker.py")], env=config.child_environ(), cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()
        log.close()


def wait_for_workers(count: int) -> None:
    """Returns when all of them listen."""
    deadline = time.monotonic() + 60
    while (jobs.workers_alive() or 0) < count:
        if time.monotonic() > deadline:
            raise SystemExit("The worker did not start.")
        time.sleep(LOOK_EVERY_S)


def peak_memory_kb(pid: int) -> int:
    """The largest VmHWM among a process and its descendants."""
    return max((high_water_kb(each) for each in family(pid)), default=0)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, those that have ended included."""
    return sum(map(own_cpu_seconds, family(pid)))


def own_cpu_seconds(pid: int) -> float:
    """User and system time of one process and of its children that have ended."""
    with contextlib.suppress(OSError):
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def family(pid: int) -> set[int]:
    """A process and its living descendants."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def high_water_kb(pid: int) -> int:
    """VmHWM of one process."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def minimum(users: int) -> Bare:
    """What the bare changing requests take, one after the other over kept connections."""
    with simulators(users) as hosts, requests.Session() as session:
        session.trust_env = False
        source, target = hosts.url(SOURCE), f"{hosts.url(TARGET)}/emby"
        here = {"Authorization": f'MediaBrowser Token="{Jellyfin(SOURCE).api_key}"'}
        there = {"X-Emby-Token": Emby(TARGET).api_key}
        folders = [row["Guid"] for row in session.get(f"{target}/Library/SelectableMediaFolders", headers=there, timeout=30).json()]
        rows = session.get(f"{source}/Users", headers=here, timeout=30).json()
        people = [row for row in rows if not row["Policy"]["IsAdministrator"]]
        began, cpu_before = time.monotonic(), time.process_time()
        for number, row in enumerate(people, start=1):
            move_bare(session, source, target, here, there, row, folders, email_of(number))
        return Bare(time.monotonic() - began, time.process_time() - cpu_before)


def move_bare(
    session: requests.Session,
    source: str,
    target: str,
    here: dict[str, str],
    there: dict[str, str],
    row: dict[str, object],
    folders: list[str],
    email: str,
) -> None:
    """The five requests that moving one user takes at least."""
    made = session.post(f"{target}/Users/New", json={"Name": row["Name"]}, headers=there, timeout=30).json()
    path = f"{target}/Users/{made['Id']}"
    session.post(f"{path}/Password", json={"Id": made["Id"], "NewPw": "x" * 43}, headers=there, timeout=30)
    policy = {**made["Policy"], "EnableAllFolders": False, "EnabledFolders": folders}
    session.post(f"{path}/Policy", json=policy, headers=there, timeout=30)
    session.post(f"{path}/Connect/Link", params={"ConnectUsername": email}, headers=there, timeout=30)
    closed = {**row["Policy"], "IsDisabled": True, "EnableAllFolders": False, "EnabledFolders": []}  # type: ignore[dict-item]
    session.post(f"{source}/Users/{row['Id']}/Policy", json=closed, headers=here, timeout=30)


def profiled(users: int, file: str) -> None:
    """One run in this process under cProfile."""
    import cProfile

    from panel.services import run as running

    with tempfile.TemporaryDirectory() as folder, simulators(users) as hosts:
        config = Config.from_env({"PANEL_VAR": folder, "REDIS_URL": "redis://127.0.0.1:9"}).ensure()
        with create_app(config).app_context():
            prepare(users, hosts)
            run_id = begin()
            profiler, began, cpu = cProfile.Profile(), time.monotonic(), time.process_time()
            if file != "-":
                profiler.enable()
            while not ended_run(run_id):
                running.work(run_id)
            profiler.disable()
            print(f"{time.monotonic() - began:.2f} s, of which at work {time.process_time() - cpu:.2f} s")
            if file != "-":
                profiler.dump_stats(file)


if __name__ == "__main__":
    sys.exit(main())
