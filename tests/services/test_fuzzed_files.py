"""Estate files and tables of addresses that are broken in any way are refused with line and field, and change nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from panel.extensions import Base, db
from panel.models import User
from panel.services import estate, user_emails
from panel.services.estate import file as estate_file
from panel.services.estate.file import EstateError
from panel.services.user_emails import COLUMNS, NoCsv
from tests.world import World, estate_of

quick = settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
more = settings(quick, max_examples=3000)

ESTATE = """
plex_accounts:
  - {email: olga@example.test, token: abcdefghijklmnop, has_plex_pass: true}
servers:
  - {name: Oak, platform: plex, url: "http://127.0.0.1:32400", plex_account: olga@example.test}
  - {name: Birch, platform: jellyfin, url: "http://127.0.0.1:8096", token: abcdefghijklmnop}
libraries:
  - {server: Oak, name: Films, group: Standard}
plans:
  - {name: Basic, library_groups: [Standard], duration_days: 30, default: true}
users:
  - name: Alice
    email: alice@example.test
    payments: [{plan: Basic, start: 2020-01-01, end: 2099-12-31}]
settings: {admin_email: admin@example.test}
"""
DOCUMENT: Any = yaml.safe_load(ESTATE.replace("2020-01-01", "'2020-01-01'").replace("2099-12-31", "'2099-12-31'"))

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "=1", "\x00", "\ud800", "ß", "x" * 3000])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of the document."""
    yield path
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in rows:
        yield from places(inner, (*path, key))


PLACES = list(places(DOCUMENT))


def with_other(path: tuple[Any, ...], nonsense: Any) -> Any:
    """The document with something else in this place."""
    if not path:
        return nonsense
    bent = json.loads(json.dumps(DOCUMENT))
    place = bent
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = nonsense
    return bent


def assert_taken_or_refused(text: str) -> None:
    """The file is read, or refused with a line for each mistake."""
    try:
        estate_file.load(text, {})
    except EstateError as error:
        assert error.mistakes
        for mistake in error.mistakes:
            assert 1 <= mistake.line <= text.count("\n") + 2, str(mistake)
            assert re.match(r"line \d+(, \S.*)?: \S", str(mistake), re.S), str(mistake)
        assert "Traceback" not in str(error) and len(str(error)) < 20_000


@quick
@given(st.sampled_from(PLACES), values, st.booleans())
@example(("users", 0, "name"), "\x00", True)
@example(("servers", 0, "url"), "http://[", True)
@example(("users", 0, "payments", 0, "start"), "9999-99-99", False)
@example((), [], False)
def test_an_estate_file_with_one_odd_value_is_refused_with_its_line(path: tuple[Any, ...], nonsense: Any, as_json: bool) -> None:
    document = with_other(path, nonsense)
    assert_taken_or_refused(json.dumps(document, indent=1) if as_json else yaml.safe_dump(document))


@quick
@given(st.text(max_size=120) | st.text("{}[]:,-&*!|>'\"%@`#? \n\tabc0~=", max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert_taken_or_refused(text)


@quick
@given(st.integers(0, len(ESTATE)), st.integers(0, 30), st.text("{}[]:,-&*!|>'\" \n\tü\x00\x85\u2028", max_size=4))
def test_a_torn_estate_file_is_read_or_refused(at: int, length: int, instead: str) -> None:
    assert_taken_or_refused(ESTATE[:at] + instead + ESTATE[at + length :])


@pytest.mark.thorough
@more
@given(st.sampled_from(PLACES), values, st.booleans())
def test_estate_files_with_odd_values_thoroughly(path: tuple[Any, ...], nonsense: Any, as_json: bool) -> None:
    document = with_other(path, nonsense)
    assert_taken_or_refused(json.dumps(document, indent=1) if as_json else yaml.safe_dump(document))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a {b: &b [*a, *b]}\nusers: *a",
        "[" * 10_000,
        "{" * 10_000,
        "- " * 5_000 + "x",
        "users: " + "[" * 2_000 + "]" * 2_000,
        "x: !!python/object/apply:os.system [id]",
        "<<: {users: []}",
        "users: 1e999",
        "users: [" + "{name: a}," * 20_000 + "]",
        '{"a": ' * 3_000 + "1" + "}" * 3_000,
        "a" * 1_000_000,
        "9" * 6_000,
        "users: [{name: " + "9" * 6_000 + "}]",
        "\ufeff\ufeff",
    ],
)
def test_bombs_are_refused(text: str) -> None:
    with pytest.raises(EstateError):
        estate_file.load(text, {})


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    db.session.rollback()
    return {table.name: [tuple(row) for row in db.session.execute(table.select())] for table in Base.metadata.sorted_tables}


