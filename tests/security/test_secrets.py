"""Tokens, keys and passwords stay where they are needed: two whole runs of the real processes leave them nowhere else."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from flask import Flask

from panel.config import ROOT, Config
from panel.extensions import db
from panel.models import Admin, Migration, Role, Setting
from panel.platforms.base import PlatformError
from panel.services import servers
from panel.simulators.http import Fault
from tests.mission.mailbox import Mailbox, running_mailbox
from tests.mission.stage import cli
from tests.processes import descendants, wait_until
from tests.scene import Scene
from tests.web.asking import Browser
from tests.web.conftest import signed_in
from tests.web.test_roles import routes

#: What is typed in and has to be found nowhere but encrypted.
SMTP_PASSWORD, TOTP = "marked-smtp-password-7714", "MARKEDTOTPSECRET77147714"
PATIENCE_S = 120.0

Places = dict[str, str]


@contextmanager
def tree(config: Config, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`flask up` on this installation, whose words go to `log`; stopped at the end."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "flask", "up", "--port", "0"]
        process = subprocess.Popen(
            command, cwd=ROOT, env={**config.child_environ(), "PANEL_WORKERS": "1"}, start_new_session=True, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE_S)


@pytest.fixture
def mailbox(app: Flask) -> Iterator[Mailbox]:
    """A mail server that the installation knows."""
    with running_mailbox() as running:
        Setting.current().smtp_password = SMTP_PASSWORD
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


def secrets_of(scene: Scene) -> dict[str, str]:
    """What must not be found, by what it is."""
    found = {f"key of {side.row.name}": side.sim.api_key for side in scene.sides[1:]}
    found["token of Oak"] = scene.sides[0].owner.token
    found |= {f"password {number}": word for number, word in enumerate(sorted(passwords_sent(scene)))}
    return {**found, "SMTP password": SMTP_PASSWORD, "second factor": TOTP}


def in_redis(config: Config) -> str:
    """All keys and values, and those that are packed, unpacked."""
    client = redis.Redis.from_url(config.ensure().redis_url)
    readers: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    found: list[str] = []
    for key in client.scan_iter():
        value = readers[client.type(key)](key)
        found += [repr(key), repr(value)]
        for packed in value.values() if isinstance(value, dict) else []:
            try:
                found.append(repr(zlib.decompress(packed)))
            except zlib.error:
                continue
    client.close()
    return "\n".join(found)


def in_files(config: Config) -> Places:
    """Everything the installation has written, but for the files that are its own keys."""
    files = [path for path in config.var.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    return {str(path.relative_to(config.var)): path.read_bytes().decode("latin-1") for path in files}


def on_pages(app: Flask) -> Places:
    """Every page an administrator can open, and what commands print."""
    app.test_client_class = Browser
    client = signed_in(app, "eve@example.test", Role.ADMINISTRATOR)
    pages = {address: client.get(address).get_data(as_text=True) for _, _, address in routes(app, ("GET",))}
    commands = (("migrations", "1", "--json"), ("migrations", "--json"), ("sync",), ("preflight", "Oak", "Cedar", "--json"))
    return {**pages, **{" ".join(command): cli(app, *command).output for command in commands}}


def in_processes(process: subprocess.Popen[bytes]) -> str:
    """Command lines and environments of the whole tree."""
    found = []
    for pid, command in descendants(process.pid).items():
        found += [command, (Path("/proc") / str(pid) / "environ").read_bytes().decode("latin-1")]
    return "\n".join(found)


def in_exceptions(scene: Scene) -> Places:
    """What calls raise that fail in every way, with their causes and the values a debugger shows."""
    found = {}
    for side in scene.sides:
        hosts = [side.sim, scene.tv] if side.owner else [side.sim]
        faults = [
            Fault(times=1, drop=True),
            Fault(times=1, status=500, body="x"),
            Fault(times=1, status=400, body='{"message": "token=abc"}'),
            Fault(times=1, html=True),
            Fault(times=1, half=True),
        ]
        for number, fault in enumerate(faults):
            for host in hosts:
                host.faults[:] = [fault]
            remote = servers.remote_for(side.row)
            try:
                remote.members()
            except PlatformError as error:
                where = traceback.TracebackException.from_exception(error)
                found[f"{side.row.name} {number}"] = "".join(where.format()) + repr(error) + repr(error.__cause__) + repr(error.__context__)
            finally:
                remote.close()
                for host in hosts:
                    host.faults.clear()
        found[f"repr of {side.row.name}"] = f"{side.row!r} {remote!r} {side.row.plex_account!r}"
    return found


@pytest.mark.timeout(300)
@pytest.mark.thorough
def test_two_whole_runs_leave_no_secret_behind(app: Flask, config: Config, stage: Scene, mailbox: Mailbox, tmp_path: Path) -> None:
    log = tmp_path.parent / f"{tmp_path.name}-up.log"
    Setting.current().public_url = "http://panel.example"
    db.session.add(Admin(email="tot@example.test", role=Role.VIEWER, password_hash="x", session_key="k", totp_secret=TOTP))
    stage.sides[1].sim.faults.append(echo(stage.sides[1]))
    first = begin(stage, 0, 1)
    claimed = ""
    with tree(config, log) as process:
        wait_until(lambda: ended(first), PATIENCE_S)
        second = begin(stage, 2, 0)
        wait_until(lambda: ended(second), PATIENCE_S)
        wait_until(lambda: claim_tokens(mailbox), PATIENCE_S)
        claimed = next(iter(claim_tokens(mailbox)))
        web = re.search(r"http://(?:127\.0\.0\.1|localhost|\[::1\]):\d+", log.read_text())
        assert web
        assert requests.get(f"{web[0]}/claim/{claimed}", timeout=20).status_code == 200
        secrets = secrets_of(stage)
        places = {"Redis": in_redis(config), "processes": in_processes(process), **in_files(config)}
    places |= {**on_pages(app), **in_exceptions(stage), **in_files(config), "log": log.read_text(errors="replace")}
    places["mails"] = "\n".join(message.as_string() for message in mailbox.mails)
    assert len(secrets) >= 6 and all(len(secret) >= 16 for secret in secrets.values())
    assert len([place for place in places if place.startswith(("test.db", "Oak", "Cedar", "Birch"))]) >= 10
    found = [(what, place) for place, text in places.items() for what, secret in secrets.items() if secret in text]
    assert found == []
    places.pop("mails")
    # The person's browser and mailbox have the link, and nobody else; a page that makes a fresh one on demand shows another.
    assert [place for place, text in places.items() if claimed in text] == []


def claim_tokens(mailbox: Mailbox) -> set[str]:
    """Out of the links in the mails so far."""
    texts = [part.get_content() for message in mailbox.mails for part in message.walk() if part.get_content_type() == "text/plain"]
    return {found for text in texts for found in re.findall(r"/claim/([\w-]{20,})", text)}


def test_finds_what_is_there(app: Flask, config: Config, stage: Scene) -> None:
    """The search itself: what is stored unencrypted is found in the database file."""
    stage.sides[0].row.problem = "marked-plain-text"
    db.session.commit()
    assert any("marked-plain-text" in text for text in in_files(config).values())


def test_an_answer_that_repeats_the_key_is_quoted_without_it(stage: Scene) -> None:
    for side in stage.sides[1:]:
        body = json.dumps({"message": f"Key {side.sim.api_key} may not do this"})
        side.sim.faults.append(Fault(path="Users", times=None, status=400, body=body))
        remote = servers.remote_for(side.row)
        with pytest.raises(PlatformError) as caught:
            remote.members()
        remote.close()
        assert side.sim.api_key not in str(caught.value) and "may not do this" in str(caught.value)
