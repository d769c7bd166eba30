"""`make bench-load` measures what it says: a panel as it is really run, asked by admins whose browsers look at a run."""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType

import pytest

from panel.config import ROOT

#: No aims of time and memory on a machine that tests at the same time.
NEVER = 1e9


@pytest.fixture
def bench_load(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module; those beside it can be imported while the test lasts."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("bench_load")


@pytest.mark.thorough
def test_measures_a_panel_whose_run_goes_on(
    bench_load: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for aim in ("MOST_MEDIAN_MS", "MOST_GROWTH"):
        monkeypatch.setattr(bench_load, aim, NEVER)
    arguments = ["--minutes", "0.2", "--users", "40", "--admins", "3", "--pace", "3", "--wrk-seconds", "0"]
    monkeypatch.setattr(sys, "argv", ["bench_load.py", *arguments])
    assert bench_load.main() == 0
    said = capsys.readouterr().out
    times = {name: int(number) for name, number in re.findall(r"(?m)^\| ([a-z ]+) \| (\d+) \|", said)}
    assert times["all"] == times["nothing changed"] + times["something changed"] > 0, said
    assert "All aims are met." in said


@pytest.mark.parametrize(
    ("seconds", "status", "size", "last_mb", "missed"),
    [
        (0.019, 204, 1999, 104.0, []),
        (0.021, 204, 1999, 104.0, ["The median of the polls is 21.0 ms, the aim under 20 ms."]),
        (0.019, 204, 2100, 104.0, ["The largest answer when nothing changed is 2.1 KB, the aim under 2 KB."]),
        (0.019, 200, 9000, 104.0, []),
        (0.019, 204, 1999, 106.0, ["The growth of the memory is 6.0 %, the aim under 5 %."]),
    ],
)
def test_says_which_aim_is_missed(
    bench_load: ModuleType, seconds: float, status: int, size: int, last_mb: float, missed: list[str]
) -> None:
    polls = [importlib.import_module("bench_polls").Poll(0.0, status, seconds, size)] * 3
    memory = bench_load.Memory([0.0, 600.0], [100.0, last_mb])
    assert bench_load.misses(bench_load.Measured(polls, memory, cpu_s=0.1)) == missed
