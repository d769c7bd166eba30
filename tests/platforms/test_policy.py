"""Policies of Emby and Jellyfin accounts as plain dicts: exact access, closing, and restrictions that are carried."""

from __future__ import annotations

from typing import Any

import pytest

from panel.domain.names import same_name
from panel.platforms.base import Access, Refused
from panel.platforms.names import allowed_name
from panel.platforms.policy import closed, exact
from panel.platforms.restrictions import lost

BOTH = {
    "IsAdministrator": False,
    "IsHidden": True,
    "IsDisabled": False,
    "EnableAllFolders": True,
    "EnabledFolders": [],
    "EnableAllChannels": True,
    "EnabledChannels": [],
    "EnableContentDeletion": False,
    "EnableContentDeletionFromFolders": [],
    "EnableContentDownloading": True,
    "EnableLiveTvManagement": False,
    "EnableLiveTvAccess": True,
    "EnableRemoteAccess": True,
    "EnableVideoPlaybackTranscoding": True,
    "EnableAllDevices": True,
    "EnabledDevices": [],
    "BlockedTags": [],
    "BlockUnratedItems": [],
    "AccessSchedules": [],
    "RemoteClientBitrateLimit": 0,
}
EMBY: dict[str, Any] = {
    **BOTH,
    "IncludeTags": [],
    "IsTagBlockingModeInclusive": False,
    "AllowTagOrRating": False,
    "SimultaneousStreamLimit": 0,
    "RestrictedFeatures": [],
    "ExcludedSubFolders": [],
}
JELLYFIN: dict[str, Any] = {
    **BOTH,
    "AllowedTags": [],
    "MaxActiveSessions": 0,
    "BlockedMediaFolders": [],
    "SyncPlayAccess": "CreateAndJoinGroups",
    "AuthenticationProviderId": "own.AuthenticationProvider",
    "PasswordResetProviderId": "own.ResetProvider",
}
FAMILY = pytest.mark.parametrize("target", [EMBY, JELLYFIN], ids=["emby", "jellyfin"])


