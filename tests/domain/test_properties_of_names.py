"""Names in every script: which are one and the same, and what an account is called in the end."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from panel.domain.names import MOST_CHARACTERS, fold, is_allowed, same_name, wanted_name
from panel.platforms.names import allowed_name

quick = settings(derandomize=True, deadline=None, max_examples=150)
written = st.text(max_size=40) | st.text("aAbBiIıİßſsSﬁÅå\u00e9e\u0301\u200b\u200d\u200e\u200f\u202e\ufeff '.-_@+ＡａⅣ", max_size=12)

#: Two ways to write what a media server takes for one name, or a reader does.
ALIKE = [
    ("Strasse", "Straße"),
    ("STRASSE", "straße"),
    ("Zoë", "Zoe\u0308"),
    ("Ａlice", "Alice"),
    ("ALICE", "alice"),
    ("ﬁnn", "finn"),
    (" Alice ", "Alice"),
    ("Å", "\u212b"),
    ("K", "\u212a"),
    ("ſam", "sam"),
    ("Ⅳ", "iv"),
    ("Ω", "\u2126"),
    ("한글", unicodedata.normalize("NFD", "한글")),
]
#: Different people, however near.
APART = [
    ("ıris", "iris"),
    ("Alice", "Аlice"),
    ("Ali\u200bce", "Alice"),
    ("resume", "résumé"),
    ("Alice", "Alice2"),
    ("\u200fAlice", "Alice"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_takes_two_ways_of_writing_for_one_name(one: str, other: str) -> None:
    assert same_name(one, other) and same_name(other, one)


@pytest.mark.parametrize(("one", "other"), APART)
def test_does_not_take_one_person_for_another(one: str, other: str) -> None:
    assert not same_name(one, other)


@quick
@given(written)
@example("\u0345\u0301")
@example("\u1e9e\u0307")
def test_folding_twice_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@quick
@given(written, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_the_form_a_name_comes_in_does_not_matter(name: str, form: str) -> None:
    assert same_name(name, unicodedata.normalize(form, name))  # type: ignore[arg-type]


@quick
@given(written)
def test_letters_of_either_size_are_the_same_to_us_where_they_are_to_a_server(name: str) -> None:
    assert same_name(name, name.lower()) or fold(name.lower()) != name.lower()
    if name.isascii():
        assert same_name(name, name.upper())


@quick
@given(st.lists(written, min_size=1, max_size=3))
def test_a_name_that_is_sent_is_one_a_server_takes(wishes: list[str]) -> None:
    name = wanted_name(*wishes)
    assert len(name) <= MOST_CHARACTERS and name == name.strip() and "  " not in name
    assert all(is_allowed(character) for character in name)
    assert not any(unicodedata.category(character) in ("Cf", "Cc", "Cs", "Co") for character in name), "nothing invisible is sent"
    if name:
        assert allowed_name(name)
        assert wanted_name(name) == name
    else:
        assert not any(wanted_name(wish) for wish in wishes)


@quick
@given(written)
def test_a_name_becomes_the_same_account_however_it_is_composed(name: str) -> None:
    assert wanted_name(unicodedata.normalize("NFD", name)) == wanted_name(unicodedata.normalize("NFC", name))
