"""Tokens, keys and passwords stay where they are needed: whole runs of the real processes leave them nowhere else."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from panel import jobs
from panel.config import Config
from panel.domain.statuses import MoveStatus, Removal
from panel.extensions import db
from panel.models import Admin, Migration, Move, Role, Server, Setting
from panel.platforms.base import PlatformError
from panel.services import servers
from panel.services.claims import choosing, links
from panel.services.run import undo
from panel.simulators.http import Fault
from tests.databases import BOTH
from tests.flask_up import flask_up
from tests.mission.mailbox import Mailbox, running_mailbox
from tests.processes import wait_until
from tests.scene import Scene
from tests.security.places import (
    Places,
    ProcessWatch,
    RedisWatch,
    failing,
    in_database,
    in_exceptions,
    in_files,
    in_mails,
    on_pages,
)

#: What is typed in and has to be found nowhere but encrypted.
SMTP_PASSWORD, TOTP = "marked-smtp-password-7714", "MARKEDTOTPSECRET77147714"
#: What a person chooses by the link, and how somebody signs in at the mail server.
CHOSEN, SMTP_USER = "marked-chosen-password-7714", "panel@example.test"
PATIENCE_S = 120.0


@pytest.fixture
def mailbox(app: Flask) -> Iterator[Mailbox]:
    """A mail server that the installation knows, and that takes nothing from who does not sign in."""
    with running_mailbox(login=(SMTP_USER, SMTP_PASSWORD)) as running:
        setting = Setting.current()
        setting.smtp_username, setting.smtp_password = SMTP_USER, SMTP_PASSWORD
        db.session.commit()
        yield running


@pytest.fixture
def stage(app: Flask, scene: Scene) -> Scene:
    """Oak (Plex), Cedar (Emby) and Birch (Jellyfin); somebody on Oak, somebody on Birch, somebody on Oak who fails."""
    for kind, name in (("plex", "Oak"), ("emby", "Cedar"), ("jellyfin", "Birch")):
        scene.add_server(kind, name)
    for name in ("Alice", "Felix"):
        scene.person(name)
    scene.person("Juna", on=scene.sides[2])
    return scene


def echo(side: Any) -> Fault:
    """The server refuses somebody and repeats what it was sent, key and all, as debugging answers do."""
    body = json.dumps({"message": f"Bad key {side.sim.api_key} given"})
    return Fault(method="POST", path="/Policy$", skip=1, times=1, status=400, body=body)


def ended(run_id: int) -> bool:
    """Whether a run has ended, read afresh."""
    db.session.rollback()
    return db.session.get_one(Migration, run_id, populate_existing=True).ended_at is not None


def begin(scene: Scene, source: int, target: int) -> int:
    """Start a run between two of the servers."""
    pair = scene.sides
    scene.sides = [pair[source], pair[target]]
    run_id = scene.start().id
    scene.sides = pair
    return run_id


def passwords_sent(scene: Scene) -> set[str]:
    """Every password that the panel gave an account."""
    bodies = [entry.call.body.decode() for side in scene.sides[1:] for entry in side.sim.calls(changes=True)]
    return {found for body in bodies for found in re.findall(r'"(?:NewPw|Password)": ?"([^"]+)"', body)}


def own_secrets(config: Config) -> dict[str, str]:
    """The installation's own keys."""
    ours = config.ensure()
    keys = {f"encryption key {number}": key for number, key in enumerate(ours.encryption_keys)}
    return {"key that signs": ours.secret_key, "password of Redis": ours.redis_password, **keys}


def access_tokens(scene: Scene) -> dict[str, str]:
    """What plex.tv hands out with each share, and with a server."""
    oak = scene.sides[0]
    found = {f"token of share {share.id}": share.token for share in scene.tv.shares_of(oak.sim)}
    return {**found, "token of the server Oak": oak.sim.token}


def secrets_of(scene: Scene) -> dict[str, str]:
    """What must not be found, by what it is."""
    found = {f"key of {side.row.name}": side.sim.api_key for side in scene.sides[1:]}
    found["token of Oak"] = scene.sides[0].owner.token
    found |= {f"password {number}": word for number, word in enumerate(sorted(passwords_sent(scene)))}
    signing_in = base64.b64encode(f"\0{SMTP_USER}\0{SMTP_PASSWORD}".encode()).decode()
    return {**found, "SMTP password": SMTP_PASSWORD, "SMTP password as sent": signing_in, "second factor": TOTP}