def carried(target: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    """What a target's policy becomes for somebody with these restrictions on a source of the same product."""
    return exact(target, Access(frozenset({"a"}), settings={**target, **restrictions}))


def crossed(target: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    """The same for a source of the other product."""
    other = EMBY if target is JELLYFIN else JELLYFIN
    return exact(target, Access(frozenset({"a"}), settings={**other, **restrictions}))


@FAMILY
def test_it_opens_exactly_the_libraries_and_leaves_no_key_out(target: dict[str, Any]) -> None:  # M9
    wanted = exact({**target, "EnableLiveTvManagement": True, "IsDisabled": True}, Access(frozenset({"b", "a"})))
    assert wanted["EnableAllFolders"] is False
    assert wanted["EnabledFolders"] == ["a", "b"]
    assert wanted["EnableAllChannels"] is wanted["EnableLiveTvManagement"] is wanted["IsDisabled"] is False
    assert set(wanted) >= set(target)


@FAMILY
def test_it_takes_back_powers_over_content_and_lists_that_override_the_libraries(target: dict[str, Any]) -> None:
    before = {**target, "EnableContentDeletion": True, "EnableContentDeletionFromFolders": ["a"], "BlockedMediaFolders": ["b"]}
    wanted = exact({**before, "IsAdministrator": True}, Access(frozenset({"a"})))
    assert wanted["EnableContentDeletion"] is wanted["IsAdministrator"] is False
    assert wanted["EnableContentDeletionFromFolders"] == wanted["BlockedMediaFolders"] == []


@FAMILY
def test_it_never_makes_a_policy_of_an_empty_list(target: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="empty list"):
        exact(target, Access(frozenset()))


@pytest.mark.parametrize("make", [closed, lambda part: exact(part, Access(frozenset({"a"})))], ids=["closed", "exact"])
@pytest.mark.parametrize("part", [{}, {"IsDisabled": False}, {**EMBY, "EnableAllFolders": None}])
def test_it_refuses_a_policy_that_is_not_whole(make: Any, part: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="not known in full"):
        make(part)


@FAMILY
def test_it_closes_and_leaves_the_rest_as_it_was(target: dict[str, Any]) -> None:
    before = {
        **target,
        "EnabledFolders": ["a"],
        "EnableAllFolders": False,
        "SomethingNew": {"x": [1]},
        "MaxParentalRating": 7,
        "BlockedMediaFolders": ["b"],
    }
    after = closed(before)
    assert {key for key in before if before[key] != after[key]} == {"IsDisabled", "EnabledFolders"}
    assert after["IsDisabled"] is True and set(after) == set(before)


@pytest.mark.parametrize(
    ("downloads", "there", "here"), [(True, False, True), (False, True, False), (None, False, False), (None, True, True)]
)
def test_it_follows_the_plan_on_downloads_and_the_source_where_there_is_none(downloads: bool | None, there: bool, here: bool) -> None:
    policy = exact(EMBY, Access(frozenset({"a"}), downloads, {**EMBY, "EnableContentDownloading": there}))
    assert policy["EnableContentDownloading"] is here


@FAMILY
@pytest.mark.parametrize("take", [carried, crossed])
def test_it_carries_what_was_switched_off_and_never_what_was_switched_on(target: dict[str, Any], take: Any) -> None:
    after = take({**target, "EnableLiveTvAccess": False} if take is carried else target, EnableRemoteAccess=False, IsAdministrator=True)
    assert after["EnableRemoteAccess"] is False
    assert after["IsAdministrator"] is False
    if take is carried:
        assert exact({**target, "EnableLiveTvAccess": False}, Access(frozenset({"a"}), settings=target))["EnableLiveTvAccess"] is False


@pytest.mark.parametrize(("here", "there", "after"), [(0, 3, 3), (3, 0, 3), (2, 5, 2), (5, 2, 2), (0, 0, 0)])
def test_it_keeps_the_smaller_limit_where_0_is_none(here: int, there: int, after: int) -> None:
    target = {**EMBY, "SimultaneousStreamLimit": here}
    assert exact(target, Access(frozenset({"a"}), settings={**EMBY, "SimultaneousStreamLimit": there}))["SimultaneousStreamLimit"] == after


def test_it_does_not_take_a_limit_of_streams_for_one_of_sign_ins() -> None:
    after = crossed(JELLYFIN, SimultaneousStreamLimit=2)
    assert after["MaxActiveSessions"] == 0 and "SimultaneousStreamLimit" not in after
    assert "simultaneous streams" in lost(JELLYFIN, {**EMBY, "SimultaneousStreamLimit": 2})


@pytest.mark.parametrize(
    ("here", "there", "after"),
    [((None, None), (13, 0), (13, 0)), ((10, None), (13, 0), (10, None)), ((13, None), (13, 0), (13, 0)), ((7, 1), (None, None), (7, 1))],
)
def test_it_keeps_the_stricter_rating(here: Any, there: Any, after: Any) -> None:
    keys = ("MaxParentalRating", "MaxParentalSubRating")
    target = {**JELLYFIN, **dict(zip(keys, here, strict=True))}
    policy = exact(target, Access(frozenset({"a"}), settings={**JELLYFIN, **dict(zip(keys, there, strict=True))}))
    assert tuple(policy.get(key) for key in keys) == after


@pytest.mark.parametrize(("level", "age"), [(1, 0), (4, 7), (5, 10), (7, 13), (8, 16), (9, 17), (15, 18), (100, 18)])
def test_it_reads_an_emby_rating_as_an_age_for_jellyfin(level: int, age: int) -> None:
    assert crossed(JELLYFIN, MaxParentalRating=level)["MaxParentalRating"] == age


@pytest.mark.parametrize(("age", "level"), [(0, 1), (7, 4), (10, 5), (12, 5), (13, 7), (15, 7), (16, 8), (17, 8), (18, 9), (1000, 9)])
def test_it_reads_an_age_as_an_emby_rating_that_opens_no_more(age: int, level: int) -> None:
    after = crossed(EMBY, MaxParentalRating=age, MaxParentalSubRating=1)
    assert after["MaxParentalRating"] == level and "MaxParentalSubRating" not in after


@pytest.mark.parametrize(("target", "key"), [(EMBY, "IncludeTags"), (JELLYFIN, "AllowedTags")])
def test_it_translates_the_tags_an_item_needs(target: dict[str, Any], key: str) -> None:
    other = "AllowedTags" if key == "IncludeTags" else "IncludeTags"
    after = crossed(target, **{other: ["kids"], "BlockedTags": ["gore"]})
    assert after[key] == ["kids"] and after["BlockedTags"] == ["gore"] and other not in after


def test_it_reads_an_inclusive_list_of_blocked_tags_as_the_only_tags_allowed() -> None:
    after = crossed(JELLYFIN, BlockedTags=["kids"], IsTagBlockingModeInclusive=True)
    assert after["AllowedTags"] == ["kids"] and after["BlockedTags"] == []
    same = carried(EMBY, BlockedTags=["kids"], IsTagBlockingModeInclusive=True)
    assert same["BlockedTags"] == ["kids"] and same["IsTagBlockingModeInclusive"] is True


def test_it_never_opens_everything_because_two_lists_of_allowed_tags_have_nothing_in_common() -> None:
    after = exact({**JELLYFIN, "AllowedTags": ["family"]}, Access(frozenset({"a"}), settings={**JELLYFIN, "AllowedTags": ["kids"]}))
    assert after["AllowedTags"] == ["kids"]


def test_it_adds_up_blocked_tags_and_unrated_kinds() -> None:
    target = {**JELLYFIN, "BlockedTags": ["gore"], "BlockUnratedItems": ["Movie"]}
    after = exact(target, Access(frozenset({"a"}), settings={**EMBY, "BlockedTags": ["war"], "BlockUnratedItems": ["Game", "Series"]}))
    assert after["BlockedTags"] == ["gore", "war"]
    assert after["BlockUnratedItems"] == ["Movie", "Series"], "Jellyfin does not know games and would refuse the whole policy"


def test_it_drops_the_ids_of_schedules() -> None:
    row = {"DayOfWeek": "Monday", "StartHour": 8, "EndHour": 20}
    assert carried(JELLYFIN, AccessSchedules=[{**row, "Id": 3, "UserId": "x"}])["AccessSchedules"] == [row]


def test_it_keeps_both_provider_ids_of_the_target() -> None:
    after = carried(JELLYFIN, AuthenticationProviderId="ldap", PasswordResetProviderId="ldap")
    assert after["AuthenticationProviderId"] == "own.AuthenticationProvider"
    assert after["PasswordResetProviderId"] == "own.ResetProvider"


@FAMILY
def test_it_sends_no_key_the_target_does_not_know(target: dict[str, Any]) -> None:
    source = EMBY if target is JELLYFIN else JELLYFIN
    assert set(exact(target, Access(frozenset({"a"}), settings=source))) == set(target)


def test_it_carries_devices_between_servers_of_one_product_only() -> None:
    restricted = {"EnableAllDevices": False, "EnabledDevices": ["tv"]}
    assert carried(JELLYFIN, **restricted)["EnabledDevices"] == ["tv"]
    assert crossed(JELLYFIN, **restricted)["EnableAllDevices"] is True
    assert "devices" in lost(JELLYFIN, {**EMBY, **restricted})


@pytest.mark.parametrize(
    "odd",
    [
        {"MaxParentalRating": "7"},
        {"BlockedTags": "gore"},
        {"AccessSchedules": ["never"]},
        {"EnableRemoteAccess": 0},
        {"BlockUnratedItems": [1]},
    ],
)
def test_it_refuses_a_restriction_it_cannot_read(odd: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        carried(EMBY, **odd)


@pytest.mark.parametrize("name", ["mira", " mira ", "Zoë Ångström", "mira+tv@mail.example", "O'Neil-Smith_2.0", "अनिता", "李雷"])
def test_it_allows_names_that_both_servers_take(name: str) -> None:
    assert allowed_name(name) == name.strip()


@pytest.mark.parametrize(
    "name", ["", "   ", ".", "..", "a/b", "a<b", "tab\tbed", "a" * 256, "smile 😀", "\U0001d49cnna", "semi;colon", "x\ud800"]
)
def test_it_refuses_other_names_with_a_sentence(name: str) -> None:
    with pytest.raises(Refused) as refusal:
        allowed_name(name)
    assert str(refusal.value).encode()


@pytest.mark.parametrize(
    ("one", "other", "same"), [("Mira", "MIRA ", True), ("STRASSE", "straße", True), ("ｍira", "mira", True), ("mira", "mirah", False)]
)
def test_it_compares_names_as_servers_do(one: str, other: str, same: bool) -> None:
    assert same_name(one, other) is same
