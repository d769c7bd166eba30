"""Where secrets are looked for: everything that an installation writes, stores, shows, and lets others on its machine see."""

from __future__ import annotations

import base64
import itertools
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import redis
from flask import Flask

from panel.config import ROOT, Config
from panel.extensions import db
from panel.models import Role
from panel.platforms.base import Access, Person, PlatformError
from panel.services import servers
from panel.simulators.http import Fault
from tests.mission.stage import cli
from tests.processes import descendants
from tests.scene import Scene, Side
from tests.web.asking import Browser
from tests.web.conftest import signed_in
from tests.web.test_roles import routes

Places = dict[str, str]

#: The ways in which a request goes wrong.
FAULTS = (
    Fault(times=1, drop=True),
    Fault(times=1, status=500, body="x"),
    Fault(times=1, status=400, body='{"message": "token=abc"}'),
    Fault(times=1, status=401),
    Fault(times=1, html=True),
    Fault(times=1, half=True),
)
NUMBERS = itertools.count()


class Watch:
    """Everything that is seen somewhere while it is watched."""

    def __init__(self, look: Callable[[], set[str]]) -> None:
        self.seen: set[str] = set()
        self._look = look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def text(self) -> str:
        """All there was."""
        return "\n".join(self.seen.copy())

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            # It may not be there yet, or not any more, or lose a key or a process between two questions.
            with suppress(redis.RedisError, OSError):
                self.seen |= self._look()


class RedisWatch(Watch):
    """All keys and values: a job is gone as soon as it has ended well."""

    def __init__(self, config: Config) -> None:
        self._client = redis.Redis.from_url(config.ensure().redis_url)
        super().__init__(lambda: everything_in(self._client))

    def __exit__(self, *what: object) -> None:
        super().__exit__(*what)
        self._client.close()


class ProcessWatch(Watch):
    """Command lines and environments of all processes under one: what works on a job has a command line of its own, and is gone with it."""

    def __init__(self, launcher: int) -> None:
        super().__init__(lambda: everything_under(launcher))


def everything_under(launcher: int) -> set[str]:
    """Command lines, titles included, and environments, of those that are still there when they are looked at."""
    found: set[str] = set()
    for pid, command in descendants(launcher).items():
        found.add(command)
        with suppress(OSError):
            found.add((Path("/proc") / str(pid) / "environ").read_bytes().decode("latin-1"))
    return found


def everything_in(client: redis.Redis) -> set[str]:
    """All keys and values, and those that are packed, unpacked."""
    readers: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    found: set[str] = set()
    for key in client.scan_iter(count=1000):
        kind = client.type(key)
        if kind == b"none":
            continue
        value = readers[kind](key)
        found |= {repr(key), repr(value), *unpacked(value)}
    return found


def unpacked(value: Any) -> Iterator[str]:
    """What is packed anywhere in a value: RQ keeps job data so, and the traceback of one that failed in letters on top."""
    if isinstance(value, bytes):
        for packed in (value, in_letters(value)):
            with suppress(zlib.error):
                yield zlib.decompress(packed).decode(errors="replace")
        return
    for part in value.items() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ():
        yield from unpacked(part)


def in_letters(value: bytes) -> bytes:
    """What base64 stands for; nothing where it is none."""
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        return b""


def in_database() -> Places:
    """Every row, as it is stored."""
    found = {}
    for name in db.metadata.tables:
        rows = db.session.execute(db.text(f"SELECT * FROM {name}")).all()
        found[f"rows of {name}"] = "\n".join(str([*row]) for row in rows)
    db.session.rollback()
    return found


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


def in_mails(mails: Sequence[EmailMessage]) -> str:
    """What was sent and what a mail program makes of it: a part may be packed in letters, or have its longer lines broken."""
    parts = [part for mail in mails for part in mail.walk() if not part.is_multipart()]
    unpacked_parts = [part.get_payload(decode=True) for part in parts]
    return "\n".join([*(mail.as_string() for mail in mails), *(text.decode(errors="replace") for text in unpacked_parts)])


def in_exceptions(scene: Scene) -> Places:
    """What calls raise that fail in every way, with their causes and the values a debugger shows."""
    found = {}
    for side in scene.sides:
        access = Access(frozenset(library.remote_id for library in side.row.libraries))
        with closing(servers.remote_for(side.row)) as remote:
            asked: dict[str, Callable[[], object]] = {
                "members": remote.members,
                "libraries": remote.libraries,
                "new account": lambda remote=remote, access=access: remote.give(Person(f"Zoe {next(NUMBERS)}", "zoe@example.test"), access),
            }
            for what, ask in asked.items():
                found |= {f"{side.row.name} {what} {number}": text for number, text in failing(scene, side, ask).items()}
            found[f"repr of {side.row.name}"] = f"{side.row!r} {remote!r} {side.row.plex_account!r}"
    return found


def failing(scene: Scene, side: Side, ask: Callable[[], object]) -> dict[str, str]:
    """What comes of the same asked again and again, where the first request or a later one goes wrong in each way; by what went wrong."""
    hosts = [side.sim, scene.tv] if side.owner else [side.sim]
    found = {}
    for number, skip in itertools.product(range(len(FAULTS)), range(4)):
        for host in hosts:
            host.faults[:] = [replace(FAULTS[number], skip=skip)]
        try:
            ask()
        except PlatformError as error:
            found[f"{number} after {skip}"] = as_a_debugger_shows_it(error)
        finally:
            for host in hosts:
                host.faults.clear()
    return found


def as_a_debugger_shows_it(error: BaseException) -> str:
    """The traceback with the values that each step of it held, from where it was asked for on: the tests themselves know the secrets."""
    assert error.__traceback__ is not None
    inner = error.__traceback__.tb_next
    while inner is not None and Path(inner.tb_frame.f_code.co_filename).is_relative_to(ROOT / "tests"):
        inner = inner.tb_next
    where = traceback.TracebackException.from_exception(error.with_traceback(inner), capture_locals=True)
    return "".join(where.format()) + repr(error) + repr(error.__cause__) + repr(error.__context__)
