"""Which group is suggested for a library that is in none."""

from __future__ import annotations

import pytest

from panel.domain.suggestions import NamedLibrary, suggestions

SHIPPED = ("Private", "Standard", "Premium 4K")


def suggested(name: str, *others: tuple[str, str], kind: str = "movies", groups: tuple[str, ...] = SHIPPED) -> str:
    """What is suggested for a library beside others (name, group), each on a server of its own."""
    rows = [NamedLibrary(number, number, other, "movies", group) for number, (other, group) in enumerate(others, 2)]
    return suggestions([NamedLibrary(1, 1, name, kind), *rows], groups).get(1, "")


@pytest.mark.parametrize(
    ("name", "group"),
    [("Films", "Standard"), ("Films 4K", "Premium 4K"), ("UHD-Movies", "Premium 4K"), ("Home videos", "Private"), ("映画", "Standard")],
)
def test_goes_by_the_words_of_the_name_where_nothing_is_alike(name: str, group: str) -> None:
    assert suggested(name) == group


@pytest.mark.parametrize("other", ["Films", "films ", "My Movies", "MOVIE", "The Film Library"])
def test_takes_the_group_of_a_namesake_on_another_server(other: str) -> None:
    assert suggested("Films", (other, "Premium 4K")) == "Premium 4K"


def test_takes_the_same_name_before_a_similar_one() -> None:
    assert suggested("Films", ("Movies", "Premium 4K"), ("Movie", "Premium 4K"), ("films", "Standard")) == "Standard"


def test_keeps_4k_apart() -> None:
    assert suggested("Films 4K", ("Films", "Standard")) == "Premium 4K"


def test_looks_at_the_same_kind_only() -> None:
    assert suggested("Films", ("Films", "Premium 4K"), kind="shows") == "Standard"


def test_follows_the_most_and_is_careful_where_they_are_even() -> None:
    assert suggested("Films", ("Films", "Standard"), ("Films", "Standard"), ("Films", "Private")) == "Standard"
    assert suggested("Films", ("Films", "Standard"), ("Films", "Private")) == "Private"


def test_does_not_count_the_same_server() -> None:
    rows = [NamedLibrary(1, 1, "Films", "movies"), NamedLibrary(2, 1, "films", "movies", "Premium 4K")]
    assert suggestions(rows, SHIPPED) == {1: "Standard"}


def test_suggests_only_groups_that_exist() -> None:
    assert suggested("Films 4K", groups=("Private", "Standard")) == ""
