"""The list of migrations: narrowed, ordered and paged like every other, and keeping up with the runs that are open."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from time import perf_counter

import pytest
from flask.testing import FlaskClient

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move, User
from panel.models.types import utc_now
from tests.databases import BOTH
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.counting import statements

LIST = by_htmx("migrations")
STATES = MigrationStatus


def add(pair: Scene, status: MigrationStatus, *, back: bool = False, **values: object) -> Migration:
    """A run between Cedar and Birch that began an hour ago; `back`: the other way round."""
    source, target = pair.source.row, pair.target.row
    begun = utc_now() - timedelta(hours=1)
    times: dict[str, object] = {"created_at": begun, "started_at": begun, **values}
    made = Migration(source=target if back else source, target=source if back else target, status=status, **times)
    db.session.add(made)
    db.session.commit()
    return made


def numbers(text: str) -> list[int]:
    """The runs of this page in order."""
    return [int(number) for number in re.findall(r'<tr id="migration-(\d+)"', text)]


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def poll_address(text: str) -> str:
    found = re.search(r'<div id="migrations" hx-get="([^"]+)"', text)
    return unescape(found[1]) if found else ""


@pytest.fixture
def runs(pair: Scene) -> list[int]:
    """One of each kind: finished in 10 minutes, failed after 2, cancelled, under way, set for tomorrow."""
    hour_ago = utc_now() - timedelta(hours=1)
    made = [
        add(pair, STATES.FINISHED, started_at=hour_ago, ended_at=hour_ago + timedelta(minutes=10)),
        add(pair, STATES.FAILED, back=True, started_at=hour_ago + timedelta(1), ended_at=hour_ago + timedelta(1, minutes=2)),
        add(pair, STATES.CANCELLED, started_at=None, ended_at=utc_now(), created_at=hour_ago - timedelta(days=3)),
        add(pair, STATES.RUNNING),
        add(pair, STATES.QUEUED, started_at=None, start_at=utc_now() + timedelta(days=2)),
    ]
    return [run.id for run in made]


@pytest.mark.parametrize("database_kind", BOTH)
def test_says_how_many_there_are_and_narrows_them(ada: FlaskClient, pair: Scene, runs: list[int]) -> None:
    finished, failed, cancelled, running, scheduled = runs
    whole = ada.get("/migrations").text
    assert numbers(whole) == runs[::-1] and "5 migrations" in words(whole)
    for state, expected in (
        ("finished", finished),
        ("failed", failed),
        ("cancelled", cancelled),
        ("active", running),
        ("scheduled", scheduled),
    ):
        text = ada.get(f"/migrations?state={state}").text
        assert numbers(text) == [expected] and "1 migration found Show all" in words(text)
    assert numbers(ada.get(f"/migrations?q={failed}").text) == [failed]
    assert numbers(ada.get("/migrations?q=cedar").text) == runs[::-1]
    assert numbers(ada.get(f"/migrations?server={pair.source.row.id}&state=failed").text) == [failed]
    assert "No migrations match" in ada.get("/migrations?q=elsewhere").text
    assert "No migrations match" in ada.get("/migrations?server=99").text
    assert numbers(ada.get("/migrations?state=foo&sort=nonsense&page=x").text) == runs[::-1]


@pytest.mark.parametrize("database_kind", BOTH)
def test_sorts_as_it_shows(ada: FlaskClient, runs: list[int]) -> None:
    finished, failed, cancelled, running, scheduled = runs
    assert numbers(ada.get("/migrations?sort=number").text) == runs
    assert numbers(ada.get("/migrations?sort=started").text) == [cancelled, finished, running, failed, scheduled]
    assert numbers(ada.get("/migrations?sort=-took").text)[:2] == [finished, failed]


def test_shows_every_run_on_some_page_in_a_few_queries(ada: FlaskClient, pair: Scene) -> None:
    add(pair, STATES.FINISHED, ended_at=utc_now())
    with statements() as few:
        ada.get("/migrations")
    user, ended = db.session.scalars(db.select(User)).first(), utc_now()
    assert user
    servers = {"source_id": pair.source.row.id, "target_id": pair.target.row.id}
    made = [Migration(**servers, status=STATES.FINISHED, started_at=ended, ended_at=ended) for _ in range(1000)]
    db.session.add_all(made)
    db.session.flush()
    db.session.add_all(
        Move(migration_id=run.id, user_id=user.id, position=1, name="A", status=MoveStatus.MOVED, step=Step.DONE) for run in made
    )
    db.session.commit()
    for address in ("/migrations", "/migrations?page=21&sort=took", "/migrations?q=ced&state=finished&sort=started&page=9"):
        began = perf_counter()
        with statements() as sent:
            answer = ada.get(address)
        assert len(sent) <= len(few) and len(answer.data) < 100_000 and perf_counter() - began < 2, address
        assert re.search(r"1\D001 migrations", answer.text) and "of 21" in answer.text
    assert sorted(number for page in range(1, 22) for number in numbers(ada.get(f"/migrations?page={page}").text)) == list(range(1, 1002))


def test_tells_the_invited_from_the_moved(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    [first, _] = [move for move in run.moves if move.status is MoveStatus.MOVED]
    first.status = MoveStatus.INVITED
    db.session.commit()
    assert "1 of 2 moved, 1 invited" in words(ada.get("/migrations").text)


def test_follows_the_runs_that_are_open(ada: FlaskClient, pair: Scene, runs: list[int]) -> None:
    text = ada.get("/migrations?q=cedar&sort=started").text
    address = poll_address(text)
    assert "q=cedar" in address and "sort=started" in address and 'hx-trigger="every 2s"' in text
    again = ada.get(address, headers=LIST)
    assert (again.status_code, again.data) == (204, b"")
    run = db.session.get_one(Migration, runs[3])
    run.status, run.ended_at = STATES.FINISHED, utc_now()
    db.session.commit()
    changed = ada.get(address, headers=LIST)
    assert changed.status_code == 200 and changed.text.lstrip().startswith('<div id="migrations"')
    # All that is open now waits for its time.
    assert 'hx-trigger="every 30s"' in changed.text and "since=" not in changed.text.partition("<tbody>")[2]
    assert poll_address(ada.get("/migrations?state=finished").text) == ""
    assert ada.get(address).status_code == 200


def test_what_may_have_the_focus_keeps_it_when_the_list_is_fetched_anew(ada: FlaskClient, runs: list[int]) -> None:
    text = ada.get("/migrations?q=cedar", headers=LIST).text
    links = re.findall(r"<a [^>]*>", text)
    assert links and all(' id="' in link for link in links)


def test_offers_to_sort_where_there_is_no_table_head(ada: FlaskClient, pair: Scene) -> None:
    add(pair, STATES.FINISHED, ended_at=utc_now())
    lists = {
        "/migrations": "took",
        "/users": "paid",
        "/payments": "end",
        "/shares": "invited",
        "/libraries": "group",
        "/settings/changes": "at",
    }
    ada.post("/users/new", data={"name": "Somebody"})
    for address, key in lists.items():
        text = ada.get(f"{address}?sort={key}").text
        choice = re.search(r'<p class="sorts d-md-none">.*?</p>', text, re.S)
        assert choice and f'id="sort-by-{key}" href="{address}?sort=-{key}" aria-current="true"' in choice[0], address
