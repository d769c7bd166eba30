"""The process tree restarts what dies and leaves nothing behind."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from panel.config import ROOT
from panel.tree import Tree, TreeError
from tests.processes import alive, wait_until

WRITE_AND_END = "import sys, time; open(sys.argv[1], 'a').write(f'{time.time()}\\n'); sys.exit(3)"
TELL_THE_END = """
import signal, sys, time
def end(*_):
    open(sys.argv[1], "a").write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
open(sys.argv[1] + "." + sys.argv[2], "w").close()
time.sleep(60)
"""
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    open(sys.argv[1], "w").write(f"{os.getpid()} {child}")
time.sleep(60)
"""


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def written(path: Path, count: int = 1) -> bool:
    return path.exists() and len(path.read_text().split()) >= count


def test_starts_again_what_dies_with_growing_pauses(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "starts"
    with Tree() as tree:
        tree.add("brief", python(WRITE_AND_END, file), ready=lambda: len(lines(file)) >= 4)
    starts = [float(line) for line in lines(file)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert [gap >= least for gap, least in zip(gaps, (0.2, 0.4, 0.8), strict=False)] == [True, True, True]
    assert "brief  | ended with exit code 3; starts again in 0.4 s" in capfd.readouterr().out


def test_stops_the_last_one_first(tmp_path: Path) -> None:
    file = tmp_path / "ends"
    with Tree() as tree:
        for name in ("redis", "worker", "web"):
            tree.add(name, python(TELL_THE_END, file, name), ready=(tmp_path / f"ends.{name}").exists)
    assert lines(file) == ["web", "worker", "redis"]


def test_kills_what_does_not_stop_in_time_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with Tree() as tree:
        tree.add("deaf", python(STUBBORN, file), ready=lambda: written(file, 2), grace_s=0.3)
        pids = [int(pid) for pid in file.read_text().split()]
        assert all(alive(pid) for pid in pids)
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_stops_them_at_the_same_time_when_told_so(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    with Tree(together=True) as tree:
        for file in files:
            tree.add(file.name, python(STUBBORN, file), ready=lambda file=file: written(file, 2), grace_s=2.0)
        began = time.monotonic()
    assert 2.0 <= time.monotonic() - began < 5.5


def test_feeds_standard_input_to_every_start(tmp_path: Path) -> None:
    file = tmp_path / "seen"
    code = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"
    with Tree() as tree:
        tree.add("reader", python(code, file), stdin=b"secret", ready=lambda: len(lines(file)) >= 2)
    assert set(lines(file)) == {"secret"}


def test_marks_the_output_with_the_name(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "written"
    code = f"import time; print('hello', flush=True); open({str(file)!r}, 'w').write('x'); time.sleep(60)"
    with Tree() as tree:
        tree.add("web", python(code), ready=file.exists)
        seen: list[str] = []
        wait_until(lambda: seen.append(capfd.readouterr().out) or "web    | hello\n" in "".join(seen))


def test_ends_with_the_code_it_is_given_from_a_thread() -> None:
    with Tree() as tree:
        threading.Timer(0.1, tree.finish, [7]).start()
        assert tree.run() == 7


def test_gives_up_on_what_is_never_ready(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="web was not ready after 0.2 s"), Tree() as tree:
        child = tree.add("idle", python("import time; time.sleep(60)"))
        tree.add("web", python("import time; time.sleep(60)"), ready=lambda: False, ready_within_s=0.2)
    assert child.stopped()


def test_ends_on_a_signal_and_at_once_on_a_second(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = f"""
import sys
from panel.tree import Tree
with Tree() as tree:
    tree.add("deaf", [sys.executable, "-c", {STUBBORN!r}, {str(pids)!r}], grace_s=60)
    sys.exit(tree.run())
"""
    launcher = subprocess.Popen(python(code), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: written(pids, 2))
        launcher.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            launcher.wait(timeout=0.5)
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(timeout=30) == 0
        wait_until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()), 30)
    finally:
        launcher.kill()
        launcher.wait()


def test_takes_its_programs_along_when_it_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    program = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"""
import sys
from panel.tree import Tree
with Tree() as tree:
    tree.add("one", [sys.executable, "-c", {program!r}, {str(file)!r}])
    tree.run()
"""
    launcher = subprocess.Popen(python(code), cwd=ROOT)
    try:
        wait_until(lambda: written(file))
        pid = int(file.read_text())
        assert alive(pid)
        os.kill(launcher.pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), 30)
    finally:
        launcher.kill()
        launcher.wait()
