"""Emby's traps, asked over real sockets."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from panel.simulators.connect import ConnectAccount
from panel.simulators.emby import Emby
from panel.simulators.mediabrowser_accounts import Account
from panel.simulators.mediabrowser_state import ADMIN_NAME
from tests.simulators.asking import Reply, ask

CLIENT = 'Emby Client="Panel", Device="panel", DeviceId="panel-1", Version="1.0"'


@pytest.fixture
def server() -> Iterator[Emby]:
    server = Emby()
    with server.running():
        yield server


def by_key(server: Emby, method: str, target: str, body: object = None, **headers: str) -> Reply:
    return ask(server, method, "/emby" + target, body, X_Emby_Token=server.api_key, **headers)


def by_token(server: Emby, token: str, method: str, target: str, body: object = None) -> Reply:
    return ask(server, method, "/emby" + target, body, X_Emby_Token=token)


def sign_in(server: Emby, name: str, password: str) -> Reply:
    return ask(server, "POST", "/emby/Users/AuthenticateByName", {"Username": name, "Pw": password}, X_Emby_Authorization=CLIENT)


def token_of(server: Emby, name: str, password: str) -> str:
    return sign_in(server, name, password).json()["AccessToken"]


def is_alive(server: Emby, token: str) -> bool:
    return by_token(server, token, "GET", "/System/Info").status == 200


def create(server: Emby, name: str, **more: object) -> Account:
    return server.users[by_key(server, "POST", "/Users/New", {"Name": name, **more}).json()["Id"]]


def post_policy(server: Emby, account: Account, **changes: object) -> Reply:
    return by_key(server, "POST", f"/Users/{account.id}/Policy", {**account.policy, **changes})


def link(server: Emby, account: Account, username: str) -> Reply:
    return by_key(server, "POST", f"/Users/{account.id}/Connect/Link?ConnectUsername={quote(username, safe='')}")


@pytest.mark.parametrize("path", ["/emby/Users", "/Users", "/EMBY/users", "/emby/users"])
def test_serves_with_and_without_the_prefix_in_any_case(server: Emby, path: str) -> None:
    assert ask(server, "GET", path, X_Emby_Token=server.api_key).status == 200


def test_takes_the_token_from_each_carrier(server: Emby) -> None:
    assert ask(server, "GET", "/emby/Users", Authorization=f'MediaBrowser Token="{server.api_key}"').status == 200
    assert ask(server, "GET", "/emby/Users", X_Emby_Authorization=f'{CLIENT}, Token="{server.api_key}"').status == 200
    assert ask(server, "GET", f"/emby/Users?API_KEY={server.api_key}").status == 200


def test_says_in_plain_text_whether_a_token_is_missing_or_refused(server: Emby) -> None:
    missing = ask(server, "GET", "/emby/Users")
    server.revoke_key()
    refused = by_key(server, "GET", "/Users")
    assert (missing.status, missing.text) == (401, "Access token is required.")
    assert (refused.status, refused.text) == (401, "Access token is invalid or expired.")


def test_refuses_a_non_admin_on_admin_routes_with_a_text(server: Emby) -> None:
    server.add_user("mira", "x")
    refused = by_token(server, token_of(server, "mira", "x"), "POST", "/Users/New", {"Name": "pim"})
    assert (refused.status, bool(refused.text)) == (403, True)


def test_answers_503_to_everything_while_starting(server: Emby) -> None:
    server.starting = True
    assert [ask(server, "GET", path).status for path in ("/emby/System/Info/Public", "/emby/System/Ping")] == [503, 503]


def test_tells_itself_from_jellyfin_without_a_token(server: Emby) -> None:
    shown = ask(server, "GET", "/emby/System/Info/Public").json()
    assert (shown["ServerName"], shown["Version"], shown["Id"]) == ("Cedar", "4.9.1.90", server.server_id)
    assert "ProductName" not in shown and shown["LocalAddresses"]


@pytest.mark.parametrize(("version", "told"), [("4.8.11.0", False), ("4.9.0.42", False), ("4.9.1.90", True)])
def test_tells_of_maintenance_since_4_9_1(version: str, told: bool) -> None:
    server = Emby(version=version)
    with server.running():
        assert ("IsInMaintenanceMode" in by_key(server, "GET", "/System/Info").json()) is told


def test_every_nth_write_finds_the_database_locked(server: Emby) -> None:
    server.writes_locked_every = 3
    replies = [by_key(server, "POST", "/Users/New", {"Name": f"user{n}"}) for n in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 500]
    assert "locked" in replies[2].text and server.user("user2") is None


def test_lists_users_in_each_form(server: Emby) -> None:
    server.add_user("mira", disabled=True)
    assert [row["Name"] for row in by_key(server, "GET", "/Users").json()] == ["admin", "mira"]
    server.users_as_items = True
    assert by_key(server, "GET", "/Users").json()["TotalRecordCount"] == 2
    server.no_users_route = True
    assert by_key(server, "GET", "/Users").status == 404
    page = by_key(server, "GET", "/Users/Query?startindex=1&limit=1").json()
    assert ([row["Name"] for row in page["Items"]], page["TotalRecordCount"]) == (["mira"], 2)
    assert by_key(server, "GET", "/Users/Query?IsDisabled=false").json()["TotalRecordCount"] == 1


def test_an_unknown_user_is_a_404_in_plain_text(server: Emby) -> None:
    reply = by_key(server, "GET", "/Users/" + "ab" * 16)
    assert (reply.status, reply.text, reply.headers.get_content_type()) == (404, "User not found", "text/plain")


def test_a_new_account_ignores_the_password_and_is_open_to_everybody(server: Emby) -> None:
    account = create(server, "mira", Password="x")
    assert not server.can_sign_in("mira", "x")
    assert sign_in(server, "Mira", "").status == 200
    assert server.visible(account) == {"Films", "Shows", "Music"}


def test_a_new_account_may_copy_policy_and_configuration_in_the_same_call(server: Emby) -> None:
    pattern = server.add_user("pattern", "x", libraries=["Films"], SimultaneousStreamLimit=2)
    pattern.configuration["SubtitleMode"] = "Always"
    account = create(server, "mira", CopyFromUserId=pattern.id, UserCopyOptions=["UserPolicy", "UserConfiguration"])
    assert server.visible(account) == {"Films"}
    assert (account.policy["SimultaneousStreamLimit"], account.configuration["SubtitleMode"]) == (2, "Always")


def test_a_taken_name_is_told_whatever_its_case(server: Emby) -> None:
    create(server, "mira")
    reply = by_key(server, "POST", "/Users/New", {"Name": "Mira"})
    assert (reply.status, reply.text) == (400, "A user with the name 'Mira' already exists.")


@pytest.mark.parametrize("body", [{}, {"Name": ""}, {"Name": "<b>"}, []])
def test_refuses_a_body_without_a_usable_name(server: Emby, body: object) -> None:
    assert by_key(server, "POST", "/Users/New", body).status == 400


def test_guids_grant_libraries_and_numbers_are_stored_but_grant_nothing(server: Emby) -> None:
    films = by_key(server, "GET", "/Library/SelectableMediaFolders").json()[0]
    account = server.add_user("mira")
    post_policy(server, account, EnabledFolders=[films["Id"]])
    assert (account.policy["EnabledFolders"], server.visible(account)) == ([films["Id"]], set())
    post_policy(server, account, EnabledFolders=[films["Guid"]])
    views = by_key(server, "GET", f"/Users/{account.id}/Views?IncludeExternalContent=false").json()["Items"]
    assert [view["Name"] for view in views] == ["Films", "Collections"]


def test_numbers_grant_where_there_are_no_guids(server: Emby) -> None:
    server.guidless = True
    films = by_key(server, "GET", "/Library/VirtualFolders").json()[0]
    account = server.add_user("mira")
    assert "Guid" not in films
    post_policy(server, account, EnabledFolders=[films["Id"]])
    assert server.visible(account) == {"Films"}


def test_lists_libraries_alike_everywhere(server: Emby) -> None:
    bare = by_key(server, "GET", "/Library/VirtualFolders").json()
    queried = by_key(server, "GET", "/Library/VirtualFolders/Query").json()
    items = by_key(server, "GET", "/Library/MediaFolders").json()
    ids = [(library.name, library.number, library.id) for library in server.libraries]
    for rows in (bare, queried["Items"], items["Items"]):
        assert [(row["Name"], row["Id"], row["Guid"]) for row in rows] == ids
    assert queried["TotalRecordCount"] == items["TotalRecordCount"] == 3


def test_a_policy_replaces_the_whole_and_left_out_keys_are_generous(server: Emby) -> None:
    account = server.add_user("mira", libraries=["Films"], SimultaneousStreamLimit=2, MaxParentalRating=7)
    assert by_key(server, "POST", f"/Users/{account.id}/Policy", {"IsHidden": False}).status in (200, 204)
    assert server.visible(account) == {"Films", "Shows", "Music"}
    assert (account.policy["SimultaneousStreamLimit"], account.policy["EnableContentDeletion"]) == (0, True)
    assert "MaxParentalRating" not in account.policy and account.policy["IsHidden"] is False


@pytest.mark.parametrize(("version", "there"), [("4.8.11.0", True), ("4.9.1.90", False)])
def test_blocked_folders_are_gone_with_4_9(version: str, there: bool) -> None:
    assert ("BlockedMediaFolders" in Emby(version=version).add_user("mira").policy) is there


def test_guards_admins_with_texts(server: Emby) -> None:
    admin = server.user(ADMIN_NAME)
    assert admin
    assert "administrative access" in post_policy(server, admin, IsAdministrator=False).text
    assert post_policy(server, admin, IsDisabled=True).status == 400
    assert by_key(server, "DELETE", f"/Users/{admin.id}").status == 400
    server.add_user("second", "x", admin=True)
    assert by_key(server, "POST", f"/Users/{admin.id}/Delete").status in (200, 204)
    assert server.user(ADMIN_NAME) is None


def test_a_reset_leaves_the_account_open_and_signed_in_a_new_password_signs_out(server: Emby) -> None:
    account = server.add_user("mira", "x")
    token = token_of(server, "mira", "x")
    by_key(server, "POST", f"/Users/{account.id}/Password", {"Id": account.id, "ResetPassword": True})
    assert server.can_sign_in("mira", "") and is_alive(server, token)
    by_key(server, "POST", f"/Users/{account.id}/Password", {"Id": account.id, "NewPw": "y"})
    assert server.can_sign_in("mira", "y") and not is_alive(server, token)


def test_a_user_is_refused_with_a_wrong_current_password(server: Emby) -> None:
    account = server.add_user("mira", "x")
    token = token_of(server, "mira", "x")
    reply = by_token(server, token, "POST", f"/Users/{account.id}/Password", {"CurrentPw": "no", "NewPw": "y"})
    assert (reply.status, reply.text) == (400, "Invalid user or password entered.")


def test_disabling_and_deleting_end_sign_ins(server: Emby) -> None:
    tokens = []
    for name in ("mira", "pim"):
        server.add_user(name, "x")
        tokens.append(token_of(server, name, "x"))
    mira, pim = (server.user(name) for name in ("mira", "pim"))
    assert mira and pim
    post_policy(server, mira, IsDisabled=True)
    by_key(server, "DELETE", f"/Users/{pim.id}")
    assert [is_alive(server, token) for token in tokens] == [False, False]


def test_sign_in_says_what_is_wrong(server: Emby) -> None:
    server.add_user("mira", "x")
    server.add_user("off", "x", disabled=True)
    wrong, disabled = sign_in(server, "mira", "no"), sign_in(server, "off", "x")
    assert (wrong.status, wrong.text) == (401, "Invalid username or password entered.")
    assert disabled.status == 403 and "off" in disabled.text
    assert sign_in(server, "", "x").status == 400


def test_a_rename_needs_the_id_in_its_body(server: Emby) -> None:
    account = server.add_user("mira")
    server.add_user("pim")
    shown = by_key(server, "GET", f"/Users/{account.id}").json()
    assert by_key(server, "POST", f"/Users/{account.id}", {**shown, "Name": "PIM"}).status == 400
    assert by_key(server, "POST", f"/Users/{account.id}", {**shown, "Name": "maria"}).status in (200, 204)
    assert account.name == "maria"
    del shown["Id"]
    assert by_key(server, "POST", f"/Users/{account.id}", {**shown, "Name": "marie"}).status == 500


def test_a_partial_configuration_changes_only_its_keys(server: Emby) -> None:
    account = server.add_user("mira")
    by_key(server, "POST", f"/Users/{account.id}/Configuration/Partial", {"SubtitleMode": "HearingImpaired"})
    by_key(server, "POST", f"/Users/{account.id}/Configuration/Partial", {"AudioLanguagePreference": "ces"})
    assert (account.configuration["SubtitleMode"], account.configuration["AudioLanguagePreference"]) == ("HearingImpaired", "ces")


def test_keeps_and_deletes_a_picture(server: Emby) -> None:
    account = server.add_user("mira")
    target = f"/Users/{account.id}/Images/Primary"
    by_key(server, "POST", target, base64.b64encode(b"\xff\xd8"), Content_Type="image/jpeg")
    assert "PrimaryImageTag" in by_key(server, "GET", f"/Users/{account.id}").json()
    assert ask(server, "GET", "/emby" + target).body == b"\xff\xd8"
    by_key(server, "POST", target + "/Delete")
    assert ask(server, "GET", "/emby" + target).status == 404


@pytest.mark.parametrize(("address", "waits"), [("mira@home.example", False), ("mira@pending.example", True)])
def test_links_to_connect_and_shows_a_pending_link_like_any_other(server: Emby, address: str, waits: bool) -> None:
    account = server.add_user("mira", "x")
    assert link(server, account, address).json() == {"IsPending": waits, "IsNewUserInvitation": False}
    shown = by_key(server, "GET", f"/Users/{account.id}").json()
    assert shown["ConnectLinkType"] == "LinkedUser" and shown["ConnectUserName"] not in ("", address)
    assert (account.link_pending, account.connect_email) == (waits, address)


@pytest.mark.parametrize(("address", "status"), [("mira@unknown.example", 500), ("mira@disabled.example", 400), ("", 400)])
def test_links_nothing_where_connect_refuses(server: Emby, address: str, status: int) -> None:
    account = server.add_user("mira", "x", connect_email="old@home.example")
    reply = link(server, account, address)
    assert (reply.status, bool(reply.text), account.connect_email) == (status, True, "old@home.example")
    assert [(attempt.username, attempt.status) for attempt in server.connect.attempts] == [(address, status)]


def test_does_not_link_one_person_to_two_users_and_names_the_first(server: Emby) -> None:
    server.add_user("mira", "x", connect_email="mira@home.example")
    second = server.add_user("pim", "x")
    reply = link(server, second, "Mira@Home.example")
    assert (reply.status, "mira" in reply.text, second.connect_name) == (500, True, "")


def test_a_new_link_replaces_the_old_one_and_unlinking_clears_it(server: Emby) -> None:
    account = server.add_user("mira", "x", connect_email="old@home.example")
    assert link(server, account, "new@home.example").status == 200
    assert account.connect_email == "new@home.example"
    assert by_key(server, "POST", f"/Users/{account.id}/Connect/Link/Delete").status in (200, 204)
    assert "ConnectUserName" not in by_key(server, "GET", f"/Users/{account.id}").json()


def test_declared_connect_accounts_come_before_the_rules(server: Emby) -> None:
    account = server.add_user("mira", "x")
    server.connect_accounts["mira@home.example"] = None
    server.connect_accounts["mirav"] = ConnectAccount("mirav", "mira@mail.example", confirms_links=True)
    assert link(server, account, "mira@home.example").status == 500
    assert link(server, account, "mira@mail.example").json()["IsPending"] is True
    server.accept_link(account)
    assert (account.connect_name, account.link_pending) == ("mirav", False)


def test_tells_of_premiere_or_has_no_such_route(server: Emby) -> None:
    assert by_key(server, "GET", "/Plugins/SecurityInfo").json()["IsMBSupporter"] is True
    server.premiere = None
    assert by_key(server, "GET", "/Plugins/SecurityInfo").status == 404


def test_makes_and_deletes_keys(server: Emby) -> None:
    by_key(server, "POST", "/Auth/Keys?App=Panel")
    row = by_key(server, "GET", "/Auth/Keys").json()["Items"][-1]
    assert is_alive(server, row["AccessToken"])
    by_key(server, "POST", f"/Auth/Keys/{row['AccessToken']}/Delete")
    assert not is_alive(server, row["AccessToken"])


def test_counts_how_long_a_new_account_stands_open(server: Emby) -> None:
    careful, careless = create(server, "careful"), create(server, "careless")
    post_policy(server, careful, IsDisabled=True)
    by_key(server, "POST", f"/Users/{careful.id}/Password", {"NewPw": "x"})
    post_policy(server, careful, IsDisabled=False, EnableAllFolders=False, EnabledFolders=[server.libraries[0].id])
    link(server, careless, "careless@home.example")
    assert server.exposed_moments() == [("careful", 1), ("careless", 2)]
    assert server.exposure.still_open() == ["careless"]
    by_key(server, "DELETE", f"/Users/{careless.id}")
    assert server.exposure.still_open() == []
    assert [is_open for _, account_id, is_open in server.history if account_id == careful.id] == [True, False, False, False]


def test_an_account_without_libraries_or_made_before_is_not_counted_as_open(server: Emby) -> None:
    before = server.add_user("before", libraries="all")
    post_policy(server, before, IsHidden=False)
    account = create(server, "mira")
    post_policy(server, account, EnableAllFolders=False)
    assert server.exposed_moments() == [("mira", 1)]


def test_a_server_that_keeps_passwords_wants_a_reset_before_another_one(server: Emby) -> None:
    server.keeps_passwords = True
    account = server.add_user("mira", "x")
    path = f"/Users/{account.id}/Password"
    assert by_key(server, "POST", path, {"Id": account.id, "NewPw": "y"}).status == 400
    assert server.can_sign_in("mira", "x")
    by_key(server, "POST", path, {"Id": account.id, "ResetPassword": True})
    by_key(server, "POST", path, {"Id": account.id, "NewPw": "y"})
    assert server.can_sign_in("mira", "y")
