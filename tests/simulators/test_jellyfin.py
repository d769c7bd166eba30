"""Jellyfin's traps, asked over real sockets."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator

import pytest

from panel.simulators.jellyfin import Jellyfin
from panel.simulators.mediabrowser_accounts import Account
from panel.simulators.mediabrowser_state import ADMIN_NAME, ADMIN_PASSWORD
from tests.simulators.asking import Reply, ask

IDENTITY = 'Client="Panel", Device="panel", DeviceId="{device}", Version="1.0"'


@pytest.fixture
def server() -> Iterator[Jellyfin]:
    server = Jellyfin()
    with server.running():
        yield server


def by_key(server: Jellyfin, method: str, target: str, body: object = None, **headers: str) -> Reply:
    return ask(server, method, target, body, Authorization=f'MediaBrowser Token="{server.api_key}"', **headers)


def by_token(server: Jellyfin, token: str, method: str, target: str, body: object = None) -> Reply:
    return ask(server, method, target, body, Authorization=f'MediaBrowser Token="{token}"')


def sign_in(server: Jellyfin, name: str, password: str, device: str = "panel-1") -> Reply:
    client = "MediaBrowser " + IDENTITY.format(device=device)
    return ask(server, "POST", "/Users/AuthenticateByName", {"Username": name, "Pw": password}, Authorization=client)


def token_of(server: Jellyfin, name: str, password: str, device: str = "panel-1") -> str:
    return sign_in(server, name, password, device).json()["AccessToken"]


def is_alive(server: Jellyfin, token: str) -> bool:
    return by_token(server, token, "GET", "/Users/Me").status == 200


def post_policy(server: Jellyfin, account: Account, **changes: object) -> Reply:
    return by_key(server, "POST", f"/Users/{account.id}/Policy", {**account.policy, **changes})


@pytest.mark.parametrize("header", ["X_Emby_Token", "X_MediaBrowser_Token"])
@pytest.mark.parametrize(("version", "status"), [("10.10.7", 200), ("10.11.11", 200), ("12.0.0", 401)])
def test_takes_legacy_headers_until_12(header: str, version: str, status: int) -> None:
    server = Jellyfin(version=version)
    with server.running():
        assert ask(server, "GET", "/Users", **{header: server.api_key}).status == status


@pytest.mark.parametrize(("version", "status"), [("10.11.11", 200), ("12.0.0", 401)])
def test_takes_the_legacy_scheme_and_query_until_12(version: str, status: int) -> None:
    server = Jellyfin(version=version)
    with server.running():
        assert ask(server, "GET", "/Users", Authorization=f'Emby Token="{server.api_key}"').status == status
        assert ask(server, "GET", "/Users", X_Emby_Authorization=f'MediaBrowser Token="{server.api_key}"').status == status
        assert ask(server, "GET", f"/Users?api_key={server.api_key}").status == status
        assert ask(server, "GET", f"/Users?apikey={server.api_key}").status == 200


def test_ignores_x_emby_authorization_beside_authorization(server: Jellyfin) -> None:
    legacy = f'MediaBrowser Token="{server.api_key}"'
    assert ask(server, "GET", "/Users", Authorization='MediaBrowser Token="wrong"', X_Emby_Authorization=legacy).status == 401


@pytest.mark.parametrize(("version", "status"), [("10.11.11", 200), ("12.0.0", 404)])
@pytest.mark.parametrize("prefix", ["/emby", "/mediabrowser", "/Emby"])
def test_strips_the_old_prefix_until_12(version: str, status: int, prefix: str) -> None:
    server = Jellyfin(version=version)
    with server.running():
        assert by_key(server, "GET", f"{prefix}/Users").status == status


def test_paths_and_query_names_match_in_any_case(server: Jellyfin) -> None:
    account = server.add_user("mira")
    assert by_key(server, "GET", "/users/PUBLIC").status == 200
    assert by_key(server, "GET", f"/userviews?USERID={account.id}").status == 200


def test_refuses_a_missing_and_a_revoked_key_alike_with_an_empty_401(server: Jellyfin) -> None:
    missing = ask(server, "GET", "/Users")
    server.revoke_key()
    revoked = by_key(server, "GET", "/Users")
    assert (missing.status, missing.body) == (revoked.status, revoked.body) == (401, b"")


def test_a_non_admin_reads_users_but_gets_an_empty_403_on_writes(server: Jellyfin) -> None:
    server.add_user("mira", "x")
    token = token_of(server, "mira", "x")
    assert by_token(server, token, "GET", "/Users").status == 200
    refused = by_token(server, token, "POST", "/Users/New", {"Name": "pim"})
    assert (refused.status, refused.body) == (403, b"")


def test_unknown_paths_are_empty_404_wrong_verbs_empty_405_and_the_root_redirects(server: Jellyfin) -> None:
    assert (by_key(server, "GET", "/Nowhere").status, by_key(server, "PUT", "/Users").status) == (404, 405)
    root = ask(server, "GET", "/")
    assert (root.status, root.headers["Location"]) == (302, "/web/")


def test_redirects_everything_outside_of_the_base_path(server: Jellyfin) -> None:
    server.base_path = "/media"
    assert ask(server, "GET", "/System/Info/Public").headers["Location"] == "/media/web/"
    assert ask(server, "GET", "/media/System/Info/Public").status == 200


def test_only_ping_answers_while_starting(server: Jellyfin) -> None:
    server.starting = True
    starting = ask(server, "GET", "/System/Info/Public")
    assert (starting.status, starting.headers["Content-Type"]) == (503, "text/html")
    assert ask(server, "GET", "/System/Ping").json() == "Jellyfin Server"


def test_every_nth_write_finds_the_database_locked_and_changes_nothing(server: Jellyfin) -> None:
    server.writes_locked_every = 2
    replies = [by_key(server, "POST", "/Users/New", {"Name": f"user{n}"}) for n in range(4)]
    assert [reply.status for reply in replies] == [200, 500, 200, 500]
    assert replies[1].text == "Error processing request."
    assert server.user("user1") is None


def test_takes_ids_with_dashes_and_gives_them_without(server: Jellyfin) -> None:
    account = server.add_user("mira")
    i = account.id
    dashed = f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}".upper()
    assert by_key(server, "GET", f"/Users/{dashed}").json()["Id"] == account.id


def test_unknown_malformed_and_empty_ids_are_refused_each_in_its_way(server: Jellyfin) -> None:
    unknown = by_key(server, "GET", "/Users/" + "ab" * 16)
    malformed = by_key(server, "GET", "/Users/4")
    empty = by_key(server, "GET", "/Users/00000000-0000-0000-0000-000000000000")
    assert (unknown.status, unknown.json()) == (404, "User not found")
    assert (malformed.status, malformed.headers.get_content_type()) == (400, "application/problem+json")
    assert (empty.status, empty.headers.get_content_type()) == (400, "text/plain")
    assert by_key(server, "DELETE", "/Users/" + "ab" * 16).json()["title"] == "Not Found"


def test_an_api_key_is_nobody(server: Jellyfin) -> None:
    assert by_key(server, "GET", "/Users/Me").status == 400
    assert by_key(server, "POST", "/Users/Password", {"NewPw": "x"}).status == 400


def test_creates_with_a_password_and_all_libraries_and_leaves_nulls_out(server: Jellyfin) -> None:
    made = by_key(server, "POST", "/Users/New", {"Name": "mira", "Password": "x", "Policy": {"EnableAllFolders": False}}).json()
    account = server.users[made["Id"]]
    assert server.can_sign_in("MIRA", "x") and not server.can_sign_in("mira", "")
    assert server.visible(account) == {"Films", "Shows", "Music"}
    assert made["Policy"]["EnableLiveTvManagement"] is False
    assert None not in made.values() and None not in made["Policy"].values() and "LastLoginDate" not in made


@pytest.mark.parametrize(
    ("version", "in_answer", "later"),
    [("10.10.7", True, True), ("10.11.8", True, True), ("10.11.9", False, True), ("10.11.11", False, True), ("12.0.0", True, True)],
)
def test_the_answer_to_new_says_of_the_password_what_the_release_says(version: str, in_answer: bool, later: bool) -> None:
    server = Jellyfin(version=version)
    with server.running():
        made = by_key(server, "POST", "/Users/New", {"Name": "mira", "Password": "x"}).json()
        assert made["HasPassword"] is in_answer
        assert by_key(server, "GET", f"/Users/{made['Id']}").json()["HasPassword"] is later


@pytest.mark.parametrize(("version", "claimed"), [("10.11.11", False), ("12.0.0", True)])
def test_12_claims_a_password_where_there_is_none(version: str, claimed: bool) -> None:
    server = Jellyfin(version=version)
    account = server.add_user("mira")
    with server.running():
        assert by_key(server, "GET", f"/Users/{account.id}").json()["HasPassword"] is claimed


@pytest.mark.parametrize("name", ["MIRA", "a/b", " mira", "mira ", "", "x" * 256, "mira\n"])
def test_a_taken_and_a_bad_name_get_the_same_400(server: Jellyfin, name: str) -> None:
    server.add_user("mira")
    reply = by_key(server, "POST", "/Users/New", {"Name": name})
    assert (reply.status, reply.text, reply.headers.get_content_type()) == (400, "Error processing request.", "text/plain")


@pytest.mark.parametrize("name", ["mira@home.example", "Žofie O'Hara-1", "mi_ra+b"])
def test_takes_addresses_and_letters_of_any_script_as_names(server: Jellyfin, name: str) -> None:
    assert by_key(server, "POST", "/Users/New", {"Name": name}).json()["Name"] == name


def test_a_missing_name_or_a_broken_body_gets_a_problem_document_and_a_form_415(server: Jellyfin) -> None:
    assert "Name" in by_key(server, "POST", "/Users/New", {}).json()["errors"]
    assert by_key(server, "POST", "/Users/New", b"{", Content_Type="application/json").status == 400
    assert by_key(server, "POST", "/Users/New", b"Name=mira", Content_Type="application/x-www-form-urlencoded").status == 415


def test_a_policy_without_provider_ids_gets_a_problem_document_and_changes_nothing(server: Jellyfin) -> None:
    account = server.add_user("mira")
    reply = by_key(server, "POST", f"/Users/{account.id}/Policy", {"IsDisabled": True})
    assert (reply.status, reply.headers.get_content_type()) == (400, "application/problem+json")
    assert set(reply.json()["errors"]) == {"AuthenticationProviderId", "PasswordResetProviderId"}
    assert account.policy["IsDisabled"] is False


def test_a_policy_replaces_the_whole_and_left_out_keys_are_generous(server: Jellyfin) -> None:
    account = server.add_user("mira", libraries=["Films"], MaxParentalRating=12)
    ids = {key: account.policy[key] for key in ("AuthenticationProviderId", "PasswordResetProviderId")}
    assert by_key(server, "POST", f"/Users/{account.id}/Policy", ids).status == 204
    assert account.policy["EnableLiveTvManagement"] is True
    assert "MaxParentalRating" not in account.policy
    assert server.visible(account) == {"Films", "Shows", "Music"}


def test_grants_libraries_by_item_id(server: Jellyfin) -> None:
    account = server.add_user("mira")
    folders = by_key(server, "GET", "/Library/VirtualFolders").json()
    assert post_policy(server, account, EnabledFolders=[folders[1]["ItemId"]]).status == 204
    views = by_key(server, "GET", f"/UserViews?userId={account.id}").json()["Items"]
    assert [view["Name"] for view in views] == ["Shows", "Collections"]


@pytest.mark.parametrize(
    "wrong",
    [{"EnabledFolders": ["4"]}, {"EnabledFolders": None}, {"IsDisabled": "yes"}, {"SyncPlayAccess": "All"}, {"MaxActiveSessions": True}],
)
def test_refuses_policy_values_it_cannot_read(server: Jellyfin, wrong: dict[str, object]) -> None:
    account = server.add_user("mira")
    assert post_policy(server, account, **wrong).status == 400


def test_stores_but_never_shows_lyric_management_and_reads_no_lockout_as_three(server: Jellyfin) -> None:
    account = server.add_user("mira")
    post_policy(server, account, EnableLyricManagement=True, LoginAttemptsBeforeLockout=0)
    shown = by_key(server, "GET", f"/Users/{account.id}").json()["Policy"]
    assert account.policy["EnableLyricManagement"] is True
    assert (shown["EnableLyricManagement"], shown["LoginAttemptsBeforeLockout"]) == (False, 3)


def test_blocked_folders_override_the_list_and_cannot_be_written(server: Jellyfin) -> None:
    films, shows, _ = server.libraries
    account = server.add_user("mira", libraries=["Films"], BlockedMediaFolders=[films.id])
    post_policy(server, account, BlockedMediaFolders=[shows.id])
    assert server.visible(account) == {"Shows", "Music"}


def test_guards_the_last_admin_and_enabled_admins(server: Jellyfin) -> None:
    admin = server.user(ADMIN_NAME)
    assert admin
    last = post_policy(server, admin, IsAdministrator=False)
    second = server.add_user("second", "x", admin=True)
    disabling = post_policy(server, second, IsDisabled=True)
    assert (last.status, last.json()) == (403, "There must be at least one user in the system with administrative access.")
    assert (disabling.status, disabling.json()) == (403, "Administrators cannot be disabled.")


def test_does_not_delete_the_last_admin_or_the_last_user(server: Jellyfin) -> None:
    admin = server.user(ADMIN_NAME)
    assert admin
    assert by_key(server, "DELETE", f"/Users/{admin.id}").status == 500
    server.add_user("mira")
    assert by_key(server, "DELETE", f"/Users/{admin.id}").status == 400


def test_tokens_die_on_disable_password_and_delete(server: Jellyfin) -> None:
    account = server.add_user("mira", "x", libraries="all")
    first = token_of(server, "mira", "x")
    by_key(server, "POST", f"/Users/Password?userId={account.id}", {"NewPw": "y"})
    second = token_of(server, "mira", "y")
    assert (is_alive(server, first), is_alive(server, second)) == (False, True)
    post_policy(server, account, IsDisabled=True)
    post_policy(server, account, IsDisabled=False)
    third = token_of(server, "mira", "y")
    assert (is_alive(server, second), is_alive(server, third)) == (False, True)
    by_key(server, "DELETE", f"/Users/{account.id}")
    assert not is_alive(server, third)


def test_a_reset_empties_the_password_ignores_the_new_one_and_ends_no_sign_in(server: Jellyfin) -> None:
    account = server.add_user("mira", "x")
    token = token_of(server, "mira", "x")
    assert by_key(server, "POST", f"/Users/{account.id}/Password", {"ResetPassword": True, "NewPw": "y"}).status == 204
    assert account.password == "" and is_alive(server, token)


def test_an_admin_may_not_have_an_empty_password(server: Jellyfin) -> None:
    admin = server.user(ADMIN_NAME)
    assert admin
    assert by_key(server, "POST", f"/Users/Password?userId={admin.id}", {"ResetPassword": True}).status == 400
    assert admin.password == ADMIN_PASSWORD


def test_a_user_gives_the_current_password_keeps_the_token_and_changes_nobody_elses(server: Jellyfin) -> None:
    server.add_user("mira", "x")
    other = server.add_user("pim", "z")
    token = token_of(server, "mira", "x")
    wrong = by_token(server, token, "POST", "/Users/Password", {"CurrentPw": "no", "NewPw": "y"})
    foreign = by_token(server, token, "POST", f"/Users/Password?userId={other.id}", {"NewPw": "y"})
    assert (wrong.status, wrong.json()) == (403, "Invalid user or password entered.")
    assert (foreign.status, foreign.json()) == (403, "User is not allowed to update the password.")
    assert by_token(server, token, "POST", "/Users/Password", {"CurrentPw": "x", "NewPw": "y"}).status == 204
    assert is_alive(server, token) and server.can_sign_in("mira", "y")


def test_sign_in_is_refused_without_a_reason(server: Jellyfin) -> None:
    server.add_user("mira", "x")
    server.add_user("off", "x", disabled=True)
    server.add_user("busy", "x", MaxActiveSessions=1)
    server.add_user("ldap", "x", AuthenticationProviderId="Other.Provider")
    token_of(server, "busy", "x", device="tv")
    assert [sign_in(server, name, "x").status for name in ("nobody", "off", "busy", "ldap")] == [401, 403, 403, 401]
    assert (sign_in(server, "mira", "no").status, sign_in(server, "mira", "no").text) == (401, "Error processing request.")
    assert sign_in(server, "", "x").status == 400


def test_sign_in_asks_for_the_whole_client_identity(server: Jellyfin) -> None:
    server.add_user("mira", "x")
    body = {"Username": "mira", "Pw": "x"}
    partly = ask(server, "POST", "/Users/AuthenticateByName", body, Authorization='MediaBrowser Client="Panel", Device="p", DeviceId="1"')
    assert partly.status == 400


def test_a_repeated_sign_in_replaces_the_devices_token_and_logout_ends_it(server: Jellyfin) -> None:
    server.add_user("mira", "x")
    first, second = token_of(server, "mira", "x"), token_of(server, "mira", "x")
    assert (is_alive(server, first), is_alive(server, second)) == (False, True)
    assert by_token(server, second, "POST", "/Sessions/Logout").status == 204
    assert not is_alive(server, second)


def test_wrong_passwords_disable_the_account_at_the_limit(server: Jellyfin) -> None:
    account = server.add_user("mira", "x", LoginAttemptsBeforeLockout=2)
    assert [sign_in(server, "mira", "no").status for _ in range(3)] == [401, 401, 403]
    assert account.policy["IsDisabled"] is True


def rename(server: Jellyfin, account: Account, name: str) -> int:
    shown = by_key(server, "GET", f"/Users/{account.id}").json()
    return by_key(server, "POST", f"/Users?userId={account.id}", {**shown, "Name": name}).status


@pytest.mark.parametrize(("version", "status"), [("10.10.7", 204), ("10.11.8", 204), ("10.11.11", 400), ("12.0.0", 204)])
def test_renames_by_case_alone_except_in_late_10_11(version: str, status: int) -> None:
    server = Jellyfin(version=version)
    account = server.add_user("mira")
    with server.running():
        assert rename(server, account, "Mira") == status


@pytest.mark.parametrize(("version", "status"), [("10.10.7", 204), ("10.11.11", 400)])
def test_10_10_lets_a_rename_double_a_name_in_another_case(version: str, status: int) -> None:
    server = Jellyfin(version=version)
    server.add_user("mira")
    account = server.add_user("pim")
    with server.running():
        assert rename(server, account, "MIRA") == status


def test_a_rename_without_configuration_fails_after_it_is_done(server: Jellyfin) -> None:
    account = server.add_user("mira")
    assert by_key(server, "POST", f"/Users/{account.id}", {"Name": "maria"}).status == 500
    assert account.name == "maria"


def test_a_rename_with_a_policy_without_provider_ids_is_refused_whole(server: Jellyfin) -> None:
    account = server.add_user("mira")
    body = {"Name": "maria", "Policy": {"IsDisabled": True}, "Configuration": account.configuration}
    assert by_key(server, "POST", f"/Users?userId={account.id}", body).status == 400
    assert account.name == "mira"


def test_refuses_a_subtitle_mode_it_does_not_know(server: Jellyfin) -> None:
    account = server.add_user("mira")
    target = f"/Users/Configuration?userId={account.id}"
    assert by_key(server, "POST", target, {**account.configuration, "SubtitleMode": "HearingImpaired"}).status == 400
    assert by_key(server, "POST", target, {"AudioLanguagePreference": "ces"}).status == 204
    assert account.configuration["AudioLanguagePreference"] == "ces" and account.configuration["PlayDefaultAudioTrack"] is True


def test_takes_pictures_as_base64_text_and_gives_bytes_without_a_token(server: Jellyfin) -> None:
    account = server.add_user("mira")
    target = f"/UserImage?userId={account.id}"
    assert by_key(server, "POST", target, b"\x89PNG", Content_Type="image/png").status == 500
    assert by_key(server, "POST", target, b"AAAA", Content_Type="text/plain").text == "Incorrect ContentType."
    assert by_key(server, "POST", target, base64.b64encode(b"\x89PNG"), Content_Type="image/png").status == 204
    shown = ask(server, "GET", target)
    assert (shown.body, shown.headers["Content-Type"]) == (b"\x89PNG", "image/png")
    assert [by_key(server, "DELETE", target).status for _ in range(2)] == [204, 204]


def test_shows_no_item_id_for_a_library_never_scanned(server: Jellyfin) -> None:
    server.add_library("New", "books").scanned = False
    shown = by_key(server, "GET", "/Library/VirtualFolders").json()[-1]
    assert shown["Name"] == "New" and "ItemId" not in shown


def test_makes_keys_without_showing_them(server: Jellyfin) -> None:
    made = by_key(server, "POST", "/Auth/Keys?App=Panel")
    row = by_key(server, "GET", "/Auth/Keys").json()["Items"][-1]
    assert (made.status, made.body, row["AppName"]) == (204, b"", "Panel")
    assert by_token(server, row["AccessToken"], "GET", "/Auth/Keys").status == 200
    assert by_key(server, "DELETE", f"/Auth/Keys/{row['AccessToken']}").status == 204
    assert by_token(server, row["AccessToken"], "GET", "/Auth/Keys").status == 401


def test_removing_a_device_signs_everybody_out_of_it(server: Jellyfin) -> None:
    server.add_user("mira", "x")
    server.add_user("pim", "x")
    tokens = [token_of(server, name, "x", device="tv") for name in ("mira", "pim")]
    assert by_key(server, "GET", "/Devices").json()["TotalRecordCount"] == 2
    assert [by_key(server, "DELETE", "/Devices?id=tv").status for _ in range(2)] == [204, 404]
    assert not any(is_alive(server, token) for token in tokens)


@pytest.mark.parametrize("target", ["/Plugins/SecurityInfo", "/Connect/Pending", "/Library/SelectableMediaFolders", "/Users/Query/All"])
def test_has_no_routes_of_emby(server: Jellyfin, target: str) -> None:
    assert by_key(server, "GET", target).status == 404


def test_counts_no_exposure_for_an_account_made_with_a_password(server: Jellyfin) -> None:
    by_key(server, "POST", "/Users/New", {"Name": "mira", "Password": "x"})
    by_key(server, "POST", "/Users/New", {"Name": "open"})
    assert server.exposed_moments() == [("open", 1)]


def test_keeps_its_ids_when_made_anew_and_shows_a_changed_server_id(server: Jellyfin) -> None:
    assert (Jellyfin().server_id, Jellyfin().api_key) == (server.server_id, server.api_key)
    server.server_id = "ab" * 16
    assert by_key(server, "GET", "/Users").json()[0]["ServerId"] == "ab" * 16


def test_makes_one_account_of_a_name_asked_for_at_the_same_time(server: Jellyfin) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(by_key(server, "POST", "/Users/New", {"Name": "mira"}).status)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [400] * 7
