"""One pair of servers with two people and a run that is ready to go, put back to its beginning between any number of tries."""

from __future__ import annotations

import copy
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select

from panel import create_app
from panel.config import Config
from panel.domain.statuses import MoveStatus, Removal
from panel.extensions import db
from panel.jobs import invites
from panel.models import Migration, Move, Setting, SmtpSecurity
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.run import undo
from panel.simulators.http import Call, Simulator
from panel.simulators.plex_tv import PlexTv
from tests.compiled import remember_statements
from tests.databases import upgraded_database_url
from tests.faults.kept import keep_database
from tests.processes import wait_until
from tests.scene import Scene
from tests.watched import violations, watch

PEOPLE = ("ada", "ben")
QUICK = {"PANEL_OUTAGE_WAITS_S": "0.02,0.02,0.02,0.02", "PANEL_RETRY_WAITS_S": "0.01,0.01,0.02", "PANEL_LEASE_S": "20"}
#: What belongs to a simulator's sockets and hooks, not to its state.
KEPT = ("lock", "_server", "host", "port", "on_call", "faults")


class Stage:
    """The pair, its simulators, its database; `reset` brings all of them back to the moment at which the run was queued."""

    def __init__(self, scene: Scene, config: Config, run: Migration, *, watches: bool) -> None:
        self.scene, self.config, self.run_id = scene, config, run.id
        self.sims: tuple[Simulator, ...] = (scene.tv, *(side.sim for side in scene.sides))
        if watches:
            watch()
        for side in scene.sides:
            # Read, since what was read before may have been let go of with a transaction: they are asked without a session from here on.
            side.row = db.session.merge(side.row)
            db.session.refresh(side.row)
        self.let_go()
        self._kept = keep_database(config.database_url)
        self._state = self._copied([{key: value for key, value in vars(sim).items() if key not in KEPT} for sim in self.sims])

    def reset(self) -> None:
        """As it was at the beginning: both servers, plex.tv, our database; no hooks, no faults. Each status has followed from the one
        before until now."""
        self.require_rules_kept()
        self.let_go()
        self._kept.bring_back()
        for sim, state in zip(self.sims, self._copied(self._state), strict=True):
            with sim.lock:
                vars(sim).update(state)
                sim.on_call = None
                sim.faults.clear()
                sim.journal.clear()

    @property
    def database(self) -> Path:
        """The file of the database, where it is SQLite."""
        return Path(self.config.database_url.removeprefix("sqlite:///"))

    def let_go(self) -> None:
        """Nothing of the database is open in this process."""
        db.session.remove()
        db.engine.dispose()

    def require_rules_kept(self) -> None:
        """No status has followed one that it may not follow."""
        db.session.rollback()
        assert violations() == []

    def forget(self) -> None:
        """Throw away what is kept for `reset`."""
        self.let_go()
        self._kept.forget()

    def hook(self, on_call: Callable[[Call, str], None] | None) -> None:
        """Have every simulator tell of its calls."""
        for sim in self.sims:
            sim.on_call = on_call

    def wait_for_silence(self) -> None:
        """Until no simulator holds a connection: what a dead worker had on its way has arrived by then."""
        wait_until(lambda: not any(sim.is_talking for sim in self.sims))

    @property
    def run(self) -> Migration:
        """The run, read afresh."""
        db.session.rollback()
        return db.session.get_one(Migration, self.run_id, populate_existing=True)

    def in_hand(self) -> frozenset[str]:
        """The names of those whom a worker has in hand, or had when it died."""
        whose = select(Move.name).where(Move.migration_id == self.run_id, Move.claim.is_not(None))
        found = frozenset(db.session.scalars(whose))
        self.let_go()
        return found

    def labour(self) -> None:
        """Work in this process until the run has ended, everybody has accepted, and what follows from that is done too."""
        labour(self.run_id, self.accept)

    def accept(self) -> None:
        """Everybody accepts what they were invited to."""
        accept(self.scene.tv)

    def _copied(self, value: Any) -> Any:
        """A deep copy in which simulators are themselves."""
        memo: dict[int, Any] = {id(sim): sim for sim in self.sims}
        memo |= {id(sim.lock): sim.lock for sim in self.sims}
        return copy.deepcopy(value, memo)


