"""Measures the panel with very many users (`make bench`): each list and page, the start of a run, and the sync of a whole server.

The pages are asked in this process, one after the other, of a database that `flask seed` would fill; what counts is the processor's
time, which other programs on the machine do not add to. As it depends on the machine all the same, beside each page stands how many
times that of a signed-in page of the same app it is which does nothing but `SELECT 1`.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import Simulators, simulators
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from panel import create_app
from panel.config import Config
from panel.demo.crowd import SOURCE, TARGET
from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Admin, Library, LibraryGroup, Migration, Move, Payment, Plan, PossibleTwin, Role, Server, User
from panel.models.types import utc_now
from panel.services import audit, database, payments, seed, shares, sync, user_list
from panel.services.basics import ensure_basics
from panel.services.preflight import assess
from panel.services.run.start import start
from panel.simulators.emby import Emby
from panel.simulators.jellyfin import Jellyfin

MOST_MS, MOST_KB = 50.0, 100.0
MOST_FIRST_SYNC_S, MOST_NEXT_SYNC_S, MOST_START_S, MOST_PREFLIGHT_S = 15.0, 5.0, 1.0, 1.5
BARE = "/bench/select-1"


@dataclass(frozen=True)
class Measured:
    """One address: statements sent, median seconds of the processor, bytes of the answer."""

    queries: int
    seconds: float
    size: int

    @property
    def is_over(self) -> bool:
        """Whether it takes longer or weighs more than a page may."""
        return self.seconds * 1000 > MOST_MS or self.size / 1000 > MOST_KB


def main() -> int:
    """Prints the tables; 1 when anything is over its limit."""
    parser = argparse.ArgumentParser(description="Measure the panel with many users.")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-sync", action="store_true", help="only the pages of a seeded database")
    options = parser.parse_args()
    over = pages(options.users, options.rounds)
    over += 0 if options.no_sync else syncs(options.users)
    return min(over, 1)


def pages(users: int, rounds: int) -> int:
    """The table of pages; how many are over."""
    with installation() as app:
        with app.app_context():
            few = addresses(plant(users))
        client = signed_in(app)
        bare = ask(app, client, BARE, rounds)
        print(f"\nThe panel with {users} users; a page that does nothing takes {bare.seconds * 1000:.1f} ms; medians of {rounds}")
        print(f"  {'page':<58}{'queries':>8}{'ms':>9}{'x bare':>8}{'KB':>8}")
        return sum(print_page(address, ask(app, client, address, rounds), bare) for address in few)


def print_page(address: str, found: Measured, bare: Measured) -> bool:
    """One line; whether it is over."""
    shown = address if len(address) < 57 else f"{address[:54]}…"
    figures = f"{found.queries:>8}{found.seconds * 1000:>9.1f}{found.seconds / bare.seconds:>8.1f}{found.size / 1000:>8.1f}"
    print(f"  {shown:<58}{figures}{'  over' if found.is_over else ''}", flush=True)
    return found.is_over


@contextlib.contextmanager
def installation() -> Iterator[Flask]:
    """The app on a new SQLite database in a folder of its own, with a page that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Config.from_env({"PANEL_VAR": folder, "REDIS_URL": "redis://127.0.0.1:9"}).ensure())
        app.config["WTF_CSRF_ENABLED"] = False
        app.add_url_rule(BARE, "bench_bare", lambda: str(db.session.scalar(db.text("SELECT 1"))))
        with app.app_context():
            database.ensure()
            db.session.add(Admin(email="bench@example.test", role=Role.ADMINISTRATOR, password_hash="", session_key="key"))
            db.session.commit()
        yield app
        with app.app_context():
            db.engine.dispose()


def signed_in(app: Flask) -> FlaskClient:
    """A browser as signing in leaves it."""
    client = app.test_client()
    with app.app_context():
        session_value = db.session.scalars(db.select(Admin)).one().get_id()
    with client.session_transaction() as session:
        session.update(_user_id=session_value, _fresh=True)
    return client


def ask(app: Flask, client: FlaskClient, address: str, rounds: int) -> Measured:
    """The same address once to warm up and `rounds` times more."""
    with statements(app) as sent:
        answer = client.get(address)
    if answer.status_code not in (200, 204):
        raise SystemExit(f"{address} answers {answer.status_code}.")
    seconds = [timed(lambda: client.get(address), time.process_time) for _ in range(rounds)]
    return Measured(len(sent), statistics.median(seconds), len(answer.data))


