"""`flask up`: embedded Redis, database upgrade, worker and web as one supervised process tree."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator

from panel import embedded_redis, listening, logs
from panel.config import ROOT, Config, ConfigError
from panel.tree import Tree, TreeError, write_line

# A worker gives a job 25 s to end before it is killed; its tree needs a moment more.
WORKER_GRACE_S = 30.0

log = logging.getLogger(__name__)


def up(
    config: Config,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    listener: socket.socket | None = None,
    upgrade: Callable[[], None] | None = None,
    before: Callable[[Tree], None] | None = None,
    when_up: Callable[[str], int | None] | None = None,
) -> int:
    """Runs the whole panel until SIGTERM or Ctrl+C; gives the exit code (1: it could not start, the reason is on standard error, or in the
    log where that is for programs).

    `port` 0 takes a free one; `listener` listens already, in place of host and port. `upgrade` runs once Redis answers, then
    `before(tree)` may add programs of its own (the demo's simulators), then worker and web start. `when_up(address)` runs in a thread
    once the web answers; a number it returns ends the tree.
    """
    if config.log_json:
        logs.to_stdout(as_json=True)
    try:
        config = config.ensure()
        with single_tree(config), listener or listen(host, port) as door:
            return run_tree(config, host, door, upgrade, before, when_up)
    except (ConfigError, TreeError, embedded_redis.EmbeddedRedisError) as error:
        if config.log_json:
            log.error("Streamferry did not start: %s", error)
        else:
            print(f"Streamferry did not start: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return 1


def run_tree(
    config: Config,
    host: str,
    door: socket.socket,
    upgrade: Callable[[], None] | None,
    before: Callable[[Tree], None] | None,
    when_up: Callable[[str], int | None] | None,
) -> int:
    """`up` once the place is known to be free."""
    env, port = config.child_environ(), listening.port_of(door)
    with Tree(write=logs.pass_on if config.log_json else write_line) as tree:
        add_redis(tree, config)
        if upgrade is not None and not tree.stopping:
            upgrade()
        if before is not None and not tree.stopping:
            before(tree)
        tree.add("worker", [sys.executable, str(ROOT / "worker.py")], env, grace_s=WORKER_GRACE_S)
        web = [sys.executable, "-m", "panel.serve", "--socket", str(door.fileno())]
        tree.add("web", web, env, sockets=[door], ready=lambda: web_answers(host, port))
        if not tree.stopping:
            announce(tree, address(host, port), when_up, as_json=config.log_json)
        return tree.run()


def add_redis(tree: Tree, config: Config) -> None:
    """Adds the embedded Redis, unless another one is configured, and waits until it answers."""
    if not config.embeds_redis or config.redis_socket is None:
        return
    # A socket left by a killed server would only delay the first PING.
    config.redis_socket.unlink(missing_ok=True)
    tree.add(
        "redis",
        embedded_redis.argv(),
        stdin=embedded_redis.configuration(config),
        ready=lambda: embedded_redis.answers(config),
        ready_within_s=embedded_redis.READY_WITHIN_S,
    )


def announce(tree: Tree, url: str, when_up: Callable[[str], int | None] | None, *, as_json: bool) -> None:
    """Says where the panel is, and starts what waits for that."""
    if as_json:
        log.info("Streamferry is ready at %s", url)
    else:
        write_line("up", f"Streamferry is ready at {url}")
    if when_up is not None:
        threading.Thread(target=follow, args=(tree, url, when_up), daemon=True).start()


def follow(tree: Tree, url: str, when_up: Callable[[str], int | None]) -> None:
    """Runs `when_up` and ends the tree when it gives an exit code, or with 1 when it fails."""
    code: int | None = 1
    try:
        code = when_up(url)
    finally:
        if code is not None:
            tree.finish(code)


@contextlib.contextmanager
def single_tree(config: Config) -> Iterator[None]:
    """Holds the lock of this PANEL_VAR; the kernel lets go of it however this process ends. Raises `TreeError` when it is taken."""
    with open(config.var / "up.lock", "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise TreeError(
                f"it is already running here (process {lock.read().strip() or '?'}, {config.var}): stop that one first."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the port, or on a free one for 0. Raises `TreeError` when it is taken or may not be used."""
    try:
        return listening.listen(host, port)
    except (OSError, OverflowError) as error:
        reason = "is taken by another program" if getattr(error, "errno", None) == errno.EADDRINUSE else f"cannot be used ({error})"
        raise TreeError(f"port {port} on {host} {reason}: choose another with --port.") from error


def web_answers(host: str, port: int) -> bool:
    """Whether anything speaks HTTP there; what it says does not matter."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reachable(host: str) -> str:
    """A host to connect to for one that is listened on."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def address(host: str, port: int) -> str:
    """The panel's address as a browser on this machine takes it."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
