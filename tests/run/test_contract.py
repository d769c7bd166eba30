"""The commands as scripts rely on them: the exact shape of every JSON document, exit codes, and nothing else on standard output."""

from __future__ import annotations

import contextvars
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from panel.config import ROOT, Config
from panel.extensions import db
from panel.models import Admin
from panel.services.run import steer
from panel.simulators.http import Fault
from tests.scene import Scene

COUNTS = {"total": int, "moved": int, "invited": int, "skipped": int, "failed": int, "cancelled": int, "pending": int}
LINE = {
    "id": int,
    "source": str,
    "target": str,
    "status": str,
    "counts": COUNTS,
}
RUN = {**LINE, "moves": [{"user": str, "status": str, "reasons": [str], "detail": str}], "email": {"sent": bool, "reason": str}}
PREFLIGHT = {
    "source": str,
    "target": str,
    "blockers": [{"code": str, "message": str}],
    "users": [{"user": str, "verdict": str, "reasons": [str]}],
    "counts": {"total": int, "move": int, "skip": int},
}


def assert_shape(value: Any, shape: Any) -> None:
    """The value has exactly these keys and kinds, all the way down."""
    if isinstance(shape, dict):
        assert isinstance(value, dict) and set(value) == set(shape)
        for key, inner in shape.items():
            assert_shape(value[key], inner)
    elif isinstance(shape, list):
        assert isinstance(value, list)
        for item in value:
            assert_shape(item, shape[0])
    else:
        assert isinstance(value, shape), (value, shape)


def flask(app: Flask, *args: str, input: str | None = None) -> Result:
    """The command with a context and a session of its own."""
    db.session.commit()
    result = contextvars.Context().run(app.test_cli_runner().invoke, args=list(args), input=input)
    db.session.expire_all()
    return result