def choose_password(address: str) -> None:
    """What a person does at the end of their link."""
    with requests.Session() as browser:
        page = browser.get(address, timeout=20)
        assert page.status_code == 200
        forged = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
        assert forged
        sent = {"csrf_token": forged[1], "password": CHOSEN, "again": CHOSEN}
        done = browser.post(address, data=sent, headers={"Origin": address.partition("/claim")[0]}, timeout=20)
        assert done.status_code == 200 and CHOSEN not in done.text


def synced_at(server_id: int) -> Any:
    """When the last sync ended, read afresh."""
    db.session.rollback()
    return db.session.get_one(Server, server_id, populate_existing=True).synced_at


@contextmanager
def spoilt() -> Iterator[None]:
    """No sync comes to its end: it meets a database without a table, and what the driver says quotes the statement."""
    rename("share_libraries", "away")
    yield
    rename("away", "share_libraries")


def rename(table: str, other: str) -> None:
    """One table."""
    db.session.execute(db.text(f"ALTER TABLE {table} RENAME TO {other}"))
    db.session.commit()


class Story:
    """What the processes are put through, and which secrets there were on the way."""

    def __init__(self, scene: Scene, mailbox: Mailbox, web: str) -> None:
        self.scene, self.mailbox, self.web = scene, mailbox, web
        self.claimed = ""
        self.secrets: dict[str, str] = {}

    def run_both_ways(self, first: int) -> None:
        """A run that has begun, one to Plex, and a password that somebody chooses."""
        self._wait_for(first)
        self._wait_for(begin(self.scene, 2, 0))
        wait_until(lambda: claim_tokens(self.mailbox), PATIENCE_S)
        self.claimed = next(iter(claim_tokens(self.mailbox)))
        choose_password(f"{self.web}/claim/{self.claimed}")
        assert CHOSEN in passwords_sent(self.scene)

    def sync_all(self) -> None:
        """One after the other, as an administrator would."""
        for side in self.scene.sides:
            number, before = side.row.id, synced_at(side.row.id)
            assert jobs.wake_sync(number)
            wait_until(lambda number=number, before=before: synced_at(number) != before, PATIENCE_S)

    def fail_one(self, watch: RedisWatch) -> None:
        """A sync that ends in an exception, which Redis keeps."""
        with spoilt():
            assert jobs.wake_sync(self.scene.sides[1].row.id)
            wait_until(lambda: "Traceback" in watch.text and "share_libraries" in watch.text, PATIENCE_S)

    def take_back(self, run_id: int) -> None:
        """What the run did."""
        back = undo.start_undo(db.session.get_one(Migration, run_id)).id
        db.session.commit()
        assert jobs.wake(back)
        self._wait_for(back)

    def _wait_for(self, run_id: int) -> None:
        wait_until(lambda: ended(run_id), PATIENCE_S)
        self.secrets |= access_tokens(self.scene)


@pytest.mark.timeout(300)
@pytest.mark.thorough
@pytest.mark.parametrize("database_kind", BOTH)
def test_whole_runs_leave_no_secret_behind(app: Flask, config: Config, stage: Scene, mailbox: Mailbox, tmp_path: Path) -> None:
    log = tmp_path.parent / f"{tmp_path.name}-up.log"
    Setting.current().public_url = "http://panel.example"
    db.session.add(Admin(email="tot@example.test", role=Role.VIEWER, password_hash="x", session_key="k", totp_secret=TOTP))
    stage.sides[1].sim.faults.append(echo(stage.sides[1]))
    first = begin(stage, 0, 1)
    with RedisWatch(config) as watch, flask_up(config, log, PANEL_WORKERS="1") as up, ProcessWatch(up.pid) as processes:
        story = Story(stage, mailbox, up.address)
        story.secrets |= access_tokens(stage)
        story.run_both_ways(first)
        story.sync_all()
        story.fail_one(watch)
        story.take_back(first)
        places = in_files(config)
    seen = watch.text
    assert all(f"panel.jobs.{name}" in seen for name in ("runs.work_on", "mail.send", "sync.sync")), "jobs were seen while there were any"
    places |= {"Redis": seen, "log": up.said, "processes": processes.text, "mails": in_mails(mailbox.mails)}
    places |= {**on_pages(app), **in_exceptions(stage), **in_files(config), **in_database()}
    # Last, so that the passwords are among them that were sent in vain.
    secrets = {**story.secrets, **secrets_of(stage), **own_secrets(config)}
    require_nothing_found(places, secrets, story.claimed)


