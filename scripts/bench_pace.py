"""How well the pace is kept: a short run of the real worker between two simulated Plex servers of one account."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from panel import jobs
from panel.domain.libraries import STANDARD
from panel.domain.statuses import Removal
from panel.extensions import db
from panel.models import Migration, Server
from panel.models.types import utc_now
from panel.services import estate, sync
from panel.services.preflight import ask_both, assess
from panel.services.run.start import start
from panel.simulators.plex_server import PlexServer
from panel.simulators.plex_tv import PlexTv

SOURCE, TARGET, OWNER = "Alder", "Beech", "owner@people.example"
LOOK_EVERY_S = 0.2
#: How much longer than its turns a run may take, in seconds.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Gaps:
    """Seconds between one new share and the next, as plex.tv saw them, against the pace."""

    pace_s: float
    seconds: list[float]

    def __str__(self) -> str:
        smallest, median, largest = (
            f"{each / self.pace_s * 100:.1f} %" for each in (min(self.seconds), statistics.median(self.seconds), max(self.seconds))
        )
        return f"  gaps between shares, of the pace: smallest {smallest}, median {median}, largest {largest} (aim: 100 to 105 %)"


def measured(installation: Callable[..., AbstractContextManager[int]], users: int, pace_s: float) -> Gaps:
    """Move `users` at this pace. `installation` gives a panel with workers that has the settings it is called with."""
    with plex(users) as (tv, servers), installation(PLEX_TV_URL=tv.url):
        prepare(users, servers)
        wait_for_end(begin(pace_s), users * pace_s + PATIENCE_S)
        times = [entry.at for entry in tv.calls("POST", "/shared_servers$")]
    if len(times) != users:
        raise SystemExit(f"{len(times)} shares were made for {users} users.")
    return Gaps(pace_s, [later - earlier for earlier, later in itertools.pairwise(times)])


@contextmanager
def plex(users: int) -> Iterator[tuple[PlexTv, list[PlexServer]]]:
    """A plex.tv with an account that owns two servers; everybody has a share of the first."""
    tv = PlexTv()
    owner = tv.add_account("owner", OWNER, plex_pass=True)
    servers = [tv.add_server(owner, name, [("Films", "movie")]) for name in (SOURCE, TARGET)]
    for number in range(users):
        tv.share(servers[0], tv.add_account(name_of(number), email_of(number)), ["Films"])
    with ExitStack() as stack:
        for host in (tv, *servers):
            stack.enter_context(host.running())
        yield tv, servers


def prepare(users: int, servers: list[PlexServer]) -> None:
    """An estate with everybody in it, synchronised."""
    today = utc_now()
    payment = {"plan": "Basic", "start": str((today - timedelta(days=10)).date()), "end": str((today + timedelta(days=10)).date())}
    token = servers[0].owner.token
    file = {
        "plex_accounts": [{"email": OWNER, "token": token, "has_plex_pass": True}],
        "servers": [{"name": each.name, "platform": "plex", "url": each.url, "plex_account": OWNER} for each in servers],
        "libraries": [{"server": each.name, "name": "Films", "group": STANDARD} for each in servers],
        "plans": [{"name": "Basic", "library_groups": [STANDARD], "default": True}],
        "users": [{"name": name_of(number), "plex_email": email_of(number), "payments": [payment]} for number in range(users)],
    }
    estate.apply(estate.load(json.dumps(file), {}))
    db.session.commit()
    for result in sync.sync_servers():
        if result.problem:
            raise SystemExit(result.problem)


def begin(pace_s: float) -> int:
    """Judge and start; the source access is kept, so that each user takes one turn."""
    servers = {server.name: server for server in db.session.scalars(db.select(Server))}
    source, target = servers[SOURCE], servers[TARGET]
    run = start(assess(source, target, removal=Removal.KEEP, pace_s=pace_s, looks=ask_both(source, target)))
    db.session.commit()
    jobs.wake(run.id)
    return run.id


def wait_for_end(run_id: int, patience_s: float) -> None:
    """Returns when the run has ended."""
    deadline = time.monotonic() + patience_s
    while db.session.get_one(Migration, run_id, populate_existing=True).ended_at is None:
        db.session.rollback()
        if time.monotonic() > deadline:
            raise SystemExit("The paced run did not end in time.")
        time.sleep(LOOK_EVERY_S)
    db.session.rollback()


def name_of(number: int) -> str:
    """The account name of one of them."""
    return f"guest-{number:03}"


def email_of(number: int) -> str:
    """Their address at plex.tv."""
    return f"{name_of(number)}@people.example"