def flask_process(config: Config, *args: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """The command as a process, as a script would run it."""
    command = [sys.executable, "-m", "flask", *args]
    return subprocess.run(command, cwd=ROOT, env=config.child_environ(), input=input, capture_output=True, text=True, timeout=60)


@pytest.fixture
def pair(scene: Scene) -> Iterator[Scene]:
    """Jellyfin to Emby: ada and ben move, dora has not paid."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    scene.person("ben")
    scene.person("dora", days=(-60, -30))
    yield scene


def test_preflight_prints_verdicts_and_nothing_else(config: Config, pair: Scene) -> None:
    done = flask_process(config, "preflight", "Old", "New", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert_shape(document, PREFLIGHT)
    assert document == {
        "source": "Old",
        "target": "New",
        "blockers": [],
        "users": [
            {"user": "ada", "verdict": "move", "reasons": []},
            {"user": "ben", "verdict": "move", "reasons": []},
            {"user": "dora", "verdict": "skip", "reasons": ["no_active_subscription"]},
        ],
        "counts": {"total": 3, "move": 2, "skip": 1},
    }


def test_a_run_that_is_followed_prints_its_result_and_nothing_else(config: Config, pair: Scene) -> None:
    done = flask_process(config, "migrate-users", "Old", "New", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert_shape(document, RUN)
    assert "No worker is running" in done.stderr, "what people should know goes to standard error"
    assert [document[name] for name in ("id", "source", "target", "status")] == [1, "Old", "New", "finished"]
    assert document["counts"] == {"total": 3, "moved": 2, "invited": 0, "skipped": 1, "failed": 0, "cancelled": 0, "pending": 0}
    assert [(move["user"], move["status"], move["reasons"]) for move in document["moves"]] == [
        ("ada", "moved", []),
        ("ben", "moved", []),
        ("dora", "skipped", ["no_active_subscription"]),
    ]
    assert document["email"]["sent"] is False and document["email"]["reason"]


def test_one_run_and_all_runs_are_shown_in_the_same_words(app: Flask, pair: Scene) -> None:
    started = flask(app, "migrate-users", "Old", "New", "--wait", "--json")
    one, every = flask(app, "migrations", "1", "--json"), flask(app, "migrations", "--json")
    assert one.exit_code == every.exit_code == 0
    document = json.loads(one.stdout)
    assert document == json.loads(started.stdout)
    assert_shape(document, RUN)
    (line,) = json.loads(every.stdout)
    assert_shape(line, LINE)
    assert line == {name: document[name] for name in LINE}


def test_no_runs_are_an_empty_list(app: Flask) -> None:
    result = flask(app, "migrations", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_a_run_that_is_not_followed_is_printed_as_it_stands(app: Flask, pair: Scene) -> None:
    result = flask(app, "migrate-users", "Old", "New", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert_shape(document, RUN)
    assert document["status"] == "queued" and document["counts"]["pending"] == 2


def test_what_there_is_to_say_about_a_run_as_a_whole_is_added(app: Flask, pair: Scene) -> None:
    pair.source.sim.stop()
    document = json.loads(flask(app, "migrate-users", "Old", "New", "--wait", "--json").stdout)
    assert_shape(document, {**RUN, "note": str})
    assert "nothing is removed there" in document["note"]


def test_each_steering_command_prints_the_run_it_leaves(app: Flask, pair: Scene) -> None:
    flask(app, "migrate-users", "Old", "New")
    for verb, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        result = flask(app, verb, "1", "--json")
        assert result.exit_code == 0, result.stderr
        document = json.loads(result.stdout)
        assert_shape(document, LINE)
        assert document["status"] == status


def test_a_run_with_failures_ends_with_1_and_a_retry_takes_them_up(app: Flask, pair: Scene) -> None:
    pair.target.sim.faults.append(Fault("POST", "/Users/New", times=None, status=500))
    failed = flask(app, "migrate-users", "Old", "New", "--wait", "--json")
    assert failed.exit_code == 1
    document = json.loads(failed.stdout)
    assert document["counts"]["failed"] == 2
    assert all(move["detail"] for move in document["moves"] if move["status"] == "failed")
    pair.target.sim.faults.clear()
    retried = flask(app, "retry", "1", "--json")
    assert retried.exit_code == 0
    assert_shape(json.loads(retried.stdout), LINE)
    assert json.loads(retried.stdout)["counts"]["pending"] == 2


def test_a_blocked_pair_is_judged_like_any_other_with_every_blocker(app: Flask, pair: Scene) -> None:
    pair.target.row.enabled = False
    result = flask(app, "preflight", "Old", "New", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert_shape(document, PREFLIGHT)
    assert [blocker["code"] for blocker in document["blockers"]] == ["target_disabled"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("preflight", "Old", "Nowhere"), "no server named “Nowhere”"),
        (("migrate-users", "Old", "Nowhere"), "no server named “Nowhere”"),
        (("migrate-users", "Old", "Old"), "both source and target"),
        (("migrations", "7"), "no migration number 7"),
        (("migrations", "9" * 20), f"no migration number {'9' * 20}"),
        *(((verb, "7"), "no migration number 7") for verb in ("pause", "resume", "cancel", "retry")),
    ],
)
def test_a_refusal_ends_with_1_and_a_sentence_on_standard_error(app: Flask, pair: Scene, args: tuple[str, ...], sentence: str) -> None:
    result = flask(app, *args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    result = flask(app, *args, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    error = json.loads(result.stdout)["error"]
    assert set(error) == {"code", "message"}
    assert sentence in error["message"]


def test_preflight_says_that_the_source_did_not_answer(app: Flask, pair: Scene) -> None:
    assert "note" not in json.loads(flask(app, "preflight", "Old", "New", "--json").stdout)
    pair.source.sim.stop()
    sentence = "Old could not be reached: the run goes by the last sync, and nothing is removed there."
    result = flask(app, "preflight", "Old", "New")
    assert sentence in result.stderr and "2 would move" in result.stdout
    assert json.loads(flask(app, "preflight", "Old", "New", "--json").stdout)["note"] == sentence


def test_a_file_that_is_no_database_is_a_refusal(config: Config, tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("Dear reader, this is no database at all, only a letter. " * 50)
    other = replace(config, database_url=f"sqlite:///{tmp_path}/letter.db")
    done = flask_process(other, "migrations", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["error"]["code"] == "database"


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "retry"])
def test_what_a_run_is_past_doing_is_refused(app: Flask, pair: Scene, verb: str) -> None:
    run = pair.move()
    result = flask(app, verb, str(run.id))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.strip()


@pytest.mark.parametrize(
    "args",
    [
        ("preflight", "Old"),
        ("migrate-users",),
        ("migrate-users", "Old", "New", "--pace", "-1"),
        ("migrate-users", "Old", "New", "--remove", "sometimes"),
        ("migrate-users", "Old", "New", "--start-at", "2020-01-01T10:00"),
        ("migrate-users", "Old", "New", "--start-at", "9999-12-31T23:59"),
        ("migrations", "first"),
        ("pause",),
        ("retry", "1", "2"),
        ("admins", "create"),
        ("import", "no-such-file.yaml"),
        ("preflight", "Old", "New", "--xml"),
        ("no-such-command",),
    ],
)
def test_wrong_usage_ends_with_2_and_prints_nothing(app: Flask, args: tuple[str, ...]) -> None:
    result = flask(app, *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_an_admin_is_created_with_a_password_from_standard_input(app: Flask, config: Config) -> None:
    done = flask_process(config, "admins", "create", "Olga@Example.test", input="correct horse battery\n")
    assert done.returncode == 0, done.stderr
    admin = Admin.by_email("olga@example.test")
    assert admin is not None and admin.has_password("correct horse battery")
    assert "correct horse" not in done.stdout + done.stderr


@pytest.mark.parametrize(("email", "password"), [("olga", "correct horse battery"), ("o@example.test", "short"), ("o@example.test", "")])
def test_an_admin_without_an_address_or_with_a_short_password_is_refused(app: Flask, email: str, password: str) -> None:
    result = flask(app, "admins", "create", email, input=f"{password}\n")
    assert result.exit_code == 1
    assert result.stderr.strip()
    assert db.session.query(Admin).count() == 0


def test_without_json_people_read_the_same_facts(app: Flask, pair: Scene) -> None:
    run = pair.start()
    steer.pause(run)
    shown = flask(app, "migrations", str(run.id)).stdout
    assert "Old → New" in shown and "paused" in shown and "2 pending" in shown
    assert all(name in shown for name in ("ada", "ben", "dora"))
    assert "no active subscription" in shown
