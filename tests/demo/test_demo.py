"""`flask demo` as a person runs it: a real process tree, from the command to the last mail."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import create_server

import pytest

from panel.config import ROOT
from tests.processes import alive, descendants, wait_until

#: For everything that takes a few seconds on a machine with nothing else to do.
PATIENCE_S = 90.0
FLASK = [str(Path(sys.executable).parent / "flask")]


class Demo:
    """A running `flask demo` in a PANEL_VAR of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.log = folder / "demo.log"
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PANEL_", "FLASK_", "DATABASE_", "REDIS_"))}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*FLASK, "demo", *options], cwd=ROOT, env={**environ, "PANEL_VAR": str(folder / "var")}, stdout=log, stderr=log
            )

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.output)
        assert match is not None, self.output
        return match[1]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.end()


def second_demo(folder: Path) -> Demo:
    """Another one in the same PANEL_VAR, with a log of its own."""
    other = folder / "other"
    other.mkdir()
    (other / "var").symlink_to(folder / "var")
    return Demo(other, "--port", "0")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def test_headless_runs_a_migration_to_its_end_and_prints_result_and_mail(tmp_path: Path, demos: list[Demo]) -> None:
    demo = Demo(tmp_path, "--headless")
    demos.append(demo)
    assert demo.process.wait(timeout=PATIENCE_S * 2.5) == 0, demo.output
    assert re.search(r"Migration 1: Oak → Birch, finished: \d+ total, 23 moved, 0 invited, \d+ skipped, 1 failed", demo.output)
    assert re.search(r"moved +Wim \(an answer gets lost\)", demo.output)
    assert re.search(r"failed +Xenia \(plex.tv refuses once\) +\S+", demo.output)
    assert re.search(r"skipped +Erik \(subscription ended\) +Has no active subscription", demo.output)
    mail = demo.output.partition("The result mail, as it arrived:")[2]
    assert "To: demo@streamferry.example" in mail
    assert "Attachment: migration-1.csv" in mail
    assert "Erik (subscription ended)" in mail
    assert "UNEXPECTED" not in demo.output


@pytest.mark.thorough
def test_prints_where_to_go_answers_there_refuses_a_second_one_and_leaves_nothing_behind(tmp_path: Path, demos: list[Demo]) -> None:
    demo = Demo(tmp_path, "--port", "0", "--pace", "0.2")
    demos.append(demo)
    wait_until(lambda: "Ctrl+C ends it." in demo.output or demo.process.poll() is not None, PATIENCE_S)
    panel, inbox = demo.found(r"Panel +(http://\S+)"), demo.found(r"Inbox +(http://\S+)")
    assert demo.found(r"Login +(\S+)") == "demo@streamferry.example"
    assert len(demo.found(r"password +(\S+)")) >= 10
    assert get(f"{panel}/healthz") == "ok"
    demos.append(second := second_demo(tmp_path))
    assert second.process.wait(timeout=PATIENCE_S) == 1
    assert "already running here" in second.output
    assert get(f"{panel}/healthz") == "ok"
    wait_until(lambda: "Birch: 23 of 24 moved" in get(inbox), PATIENCE_S)
    family = descendants(demo.process.pid)
    assert any("panel.demo.simulators" in command for command in family.values())
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(timeout=PATIENCE_S) == 0
    assert [pid for pid in family if alive(pid)] == []


def test_says_that_the_port_is_taken(tmp_path: Path, demos: list[Demo]) -> None:
    with closing(create_server(("127.0.0.1", 0))) as taken:
        demo = Demo(tmp_path, "--port", str(taken.getsockname()[1]))
        demos.append(demo)
        assert demo.process.wait(timeout=PATIENCE_S) == 1
    assert "is taken by another program" in demo.output
