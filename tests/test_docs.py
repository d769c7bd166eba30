"""The documentation keeps its word: what it names exists, links lead somewhere, every line of the mission has a test that names it, and
what is generated from the code is what the code says."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from panel.config import ROOT

LINES = range(1, 18)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
MISSION = (ROOT / "docs" / "mission.md").read_text(encoding="utf-8")


def defined_in(file: Path) -> dict[str, int]:
    """The tests of a file, `name` or `Class::name`, each with the number of its first line (decorators count)."""
    found = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inner:
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
                found[prefix + function.name] = min([function.lineno, *(mark.lineno for mark in function.decorator_list)])
    return found


def marked_tests(line: int) -> set[str]:
    """The tests right below a comment with the line's number, as `file::name`."""
    found = set()
    for file in sorted((ROOT / "tests" / "mission").glob("test_*.py")):
        text = file.read_text(encoding="utf-8").splitlines()
        for name, number in defined_in(file).items():
            if re.fullmatch(rf"\s*# M{line}", text[number - 2]):
                found.add(f"{file.relative_to(ROOT)}::{name}")
    return found


def named_in_row(line: int) -> set[str]:
    """The tests that the row of this line names."""
    row = re.search(rf"(?m)^\| M{line} \|.*$", MISSION)
    assert row is not None, f"M{line} has a row"
    return set(re.findall(r"`(tests/[^`]+)`", row[0]))


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[^`:]+)::([^`]+)`", MISSION)
    assert named
    missing = [f"{file}::{name}" for file, name in named if not (ROOT / file).is_file() or name not in defined_in(ROOT / file)]
    assert missing == []


@pytest.mark.parametrize("line", LINES)
def test_every_line_of_the_mission_has_marked_tests_and_its_row_names_all_of_them(line: int) -> None:
    marked = marked_tests(line)
    assert marked
    assert marked <= named_in_row(line)


def documents() -> list[Path]:
    """Every Markdown file that is part of the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_to_files(document: Path) -> None:
    targets = ["".join(found) for found in LINK.findall(document.read_text(encoding="utf-8"))]
    own = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
    assert [target for target in own if not (document.parent / target).exists()] == []


def test_the_states_are_those_of_the_code() -> None:
    page = runpy.run_path(str(ROOT / "scripts" / "states.py"))["page"]
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == page(), "run scripts/states.py"


def test_every_make_target_a_document_names_exists() -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for document in documents() for name in re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8"))}
    assert named <= known


def test_every_command_a_document_names_exists() -> None:
    helped = subprocess.run([sys.executable, "-m", "flask", "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    known = set(re.findall(r"^  ([a-z-]+)  ", helped.stdout, re.MULTILINE))
    named = {name for document in documents() for name in re.findall(r"`flask ([a-z-]+)", document.read_text(encoding="utf-8"))}
    assert named
    assert named <= known


def commands_that_prove() -> list[list[str]]:
    """The arguments of each `pytest` command that a promise names as its proof."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    return [shlex.split(arguments) for arguments in re.findall(r"`pytest ([^`]+)`", text)]


def selected_by(files: set[str], marks: list[str]) -> str:
    """What pytest says it would run of these files, by the settings of the project and these marks."""
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "--collect-only", "-q", *marks, *sorted(files)]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert collected.returncode == 0, collected.stdout[-2000:]
    return collected.stdout


def test_every_command_that_proves_a_promise_runs_all_tests_of_the_files_it_names() -> None:
    by_marks: dict[tuple[str, ...], set[str]] = {}
    for arguments in commands_that_prove():
        marks = tuple(arguments[:2]) if arguments[0] == "-m" else ()
        by_marks.setdefault(marks, set()).update(arguments[len(marks) :])
    assert len(by_marks) > 1
    for marks, files in by_marks.items():
        said = selected_by(files, list(marks))
        assert "deselected" not in said, f"{marks or 'no marks'}: {said[-200:]}"
        assert {line.partition("::")[0] for line in said.splitlines() if "::" in line} == files


def test_every_file_that_a_promise_names_exists() -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
