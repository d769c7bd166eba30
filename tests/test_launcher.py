"""`up` runs the whole panel: these tests start it for real, kill parts of it, and look at who is left."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from panel import embedded_redis
from panel.config import ROOT, Config
from panel.jobs import QUEUES
from tests.processes import alive, descendants, table, wait_until

UP = """
import sys
from panel.config import Config
from panel.launcher import up
sys.exit(up(Config.from_env(), port=int(sys.argv[1]), upgrade=lambda: print("upgraded", flush=True)))
"""


#: For everything that takes a second or two on a machine with nothing else to do.
PATIENCE_S = 60.0
#: What the kernel does at once.
SOON_S = 20.0
NEVER_ENDS_S = 3600.0


class Panel:
    """A running `up` with an empty PANEL_VAR of its own."""

    def __init__(self, folder: Path, port: int = 0, **environ: str) -> None:
        self.folder = folder
        self.config = Config.from_env({"PANEL_VAR": str(folder / "var"), "PANEL_WORKERS": "1", **environ})
        self.log = folder / f"{os.urandom(4).hex()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", UP, str(port)], env=self.config.child_environ(), cwd=ROOT, stdout=log, stderr=log
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"ready at (http://\S+)", self.output)
        assert found is not None
        return found[1]

    def wait(self) -> Panel:
        """Returns when the web process answers and the RQ worker listens."""
        wait_until(lambda: "ready at" in self.output and self.part("panel.jobs.worker"), PATIENCE_S)
        return self

    def part(self, mark: str) -> int:
        """The process id of the first program below `up` whose command line has the mark, 0 when there is none. A fork has that of its
        parent, and may have a lower number."""
        processes = table()
        marked = {pid for pid, command in descendants(self.process.pid).items() if mark in command}
        return min((pid for pid in marked if pid in processes and processes[pid][0] not in marked), default=0)

    def queue(self) -> Queue:
        connection = redis.Redis.from_url(self.config.ensure().redis_url)
        return Queue(QUEUES[0], connection=connection, serializer=JSONSerializer)

    def nap(self, seconds: float, file: Path) -> int:
        """Lets a worker sleep; gives the process id of the work-horse that does."""
        self.queue().enqueue("tests.processes.nap", seconds, str(file))
        wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
        return int(file.read_text().split()[0])

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Panel]]:
    started: list[Panel] = []

    def make(port: int = 0, folder: Path = tmp_path, **environ: str) -> Panel:
        started.append(Panel(folder, port, **environ))
        return started[-1]

    yield make
    for panel in started:
        panel.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """One for all tests that leave it alive."""
    panel = Panel(tmp_path_factory.mktemp("panel"))
    yield panel
    panel.end()


@pytest.fixture
def panel(running: Panel) -> Panel:
    """The one that runs, with all its parts: what another test killed has been started again."""
    running.wait()
    wait_until(lambda: answers(running.url) and embedded_redis.answers(running.config.ensure()), PATIENCE_S)
    return running


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def test_serves_with_nothing_but_itself(panel: Panel) -> None:
    assert answers(f"{panel.url}/healthz")
    assert panel.output.index("upgraded") < panel.output.index("ready at")
    family = descendants(panel.process.pid)
    assert len(family) >= 4
    password = panel.config.ensure().redis_password
    assert not any(password in command for command in family.values())


def test_leaves_nothing_behind_but_its_queue_when_it_is_killed_in_the_middle_of_a_job(start: Callable[..., Panel], tmp_path: Path) -> None:
    panel = start().wait()
    panel.queue().connection.set("kept", "yes")
    horse = panel.nap(NEVER_ENDS_S, tmp_path / "nap")
    family = descendants(panel.process.pid)
    assert horse in family
    panel.process.kill()
    panel.process.wait()
    wait_until(lambda: not any(alive(pid) for pid in family), SOON_S)
    again = start().wait()
    assert again.queue().connection.get("kept") == b"yes"


def test_ends_a_job_together_with_its_worker(panel: Panel, tmp_path: Path) -> None:
    horse = panel.nap(NEVER_ENDS_S, tmp_path / "nap")
    os.kill(panel.part("panel.jobs.worker"), signal.SIGKILL)
    wait_until(lambda: not alive(horse), SOON_S)


def test_uses_the_redis_it_is_given_and_lets_a_job_end_before_it_stops_without_a_trace(start: Callable[..., Panel], tmp_path: Path) -> None:
    other = Config.from_env({"PANEL_VAR": str(tmp_path / "other")}).ensure()
    with embedded_redis.running(other) as url:
        panel = start(REDIS_URL=url).wait()
        assert not panel.part("valkey-server")
        panel.nap(2, tmp_path / "nap")
        family = descendants(panel.process.pid)
        panel.process.terminate()
        assert panel.process.wait(timeout=PATIENCE_S) == 0
        assert (tmp_path / "nap").read_text().endswith("ended\n")
        assert [pid for pid in family if alive(pid)] == []


# `make test` kills all four in tests/journeys/test_tree_kills.py.
@pytest.mark.thorough
@pytest.mark.parametrize("mark", ["panel.serve", "worker.py", "panel.jobs.worker", "valkey-server"])
def test_starts_each_part_again_when_it_is_killed(start: Callable[..., Panel], tmp_path: Path, mark: str) -> None:
    panel = start().wait()
    first = panel.part(mark)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: panel.part(mark) not in (0, first))
    wait_until(lambda: answers(panel.url) and embedded_redis.answers(panel.config.ensure()))
    panel.nap(0, tmp_path / "nap")


def test_who_asks_while_the_web_starts_again_waits_and_is_not_refused(panel: Panel) -> None:
    web = panel.part("panel.serve")
    os.kill(web, signal.SIGKILL)
    wait_until(lambda: not alive(web))
    with pytest.raises(urllib.error.HTTPError, match="503|404"):
        urllib.request.urlopen(f"{panel.url}/no/such/page", timeout=PATIENCE_S)


def test_lets_a_job_end_while_redis_is_started_again(panel: Panel, tmp_path: Path) -> None:
    file = tmp_path / "nap"
    horse = panel.nap(7, file)
    os.kill(panel.part("valkey-server"), signal.SIGKILL)
    wait_until(lambda: file.read_text().endswith("ended\n"))
    assert file.read_text() == f"{horse}\nended\n"


def test_refuses_a_second_tree_on_the_same_folder(panel: Panel, start: Callable[..., Panel]) -> None:
    second = start(folder=panel.folder)
    assert second.process.wait(timeout=PATIENCE_S) == 1
    assert f"already running here (process {panel.process.pid}" in second.output
    assert answers(panel.url)


def test_says_that_the_port_is_taken(start: Callable[..., Panel]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        panel = start(port)
        assert panel.process.wait(timeout=PATIENCE_S) == 1
    assert f"port {port} on 127.0.0.1 is taken by another program" in panel.output


def test_has_an_embedded_redis_that_wants_the_password_and_listens_on_no_port(tmp_path: Path) -> None:
    config = Config.from_env({"PANEL_VAR": str(tmp_path / ("deep" * 30))}).ensure()
    with embedded_redis.running(config) as url:
        client = redis.Redis.from_url(url)
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(unix_socket_path=str(config.redis_socket)).ping()
    assert not embedded_redis.answers(config)
