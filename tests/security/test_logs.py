"""Names and answers of strangers stand in the log; they neither begin a line there nor steer the terminal that shows it."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from panel import logs

TRICKS = [
    "Eve\n2026-01-01 00:00:00,000 INFO panel.web: Ada signed in",
    "Eve\r\nERROR fake: line",
    "\x1b[2J\x1b[1;31mred",
    "\x9b31mred",
    "a\x00b\x07\x08",
    "one\u2028two\u2029three\x85four",
    "\u202egnp.exe",
    "\u2066x\u2069\u200f",
    "half \ud800 a pair",
]


def record(argument: str, error: bool = False) -> logging.LogRecord:
    """A record as the handler passes it on."""
    info = None
    if error:
        try:
            raise ValueError(argument)
        except ValueError:
            info = sys.exc_info()
    made = logging.LogRecord("panel.services.run", logging.INFO, "file.py", 1, "User %s moved", (argument,), info)
    logs.mark_run(made)
    return made


@pytest.mark.parametrize("name", TRICKS)
def test_keeps_a_name_on_its_line(name: str) -> None:
    line = logs.TextLine(logs.TEXT).format(record(name))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    line.encode()


@pytest.mark.parametrize("name", TRICKS)
def test_indents_tracebacks_so_that_no_line_of_them_looks_like_a_record(name: str) -> None:
    head, *rest = logs.TextLine(logs.TEXT).format(record(name, error=True)).splitlines()
    assert head.isprintable() and "User " in head
    assert rest and all(line.startswith("    ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("name", TRICKS)
def test_keeps_json_on_one_line_that_says_the_same(name: str) -> None:
    line = logs.JsonLine().format(record(name, error=True))
    assert len(line.splitlines()) == 1 and line.isprintable()
    assert json.loads(line)["message"] == f"User {name} moved"


@pytest.mark.parametrize("name", TRICKS)
def test_keeps_the_name_of_a_logger_on_its_line(name: str) -> None:
    made = record("Ada")
    made.name = name
    line = logs.TextLine(logs.TEXT).format(made)
    assert len(line.splitlines()) == 1 and line.isprintable() and line.endswith(": User Ada moved")
    assert json.loads(logs.JsonLine().format(made))["logger"] == name


def test_indents_where_a_record_was_made_and_keeps_it_in_json() -> None:
    made = record("Ada")
    made.stack_info = "Stack (most recent call last):\n  File x\n2026-01-01 INFO panel.web: \x1b[2JAda signed in"
    head, *rest = logs.TextLine(logs.TEXT).format(made).splitlines()
    assert head.endswith(": User Ada moved") and len(rest) == 3
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert json.loads(logs.JsonLine().format(made))["stack"] == made.stack_info


def test_leaves_names_of_all_scripts_as_they_are() -> None:
    assert "Zoë 京子 مها 🎬" in logs.TextLine(logs.TEXT).format(record("Zoë 京子 مها 🎬"))