def labour(run_id: int, accept: Callable[[], None]) -> None:
    """What workers do about one run, in a row, from whatever state it is in. Raises `AssertionError` when it never ends."""
    for _ in range(400):
        left = running.work(run_id)
        run = db.session.get_one(Migration, run_id, populate_existing=True)
        if run.ended_at is not None and run.id not in running.due():
            if not any(move.status is MoveStatus.INVITED for move in run.moves):
                return
            accept()
            invites.check(run.target_id)
        elif left.wake_at is not None:
            threading.Event().wait(min(1.0, max(0.0, (left.wake_at - utc_now()).total_seconds())))
        db.session.remove()
    raise AssertionError(f"The run never ends: {run.status} {run.wake_reason} {run.problem}")


def accept(tv: PlexTv) -> None:
    """Everybody accepts what they were invited to."""
    for sim in tv.servers:
        for share in tv.shares_of(sim):
            if share.pending:
                tv.accept(share)


@contextmanager
def stage(
    source: str,
    target: str,
    *,
    width: int = 1,
    same_account: bool = False,
    database: str = "sqlite",
    mail_port: int = 0,
    undoes: bool = False,
    watches: bool = True,
    **environ: str,
) -> Iterator[Stage]:
    """A stage for this pair; `width`: how many users are moved at once; `mail_port`: where a mail server listens, if one does; `undoes`:
    everybody has been moved, and the run that is ready to go takes that back; `watches`: whether each status has to follow from the one
    before, which the database notes in tables that no backup knows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        tv = PlexTv()
        stack.enter_context(tv.running())
        url = stack.enter_context(upgraded_database_url(database, folder))
        named = {"PANEL_VAR": str(folder), "DATABASE_URL": url, "PLEX_TV_URL": tv.url, "PANEL_SIDE_BY_SIDE": str(width), **QUICK, **environ}
        config = Config.from_env(named).ensure()
        stack.enter_context(opened(config))
        scene = Scene(tv, stack)
        run = queued(scene, source, target, same_account=same_account, mail_port=mail_port)
        made = Stage(scene, config, taken_back(scene, run) if undoes else run, watches=watches)
        try:
            yield made
            made.require_rules_kept()
        finally:
            made.forget()


@contextmanager
def opened(config: Config) -> Iterator[Flask]:
    """The app of this installation and a context."""
    app = create_app(config)
    with app.app_context():
        remember_statements(db.engine)
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


def taken_back(scene: Scene, run: Migration) -> Migration:
    """Everybody is moved; answers the run that is to take that back. What was on the way there counts for nothing any more."""
    labour(run.id, lambda: accept(scene.tv))
    back = undo.start_undo(db.session.get_one(Migration, run.id))
    db.session.commit()
    scene.tv.deleted_shares.clear()
    return back


def queued(
    scene: Scene,
    source: str,
    target: str,
    *,
    same_account: bool = False,
    people: tuple[str, ...] = PEOPLE,
    pace_s: float = 0.0,
    mail_port: int = 0,
) -> Migration:
    """Two servers, people on the source, mails switched on, and a run that waits for its worker."""
    settings = Setting.current()
    settings.admin_email, settings.smtp_host, settings.smtp_sender = "admin@example.test", "127.0.0.1", "panel@example.test"
    settings.public_url = "http://panel.example.test"
    if mail_port:
        settings.smtp_port, settings.smtp_security = mail_port, SmtpSecurity.NONE
    first = scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", owner=first.owner if same_account else None)
    for name in people:
        scene.person(name)
    return scene.start(removal=Removal.WHEN_ACTIVE, pace_s=pace_s)
