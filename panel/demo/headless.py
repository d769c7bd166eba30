"""`flask demo --headless`: one migration to its end, its result and its mail as text."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import click

from panel.demo.stage import Stage
from panel.extensions import db
from panel.models import Migration
from panel.services import report

PATIENCE_S = 240.0
LOOK_EVERY_S = 0.2


def play(stage: Stage) -> int:
    """Run it, print it; 0 when everybody ended as the cast says and the result mail arrived, else 1."""
    assert stage.app is not None
    run_id = stage.begin()
    with stage.app.app_context():
        document = _ended(run_id)
    mail = _result_mail(stage)
    _print(document, mail)
    problems = _unexpected(stage, document, mail)
    for problem in problems:
        click.echo(f"UNEXPECTED: {problem}", err=True)
    return 1 if problems else 0


def _ended(run_id: int) -> dict[str, Any]:
    """The run's JSON, once it has ended and its mail was sent, or as it stands when the time is over."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        run = db.session.get_one(Migration, run_id, populate_existing=True)
        document = report.run_json(run)
        db.session.rollback()
        if (run.ended_at and document["email"]["sent"]) or time.monotonic() > deadline:
            return document
        time.sleep(LOOK_EVERY_S)


def _result_mail(stage: Stage) -> str:
    with urllib.request.urlopen(f"{stage.inbox_url}/mails.json", timeout=10) as answer:
        mails = json.load(answer)
    found = next((mail for mail in mails if mail["attachments"]), None)
    if found is None:
        return ""
    head = f"To: {', '.join(found['recipients'])}\nSubject: {found['subject']}\nAttachment: {', '.join(found['attachments'])}"
    return f"{head}\n\n{found['text'].strip()}"


def _print(document: dict[str, Any], mail: str) -> None:
    counts = ", ".join(f"{number} {name}" for name, number in document["counts"].items())
    lines = [f"Migration {document['id']}: {document['source']} → {document['target']}, {document['status']}: {counts}", ""]
    for move in document["moves"]:
        if not _is_bystander(move):
            lines.append(f"  {move['status']:<9} {move['user']}{'  ' + move['detail'] if move['detail'] else ''}")
    bystanders = sum(_is_bystander(move) for move in document["moves"])
    lines.append(f"  and {bystanders} who do not use {document['source']}")
    lines += ["", "The result mail, as it arrived:", "", mail or "(none)", ""]
    click.echo("\n".join(lines))


def _is_bystander(move: dict[str, Any]) -> bool:
    return bool(move["status"] == "skipped" and "not_shared" in move["reasons"])


def _unexpected(stage: Stage, document: dict[str, Any], mail: str) -> list[str]:
    """Everything that is not as the cast says."""
    source = document["source"]
    expected = sorted((person.name, person.ends) for person in stage.world.cast.people if source in person.on)
    names = {name for name, _ in expected}
    found = sorted((move["user"], move["status"]) for move in document["moves"] if move["user"] in names)
    problems = [f"{name} ended as {status}" for name, status in found if (name, status) not in expected]
    if len(found) != len(expected):
        problems.append(f"{len(found)} of {len(expected)} people are in the run")
    if document["status"] != "finished":
        problems.append(f"the run is {document['status']}: {document['problem']}")
    if not mail:
        problems.append(f"there is no result mail: {document['email']['reason']}")
    return problems
