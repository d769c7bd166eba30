"""Reading Plex answers of any shape, and working out the settings to send."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.platforms.base import Access, PlatformError
from panel.platforms.plex import rows_v1, rows_v2, server_rows
from panel.platforms.plex.containers import xml_root
from panel.platforms.plex.fields import flag, moment, sharing_settings, text
from panel.platforms.plex.settings import as_v1, differ, replaces_filters, settings_to_send

FIELDS = [
    "id",
    "machineIdentifier",
    "accepted",
    "acceptedAt",
    "invitedId",
    "invitedEmail",
    "invited",
    "allLibraries",
    "libraries",
    "sharingSettings",
    "deletedAt",
    "leftAt",
    "username",
    "title",
    "email",
    "restricted",
    "userID",
    "key",
    "type",
    "shared",
    "librarySections",
    "owned",
    "size",
    "totalSize",
    "invitedAt",
    "allowSync",
    "allowTuners",
    "filterMovies",
    "name",
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["1", "0", "mid", "118"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5), max_leaves=25
)
attributes = st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=6) | st.sampled_from(["1", "0", "mid", "118"]), max_size=8)
tags = st.sampled_from(["MediaContainer", "Server", "Section", "SharedServer", "User", "Directory"])


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> ElementTree.Element:
    element = ElementTree.Element(draw(tags), draw(attributes))
    if depth:
        element.extend(draw(st.lists(elements(depth - 1), max_size=3)))
    return element


@given(values)
def test_any_json_is_read_or_refused_in_our_words(answer: object) -> None:
    for read in (
        lambda: [(rows_v2.is_of(row, "mid", "x"), rows_v2.member_of(row, accepted=True, who="x")) for row in rows_v2.rows_of(answer, "x")],
        lambda: [rows_v2.member_of(row, accepted=False, who="x") for row in rows_v2.rows_of([answer], "x")],
        lambda: rows_v2.made_member_of(answer, accepted=True, who="x"),
        lambda: rows_v2.invited_share_ids(answer),
        lambda: rows_v2.cloud_server_of(answer, "mid", "x"),
        lambda: (text(answer), flag(answer), moment(answer)),
    ):
        try:
            read()
        except PlatformError as error:
            assert str(error)


@given(elements())
def test_any_xml_is_read_or_refused_in_our_words(root: ElementTree.Element) -> None:
    for read in (
        lambda: rows_v1.members_of(root, "x"),
        lambda: rows_v1.member_of(root, "x"),
        lambda: rows_v1.made_member_of(root, "x"),
        lambda: rows_v1.users_of(root, "x"),
        lambda: rows_v1.cloud_server_of(root, "mid", "x"),
        lambda: server_rows.sections_of(root, "x"),
        lambda: server_rows.identity_of(root, "x"),
    ):
        try:
            read()
        except PlatformError as error:
            assert str(error)


@given(st.binary(max_size=60))
def test_any_bytes_are_xml_or_refused(body: bytes) -> None:
    try:
        xml_root(body, "x")
    except PlatformError as error:
        assert str(error)


@given(st.dictionaries(st.sampled_from(["allowSync", "allowTuners", "filterMovies", "filterMusic"]), scalars))
def test_whatever_a_row_says_can_be_sent_again(row: dict[str, object]) -> None:
    settings = settings_to_send(Access(frozenset({"1"}), settings=row), {})
    assert all(isinstance(value, str) for value in as_v1(settings).values())
    assert not differ(settings, settings)


@pytest.mark.parametrize("accepted_at", [None, "", "0"])
def test_a_v1_share_without_a_time_of_acceptance_is_pending(accepted_at: str | None) -> None:
    row = ElementTree.Element("SharedServer", {"id": "5", **({} if accepted_at is None else {"acceptedAt": accepted_at})})
    assert rows_v1.member_of(row, "x").accepted is False


def test_a_share_of_all_libraries_needs_no_list() -> None:
    member = rows_v2.member_of({"id": 5, "allLibraries": True, "libraries": None}, accepted=True, who="x")
    assert member.all_libraries and member.has_access


@pytest.mark.parametrize("written", [1700000000, "1700000000", "2023-11-14T22:13:20Z", "2023-11-14 22:13:20 UTC", "2023-11-14T22:13:20"])
def test_times_come_in_several_forms(written: object) -> None:
    assert moment(written) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_the_sections_not_shared_are_not_given() -> None:
    row = ElementTree.fromstring('<SharedServer id="5"><Section id="1" shared="1"/><Section id="2" shared="0"/></SharedServer>')
    assert rows_v1.member_of(row, "x").library_ids == {"1"}


def test_tokens_and_names_in_a_row_are_no_settings() -> None:
    row = {"accessToken": "secret", "allLibraries": "1", "allowSync": "1", "filterMovies": "a%2Cb", "filterPhotos": None, "name": "Den"}
    assert sharing_settings(row) == {"allowSync": True, "filterMovies": "a%2Cb", "filterPhotos": None}


def test_a_filter_that_is_not_set_does_not_differ_from_an_empty_one() -> None:
    assert not differ({"filterMovies": "", "allowSync": False}, {"filterMovies": None})
    assert differ({"filterMovies": "contentRating=G"}, {})
    assert not replaces_filters({"filterMovies": "a"}, {"filterMovies": None})
    assert replaces_filters({"filterMovies": "a"}, {"filterMovies": "b"})


@pytest.mark.parametrize("ended", ["deletedAt", "leftAt"])
def test_a_share_that_ended_is_no_row(ended: str) -> None:
    rows = rows_v2.rows_of([{"id": 1, ended: "2024-01-01T00:00:00Z"}, {"id": 2, "deletedAt": None, "leftAt": None}], "x")
    assert [row["id"] for row in rows] == [2]
