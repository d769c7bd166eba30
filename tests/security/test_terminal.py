"""Names of strangers stand in what commands print; they neither begin a line there nor steer the terminal."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from panel.extensions import db
from panel.models import Move, Server, User
from tests.mission.stage import cli
from tests.scene import Scene
from tests.security.test_logs import TRICKS


@pytest.mark.parametrize("trick", TRICKS[:-1])
def test_what_is_printed_about_somebody_stays_on_its_line(app: Flask, pair: Scene, trick: str) -> None:
    run = pair.move()
    calm = {command: cli(app, *command).output.count("\n") for command in commands(run.id)}
    for user in db.session.scalars(db.select(User)):
        user.name = f"{user.name}{trick}"
    for row in (*db.session.scalars(db.select(Move)), *db.session.scalars(db.select(Server))):
        row.name = f"{row.name}{trick}"
    run.moves[0].detail = run.note = trick
    db.session.commit()
    for command, lines in calm.items():
        words = [f"{word}{trick}" if word in ("Cedar", "Birch") else word for word in command]
        printed = cli(app, *words).output
        assert printed.count("\n") == lines, (command, printed)
        assert all(line.isprintable() for line in printed.split("\n")), (command, printed)


def commands(run_id: int) -> list[tuple[str, ...]]:
    number = str(run_id)
    # The run has moved everybody: of whom is left the preflight says why.
    return [
        ("preflight", "Cedar", "Birch"),
        ("migrations",),
        ("migrations", number),
        ("migrations", number, "--requests"),
        ("undo", number, "--user", "nobody"),
        ("preflight", "Cedar", "nowhere"),
    ]


def test_json_says_the_same_without_steering_anything(app: Flask, pair: Scene) -> None:
    run = pair.move()
    run.moves[0].name = "\x9b31m\u202e\x1b]0;owned\x07\n{}"
    db.session.commit()
    printed = cli(app, "migrations", str(run.id), "--json").output
    assert all(line.isprintable() for line in printed.split("\n"))
    assert json.loads(printed)["moves"][0]["user"] == run.moves[0].name