@contextlib.contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []
    with app.app_context():
        engine = db.engine

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def timed(what: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds."""
    began = clock()
    what()
    return clock() - began


def plant(users: int) -> Migration:
    """The seeded users, a hundred questions, a thousand changes, and a run of them all of which some have ended."""
    seed.plant(users)
    source, target = db.session.scalars(db.select(Server).order_by(Server.id)).all()
    ids = db.session.scalars(db.select(User.id).order_by(User.id).limit(200)).all()
    db.session.add_all(PossibleTwin(user_id=one, other_id=other, why="?") for one, other in zip(ids[::2], ids[1::2], strict=True))
    for number in range(1000):
        audit.note("bench@example.test", "user.edited", f"User {number}", "Name")
    run = start(assess(source, target))
    db.session.execute(db.update(Move).where(Move.position % 7 == 1).values(status=MoveStatus.MOVED))
    db.session.execute(db.update(Move).where(Move.position % 7 == 2).values(status=MoveStatus.FAILED, retryable=True))
    db.session.commit()
    return run


def addresses(run: Migration) -> list[str]:
    """Each list with each filter, order and a search, and each page that could grow with the users."""
    user = db.session.scalars(db.select(User).order_by(User.id)).first()
    assert user is not None
    plan = db.session.scalars(db.select(Plan.id).order_by(Plan.id)).first()
    pair, page = f"source={run.source_id}&target={run.target_id}", f"/migrations/{run.id}"
    return [
        "/servers",
        *listed(
            "/users", user_list.orders(), show=user_list.SHOWN, server=[run.source_id], q=["user12", "nobody has this", "e"], page=[150]
        ),
        *(f"/users/{user.id}{rest}" for rest in ("", "/edit", "/delete", "/merge?q=user")),
        "/users/bulk?all=1",
        *listed("/payments", payments.orders(), state=payments.STATES, plan=[plan], q=["user12"], page=[150]),
        "/payments/extend?all=1",
        *listed("/shares", shares.orders(), state=shares.STATES, server=[run.source_id], q=["user12"], page=[150]),
        *listed("/invites", {}, **{"from": ["sync"]}),
        "/libraries",
        "/libraries/groups",
        "/libraries/suggestions",
        "/plans",
        "/comparison",
        f"/comparison?{pair}",
        "/first-steps",
        "/migrations",
        f"/migrations/new?source={run.source_id}",
        page,
        f"{page}?status=skipped&page=30",
        f"{page}/progress",
        *listed("/settings/changes", {"at": ()}, q=["User 99"], page=[10]),
        *listed("/same-person", {}),
    ]


def listed(address: str, orders: object, **filters: object) -> list[str]:
    """A list as it opens, in each order both ways, and narrowed by each of the filters."""
    sorted_by = [f"sort={sign}{key}" for key in orders for sign in ("", "-")]  # type: ignore[attr-defined]
    narrowed = [f"{name}={value}" for name, values in filters.items() for value in values]  # type: ignore[attr-defined]
    return [address, *(f"{address}?{query}" for query in [*sorted_by, *narrowed])]


def syncs(users: int) -> int:
    """The table of what takes longer than a page; how many are over."""
    with installation() as app, simulators(users) as hosts:
        with app.app_context():
            add_servers(hosts)
            first, second = (clocked(lambda: sync_source(users)) for _ in range(2))
            pair = make_ready()
        client = signed_in(app)
        bare = statistics.median(timed(lambda: client.get(BARE)) for _ in range(5))
        dialog = {"HX-Request": "true", "HX-Target": "preflight"}
        judged = clocked(lambda: expect(client.get(f"/migrations/new?{pair}", headers=dialog), 200))
        form = dict(part.split("=") for part in pair.split("&")) | {"removal": "when-active"}
        begun = clocked(lambda: expect(client.post("/migrations", data=form, headers=dialog), 200, 204, 303))
    print(f"\n  {f'{users} users of one simulated Jellyfin server':<50}{'s':>8}{'of it here':>12}{'ratio':>16}")
    return sum(
        (
            print_long("the first sync", first, MOST_FIRST_SYNC_S, ""),
            print_long("the same again, nothing changed", second, MOST_NEXT_SYNC_S, f"{second[0] / first[0]:.2f} of first"),
            print_long("preflight in the dialog, both servers asked", judged, MOST_PREFLIGHT_S, f"{judged[0] / bare:.0f} x bare"),
            print_long("the click that starts the run", begun, MOST_START_S, f"{begun[0] / bare:.0f} x bare"),
        )
    )


def clocked(what: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and those of them that this process has computed; the rest is the simulators, the disk and other programs."""
    began = time.process_time()
    seconds = timed(what)
    return seconds, time.process_time() - began


def print_long(what: str, seconds: tuple[float, float], most: float, ratio: str) -> bool:
    """One line; whether it is over."""
    is_over = seconds[0] > most
    print(f"  {what:<50}{seconds[0]:>8.2f}{seconds[1]:>12.2f}{ratio:>16}{f'  over {most:g} s' if is_over else ''}", flush=True)
    return is_over


def add_servers(hosts: Simulators) -> None:
    """The two of the crowd, as an administrator would add them."""
    ensure_basics()
    groups = list(db.session.scalars(db.select(LibraryGroup).where(LibraryGroup.name == "Standard")))
    db.session.add(Plan(name="Basic", is_default=True, groups=groups))
    keys = {SOURCE: (Platform.JELLYFIN, Jellyfin(SOURCE).api_key), TARGET: (Platform.EMBY, Emby(TARGET).api_key)}
    db.session.add_all(Server(name=name, platform=keys[name][0], token=keys[name][1], url=hosts.url(name)) for name in (SOURCE, TARGET))
    db.session.commit()


def sync_source(users: int) -> None:
    """Ends the measuring when not everybody was found."""
    [result] = sync.sync_servers([SOURCE])
    if result.problem or result.users_found < users:
        raise SystemExit(str(result))
    db.session.remove()


def make_ready() -> str:
    """Everybody may move; the pair as a query."""
    sync.sync_servers([TARGET])
    standard = db.session.scalars(db.select(LibraryGroup.id).where(LibraryGroup.name == "Standard")).one()
    db.session.execute(db.update(Library).values(group_id=standard))
    db.session.execute(db.update(User).values(emby_email=User.name + "@people.example"))
    db.session.execute(db.update(Payment).values(end_at=utc_now().replace(year=utc_now().year + 1)))
    db.session.commit()
    ids = {row[0]: row[1] for row in db.session.execute(db.select(Server.name, Server.id))}
    return f"source={ids[SOURCE]}&target={ids[TARGET]}"


def expect(answer: object, *statuses: int) -> None:
    """Ends the measuring when an answer is another one."""
    status = getattr(answer, "status_code", 0)
    if status not in statuses:
        raise SystemExit(f"{status}: {getattr(answer, 'text', '')[:500]}")


if __name__ == "__main__":
    sys.exit(main())