def require_nothing_found(places: Places, secrets: dict[str, str], claimed: str) -> None:
    """There was something to be found, and everywhere to look, and it is nowhere."""
    assert {"token of the server Oak", "SMTP password as sent", "key that signs"} < {*secrets} and CHOSEN in secrets.values()
    assert len([what for what in secrets if what.startswith("token of share")]) >= 3
    assert len(secrets) >= 14 and all(len(secret) >= 16 for secret in secrets.values())
    assert "worker.py" in places["processes"] and "PANEL_VAR=" in places["processes"]
    assert len([place for place in places if place.startswith(("rows of", "Oak", "Cedar", "Birch"))]) >= 25
    assert [(what, place) for place, text in places.items() for what, secret in secrets.items() if secret in text] == []
    # The person's browser and mailbox have the link, and nobody else; a page that makes a fresh one on demand shows another.
    assert claimed and [place for place, text in places.items() if claimed in text] == ["mails"]


def claim_tokens(mailbox: Mailbox) -> set[str]:
    """Out of the links in the mails so far."""
    texts = [part.get_content() for message in mailbox.mails for part in message.walk() if part.get_content_type() == "text/plain"]
    return {found for text in texts for found in re.findall(r"/claim/([\w-]{20,})", text)}


def test_finds_what_is_there(app: Flask, config: Config, stage: Scene) -> None:
    """The search itself: what is stored unencrypted is found in the database file."""
    stage.sides[0].row.problem = "marked-plain-text"
    db.session.commit()
    assert any("marked-plain-text" in text for text in in_files(config).values())


def test_finds_what_is_packed_in_a_mail() -> None:
    long, packed = f"marked-{'long-' * 30}text", "marked-packed-text"
    mail = EmailMessage()
    mail.set_content(f"Ü {long}", cte="quoted-printable")
    mail.add_attachment(f"name\n{packed}\n".encode(), maintype="text", subtype="csv", filename="users.csv")
    assert long not in mail.as_string() and packed not in mail.as_string()
    found = in_mails([mail])
    assert long in found and packed in found


def test_finds_what_only_a_short_lived_process_has_on_its_command_line() -> None:
    command = [sys.executable, "-c", "input()", "marked-argument"]
    with ProcessWatch(os.getpid()) as watch, subprocess.Popen(command, stdin=subprocess.PIPE) as made:
        wait_until(lambda: "marked-argument" in watch.text, 30)
        made.communicate(b"\n")
    assert "marked-argument" in watch.text


def test_what_fails_shows_no_secret_even_to_a_debugger(stage: Scene) -> None:
    shown = in_exceptions(stage)
    for number in (1, 2):
        stage.sides, all_sides = [stage.sides[0], stage.sides[number]], stage.sides
        [move, *_] = [move for move in stage.move(removal=Removal.KEEP).moves if move.status is MoveStatus.MOVED]
        stage.sides = all_sides
        side = stage.sides[number]
        shown |= {f"{side.row.name} chosen {what}": text for what, text in failing(stage, side, chooser(move)).items()}
    secrets = {**secrets_of(stage), **access_tokens(stage), "chosen": CHOSEN}
    assert all(len([place for place in shown if what in place]) >= 6 for what in ("Oak", "Cedar chosen", "Birch chosen", "new account"))
    assert [what for what in secrets if what.startswith("password")]
    assert [(what, place) for place, text in shown.items() for what, secret in secrets.items() if secret in text] == []


def chooser(move: Move) -> Callable[[], None]:
    """Chooses a password, by the link of the time before where that has come to nothing."""
    tokens = [""]

    def choose() -> None:
        link = links.find(links.CLAIM, tokens[-1])
        if link is None:
            tokens.append(links.make(links.CLAIM, move.id))
            link = links.find(links.CLAIM, tokens[-1])
            db.session.commit()
        assert link is not None
        choosing.choose_password(link, CHOSEN)

    return choose


def test_an_answer_that_repeats_the_key_is_quoted_without_it(stage: Scene) -> None:
    for side in stage.sides[1:]:
        body = json.dumps({"message": f"Key {side.sim.api_key} may not do this"})
        side.sim.faults.append(Fault(path="Users", times=None, status=400, body=body))
        remote = servers.remote_for(side.row)
        with pytest.raises(PlatformError) as caught:
            remote.members()
        remote.close()
        assert side.sim.api_key not in str(caught.value) and "may not do this" in str(caught.value)
