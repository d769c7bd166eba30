"""What a run did to its servers, request by request: for a page, a table and a document."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from panel.domain.deeds import deed_of
from panel.extensions import db
from panel.models import Migration, SentRequest, Server
from panel.services.csv_cells import disarmed
from panel.services.report import run_json

COLUMNS = ("time", "user", "server", "what", "method", "path", "status", "result")
DONE = "done"


@dataclass(frozen=True)
class SentLine:
    """One changing request. `user`: the name they had then. `server`: its name, empty where it is gone. `problem`: a sentence, empty when
    it was done."""

    at: datetime
    user: str
    server: str
    method: str
    path: str
    status: int | None
    problem: str

    @property
    def is_done(self) -> bool:
        """Whether the server said that it was done."""
        return not self.problem

    @property
    def what(self) -> str:
        """What it did, or was to do, in people's words."""
        deed = deed_of(self.method, self.path)
        return deed.done if self.is_done else deed.meant

    @property
    def result(self) -> str:
        """How it ended: `done`, or a sentence."""
        return self.problem or DONE


def sent(run_id: int, move_id: int | None = None) -> Iterator[SentLine]:
    """The changing requests of a run, or of one user in it, oldest first; 1 query."""
    query = (
        select(
            SentRequest.at, SentRequest.user_name, Server.name, SentRequest.method, SentRequest.path, SentRequest.status, SentRequest.result
        )
        .outerjoin(Server, Server.id == SentRequest.server_id)
        .where(SentRequest.migration_id == run_id)
        .order_by(SentRequest.at, SentRequest.id)
    )
    if move_id is not None:
        query = query.where(SentRequest.move_id == move_id)
    for at, user, server, method, path, status, problem in db.session.execute(query):
        yield SentLine(at, user, server or "", method, path, status, problem)


def sent_csv(run: Migration) -> str:
    """The same as CSV; cells that a spreadsheet would take for a formula are disarmed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in sent(run.id):
        writer.writerow([disarmed(str(value)) for value in _values(line)])
    return out.getvalue()


def sent_json(run: Migration) -> list[dict[str, Any]]:
    """The same for a document: `status` is the HTTP status, `null` where no answer came."""
    return [dict(zip(COLUMNS, _values(line), strict=True)) | {"status": line.status} for line in sent(run.id)]


def document(run: Migration) -> dict[str, Any]:
    """The contract of `migrations ID --json`, and every changing request as `requests`."""
    return {**run_json(run), "requests": sent_json(run)}


def _values(line: SentLine) -> tuple[object, ...]:
    status = "" if line.status is None else line.status
    return line.at.isoformat(timespec="milliseconds"), line.user, line.server, line.what, line.method, line.path, status, line.result
