"""The demo on stage: a folder emptied at each start, the simulators beside the panel, the estate imported, one migration under way."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask

from panel import create_app, jobs, launcher, listening
from panel.config import Config, is_setting
from panel.demo import ports
from panel.demo.estate import ADMIN, estate
from panel.demo.simulators import CONTROL, INBOX, SMTP
from panel.demo.world import PLEX_TV, World
from panel.extensions import db
from panel.models import Server
from panel.services import admins, database, sync
from panel.services import estate as importing
from panel.services.preflight import ask_both, assess
from panel.services.run.start import start
from panel.tree import Tree, TreeError

LOCK = "up.lock"


@dataclass
class Stage:
    """One demo: where its files are, where panel and hosts listen, the pace of its migrations in seconds."""

    folder: Path
    door: socket.socket
    pace_s: float
    world: World = field(default_factory=World)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9), repr=False)
    doors: dict[str, socket.socket] = field(init=False)
    listening: dict[str, int] = field(init=False)
    app: Flask | None = None

    def __post_init__(self) -> None:
        self.doors = {name: listening.listen(ports.HOST, 0) for name in [*self.world.hosts, INBOX, SMTP, CONTROL]}
        self.listening = {name: listening.port_of(door) for name, door in self.doors.items()}

    @property
    def inbox_url(self) -> str:
        """Where the mails can be read."""
        return ports.url(self.listening[INBOX])

    def config(self) -> Config:
        """The demo's own installation: nothing of the environment's settings but what has to do with this machine."""
        environ = {
            "PANEL_VAR": str(self.folder),
            "PANEL_PUBLIC_URL": launcher.address(ports.HOST, listening.port_of(self.door)),
            "PLEX_TV_URL": ports.url(self.listening[PLEX_TV]),
            "PANEL_RETRY_WAITS_S": "1,2,4",
        }
        return Config.from_env({name: value for name, value in os.environ.items() if not is_setting(name)} | environ)

    def set_up(self, tree: Tree) -> None:
        """What comes before the panel's own processes: simulators, then everything imported and synchronised."""
        argv = [sys.executable, "-m", "panel.demo.simulators", "--sockets", ports.written(self.doors)]
        tree.add("hosts", argv, self.config().child_environ(), sockets=list(self.doors.values()), ready=self._hosts_answer)
        if tree.stopping:
            return
        self.app = create_app(self.config())
        with self.app.app_context():
            database.upgrade()
            admins.create(ADMIN, self.password)
            self._import()
            self._sync()
            db.session.remove()
            db.engine.dispose()

    def begin(self) -> int:
        """Start the demo's own migration; its number."""
        assert self.app is not None
        with self.app.app_context():
            source, target = (Server.by_name(name) for name in self.world.cast.first_run)
            assert source is not None and target is not None
            run = start(assess(source, target, looks=ask_both(source, target)))
            db.session.commit()
            jobs.wake(run.id)
            return run.id

    def _hosts_answer(self) -> bool:
        # The last one to start.
        return launcher.web_answers(ports.HOST, self.listening[CONTROL])

    def _import(self) -> None:
        document = estate(self.world, self.listening, pace_s=self.pace_s)
        importing.apply(importing.load(json.dumps(document, ensure_ascii=False), {}))
        db.session.commit()

    def _sync(self) -> None:
        reachable = [place.name for place in self.world.cast.places if place.reachable]
        problems = [str(result) for result in sync.sync_servers(reachable) if result.problem]
        if problems:
            raise TreeError(" ".join(problems))


def emptied(environ: Mapping[str, str] | None = None) -> Path:
    """The folder `demo` in PANEL_VAR, emptied. Raises `TreeError` while another demo runs in it."""
    folder = Config.from_env(environ).var / "demo"
    place = Config.from_env({"PANEL_VAR": str(folder)})
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with launcher.single_tree(place):
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != LOCK:
                entry.unlink()
    return folder
