"""Somebody who was moved and chooses a password by their link, and what can break on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask

from panel.domain.statuses import Step
from panel.extensions import db
from panel.models import Migration, Move
from panel.platforms.base import PlatformError
from panel.platforms.http import HttpDoor
from panel.services import run as running
from panel.services.claims import choosing, links, reopening
from panel.simulators.http import Fault
from tests.scene import Scene

CHOSEN = "chosen by the person"


class Killed(BaseException):
    """The end of the web process."""


def pair(scene: Scene, target: str = "emby") -> None:
    """Ada on Old, whom a run would move to New; an Emby there keeps a password until it is reset."""
    scene.add_server("emby" if target == "jellyfin" else "jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    scene.person("ada")
    if target == "emby":
        scene.target.sim.keeps_passwords = True


def link_to(move: Move) -> str:
    """What a fresh link to choose a password has at its end."""
    token = links.make(links.CLAIM, move.id)
    db.session.commit()
    return token


def choose(token: str, password: str = CHOSEN) -> None:
    """As the page behind the link does it."""
    link = links.find(links.CLAIM, token)
    assert link is not None, "the link still works"
    choosing.choose_password(link, password)


def watch(scene: Scene) -> Any:
    """Ada's account on the target, of which each moment is noted in which it stands open."""
    account = scene.target.sim.user("ada")
    scene.target.sim.exposure.watch(account)
    return account


def closed_without_a_password(scene: Scene, move: Move) -> str:
    """Emby goes away right after the reset: the link that was used."""
    token, sim = link_to(move), scene.target.sim
    sim.faults.append(Fault("POST", "/Password", skip=2, times=None, drop=True))
    with pytest.raises(PlatformError):
        choose(token)
    sim.faults.clear()
    assert scene.opened("ada") is None and sim.user("ada").password == ""
    return token


def stood_open(scene: Scene) -> bool:
    """Whether an enabled account had no password at any moment since it was made, which on Emby takes one request."""
    return scene.target.sim.exposed_moments() not in ([], [("ada", 1)])


@contextmanager
def killed_at(number: int, moment: str) -> Iterator[None]:
    """The process ends before or after this changing request, counted from 1."""
    genuine, sent = HttpDoor.send, [0]

    def send(door: HttpDoor, method: str, path: str, **how: Any) -> bytes:
        sent[0] += method != "GET"
        if method != "GET" and sent[0] == number and moment == "before":
            raise Killed
        try:
            return genuine(door, method, path, **how)
        finally:
            if method != "GET" and sent[0] == number:
                raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpDoor, "send", send)
        with pytest.raises(Killed):
            yield
    db.session.rollback()
    db.session.expire_all()


def housekeep() -> int:
    """What the periodic check finds, done at once; how many accounts it took up."""
    links = reopening.due()
    for link_id in links:
        reopening.reopen(link_id)
    db.session.expire_all()
    return len(links)


def at_take(scene: Scene) -> Migration:
    """A run whose one person is read back and waits for the source access to go."""
    run = scene.start()
    for _ in range(20):
        db.session.expire_all()
        if run.moves[0].step is Step.TAKE:
            break
        running.work(run.id, slice_s=0)
    assert run.moves[0].step is Step.TAKE
    run.looked_at = None
    db.session.commit()
    return run


def once_reset(scene: Scene, app: Flask, act: Callable[[], None]) -> None:
    """Do something else while the account has been reset and has no password yet."""
    sim = scene.target.sim

    def aside() -> None:
        with app.app_context():
            act()

    def on_call(call: Any, moment: str) -> None:
        if moment == "after" and b"ResetPassword" in call.body:
            sim.on_call = None
            thread = threading.Thread(target=aside)
            thread.start()
            thread.join(30)

    sim.on_call = on_call
