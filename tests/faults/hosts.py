"""Several hosts: worker processes with a folder each, and, where this machine allows it, a network and process numbers of their own."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from panel.config import ROOT, Config
from tests.processes import descendants

#: Names of networks are used once: a network goes away some time after its last process.
_numbers = itertools.count(1)


@dataclass
class Host:
    """One host: its worker, started and stopped at will."""

    number: int
    environ: dict[str, str]
    prefix: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Its worker.py, with one worker."""
        command = [*self.prefix, sys.executable, str(ROOT / "worker.py")]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environ, start_new_session=True)

    def pids(self) -> dict[int, str]:
        """Its processes: pid -> command line."""
        return {self.process.pid: "", **descendants(self.process.pid)} if self.process else {}

    def send(self, what: signal.Signals) -> None:
        """A signal to all its processes."""
        for pid in self.pids():
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                continue

    def kill(self) -> None:
        """All of it is dead when this returns."""
        if self.process is not None:
            self.send(signal.SIGKILL)
            self.process.wait(timeout=60)
            self.process = None


@functools.cache
def has_namespaces() -> bool:
    """Whether networks and process numbers of one's own can be made here."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return False
    tried = subprocess.run(
        ["unshare", "--net", "--pid", "--fork", "--mount-proc", "ip", "link", "add", "try0", "type", "bridge"], capture_output=True
    )
    return tried.returncode == 0


@contextmanager
def network(count: int) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """The address under which this process is reached, and for each host what goes before a command so that it runs there."""
    if not has_namespaces():
        yield "127.0.0.1", [() for _ in range(count)]
        return
    tag, middle = f"sf{os.getpid() % 100000}x{next(_numbers)}", f"10.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
    with ExitStack() as stack:
        _ip(f"link add {tag} type bridge")
        stack.callback(_ip, f"link del {tag}")
        _ip(f"addr add {middle}.1/24 dev {tag}")
        _ip(f"link set {tag} up")
        prefixes = []
        for number in range(count):
            name = f"{tag}n{number}"
            _ip(f"netns add {name}")
            stack.callback(_ip, f"netns del {name}")
            _ip(f"link add {name} type veth peer name eth0 netns {name}")
            stack.callback(_ip, f"link del {name}")
            _ip(f"link set {name} master {tag} up")
            _ip(f"-n {name} addr add {middle}.{number + 2}/24 dev eth0")
            _ip(f"-n {name} link set eth0 up")
            _ip(f"-n {name} link set lo up")
            prefixes.append(("ip", "netns", "exec", name, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"))
        yield f"{middle}.1", prefixes


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


@contextmanager
def hosts(config: Config, folder: Path, prefixes: list[tuple[str, ...]]) -> Iterator[list[Host]]:
    """Hosts of one installation, none of them at work yet; all dead at the end."""
    made = []
    for number, prefix in enumerate(prefixes):
        environ = {**config.child_environ(), "PANEL_VAR": str(folder / f"host{number}"), "PANEL_WORKERS": "1"}
        made.append(Host(number, environ, prefix))
    try:
        yield made
    finally:
        for host in made:
            host.kill()