def test_a_file_that_is_bad_in_its_last_line_changes_nothing(app: Flask, world: World) -> None:
    whole = yaml.safe_load(estate_of(world))
    with app.app_context():
        before = everything()
        for bad in (
            {**whole, "settings": {"admin_email": 7}},
            {
                **whole,
                "users": [
                    *whole["users"],
                    {"name": "Zoe", "payments": [{"plan": "No such plan", "start": "2020-01-01", "end": "2021-01-01"}]},
                ],
            },
            {**whole, "libraries": [*whole["libraries"], {"server": "Nowhere", "name": "Films", "group": "Standard"}]},
        ):
            with pytest.raises(EstateError):
                estate.apply(estate.load(yaml.safe_dump(bad), {}))
            assert everything() == before


# Tables of addresses.

cells = st.text(max_size=12) | st.sampled_from(
    ["Alice", "alice@example.test", "=1+1", "", '"', "x" * 300, "\x00", "\ud83d", "ＡLICE", "a@b", "\r"]
)
tables = st.lists(st.lists(cells, max_size=6), max_size=5)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An installation with a few users, for many tables."""
    from panel import create_app
    from panel.config import Config

    app = create_app(Config.from_env({"PANEL_VAR": str(tmp_path_factory.mktemp("var"))}))
    with app.app_context():
        db.create_all()
        db.session.add_all([User(name="Alice", email="alice@example.test"), User(name="Bob"), User(name="Straße"), User(name="STRASSE")])
        db.session.commit()
        yield app
        db.session.remove()
        db.engine.dispose()


def assert_previewed(text: str) -> None:
    """A preview, or a sentence; nothing is changed by either."""
    before = everything()
    try:
        found = user_emails.preview(text)
    except NoCsv as refusal:
        assert len(str(refusal)) > 10
    else:
        lines = [line for line, _ in found.problems] + [change.line for change in found.changes]
        assert all(line >= 2 for line in lines)
        assert all(sentence.endswith(".") for _, sentence in found.problems)
        assert all(change.column in COLUMNS[1:] and change.after for change in found.changes)
        assert len({(change.user.id, change.column) for change in found.changes}) == len(found.changes)
        taken = [change.after.casefold() for change in found.changes if change.column == "email"]
        assert len(set(taken)) == len(taken), "one address for two people"
    assert everything() == before


@quick
@given(tables, st.sampled_from(",;\t"), st.permutations(COLUMNS), st.booleans())
def test_any_table_is_previewed_or_refused(people: Flask, rows: list[list[str]], delimiter: str, heading: list[str], quoted: bool) -> None:
    lines = [delimiter.join(f'"{cell}"' if quoted else cell for cell in row) for row in [heading, *rows]]
    assert_previewed("\n".join(lines))


@quick
@given(st.text(max_size=80))
@example('name,email\n"Alice')
@example("name,email\r\rAlice,x@example.test")
@example("name,email\n" + "a" * 200_000)
@example("\ufeffname;email\nAlice;neu@example.test")
def test_any_text_is_previewed_or_refused(people: Flask, text: str) -> None:
    assert_previewed(text)


def test_a_name_two_people_share_when_folded_belongs_to_neither(people: Flask) -> None:
    for name in ("straße", "Strasse", "ＳＴＲＡＳＳＥ"):
        found = user_emails.preview(f"name,email\n{name},new@example.test")
        assert not found.changes and "2 users are called" in found.problems[0][1]


def test_a_name_that_only_looks_like_another_is_nobodys(people: Flask) -> None:
    for name in ("Аlice", "Al\u200bice", "\u202eAlice", "Alıce"):
        found = user_emails.preview(f"name,email\n{name},new@example.test")
        assert not found.changes and "Nobody is called" in found.problems[0][1]
