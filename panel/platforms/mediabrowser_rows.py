"""Answers of Emby and Jellyfin read into our values. Whatever is not as the protocol says raises `UnexpectedAnswer`, another product
`WrongServer`, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from panel.platforms.answers import MOST_ID, MOST_VERSION, cut_name, whole_address
from panel.platforms.base import Identity, Member, RemoteLibrary, UnexpectedAnswer, Unreadable, WrongServer

KINDS = {"movies": "movies", "tvshows": "shows", "music": "music", "photos": "photos", "homevideos": "photos"}

#: What helps where a server says something odd of one account.
REMEDY = "Open the account in the server's dashboard and save it once, then try again."

#: Folders the server keeps for itself: visible whatever an access list says.
NOT_LIBRARIES = ("boxsets", "playlists", "livetv")


def identity_of(answer: object, platform: str, who: str) -> Identity:
    """The public system information. `platform` is emby or jellyfin: the other one raises `WrongServer`."""
    if not isinstance(answer, dict):
        raise _odd(who, "its system information")
    product = answer.get("ProductName")
    is_jellyfin = isinstance(product, str) and "jellyfin" in product.casefold()
    if is_jellyfin != (platform == "jellyfin"):
        is_emby = "LocalAddresses" in answer or "RemoteAddresses" in answer
        found = "A Jellyfin" if is_jellyfin else "An Emby" if is_emby else "Another kind of"
        raise WrongServer(f"{found} server answers at this URL, not the expected {platform.capitalize()} server.")
    machine_id, version = answer.get("Id"), answer.get("Version")
    if not _is_text(machine_id) or len(str(machine_id)) > MOST_ID or not _is_text(version):
        raise _odd(who, "its system information")
    name = answer.get("ServerName")
    return Identity(str(machine_id), name if isinstance(name, str) and name else who, str(version)[:MOST_VERSION])


def rows_of(answer: object, who: str) -> list[dict[str, Any]]:
    """The rows of an array, or of the `Items` of a page."""
    rows = answer.get("Items") if isinstance(answer, dict) else answer
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _odd(who, "a list")
    return rows


def total_of(answer: object, who: str) -> int | None:
    """How many rows there are in all, where the answer is a page that says so."""
    total = answer.get("TotalRecordCount") if isinstance(answer, dict) else None
    if total is not None and (not isinstance(total, int) or isinstance(total, bool)):
        raise _odd(who, "a list")
    return total


def member_of(row: object, who: str) -> Member:
    """An account (a UserDto), with its whole policy as `settings`. Raises `Unreadable` where it alone is described oddly."""
    if not isinstance(row, dict):
        raise _odd(who, "an account")
    account_id, name, policy = account_id_of(row), _name_of(row), row.get("Policy")
    if not account_id or not name or not isinstance(policy, dict):
        raise unreadable(who, called(account_id, name))
    flags = [policy.get(key) for key in ("IsAdministrator", "IsDisabled", "EnableAllFolders")]
    folders = policy.get("EnabledFolders")
    if not all(isinstance(flag, bool) for flag in flags) or not (folders is None or is_texts(folders)):
        raise unreadable(who, f"what {called(account_id, name)} may do")
    return Member(
        id=account_id,
        account_id=account_id,
        name=name,
        email=_address_in(row.get("ConnectUserName")),
        no_password=row.get("HasPassword") is False and _is_asked_here(policy),
        is_owner=bool(flags[0]),
        disabled=bool(flags[1]),
        all_libraries=bool(flags[2]),
        library_ids=frozenset(folders or ()),
        settings=policy,
    )


def listed_member_of(row: dict[str, Any], who: str) -> Member:
    """An account in a list: one that cannot be read keeps nobody else from being. Raises `UnexpectedAnswer` where not even whose it is can
    be told: then nobody is known to be missing."""
    try:
        return member_of(row, who)
    except Unreadable as error:
        account_id, name = account_id_of(row), _name_of(row)
        if not account_id and not name:
            raise _odd(who, "an account") from None
        return Member(account_id, account_id, name, _address_in(row.get("ConnectUserName")), unreadable=str(error))


def account_id_of(row: dict[str, Any]) -> str:
    """It becomes part of a path; empty where it is none."""
    found = row.get("Id")
    return found if isinstance(found, str) and re.fullmatch(r"[\w-]{1,64}", found, re.ASCII) else ""


def same_id(one: object, other: object) -> bool:
    """Whether two ids are one, however they are written: with dashes or without, in small letters or in capitals."""
    return str(one).replace("-", "").casefold() == str(other).replace("-", "").casefold()


def _name_of(row: dict[str, Any]) -> str:
    """Empty where there is none. Half a character pair is legal in JSON, and nowhere after it."""
    name = row.get("Name")
    return cut_name(name.encode("utf-8", "replace").decode()) if isinstance(name, str) and name.strip() else ""


def _is_asked_here(policy: dict[str, Any]) -> bool:
    """Whether the server itself asks for the password, no directory or other plugin."""
    provider = policy.get("AuthenticationProviderId")
    return not provider or str(provider).endswith(".DefaultAuthenticationProvider")


def library_of(library_id: str, name: object, collection_type: object, who: str) -> RemoteLibrary:
    """A library; a mixed one has no collection type."""
    if not isinstance(name, str) or not (collection_type is None or isinstance(collection_type, str)):
        raise _odd(who, "a library")
    return RemoteLibrary(library_id, cut_name(name), KINDS.get((collection_type or "").casefold(), "other"))


def is_library(collection_type: object) -> bool:
    """Whether folders of this type can be opened and closed one by one."""
    return not (isinstance(collection_type, str) and collection_type.casefold() in NOT_LIBRARIES)


def text_of(row: dict[str, Any], keys: Iterable[str], who: str) -> str:
    """The first of these keys that is there, empty when none is."""
    for key in keys:
        value = row.get(key)
        if value is not None and not isinstance(value, str):
            raise _odd(who, "a library")
        if value:
            return value
    return ""


def is_texts(value: object) -> bool:
    """Whether it is a list of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def called(account_id: str, name: str) -> str:
    """An account in a sentence, by its name where that can be read."""
    return f"the account “{name}”" if name else f"an account without a name (its id is {account_id})" if account_id else "an account"


def unreadable(who: str, what: str) -> Unreadable:
    """For one account alone; the server is not in doubt by it."""
    return Unreadable(f"{who} describes {what} in a way that cannot be read. {REMEDY}")


def _address_in(linked: object) -> str:
    """Emby Connect shows a name here; only sometimes it is an address."""
    found = linked.strip() if isinstance(linked, str) else ""
    return whole_address(found) if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", found) else ""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _odd(who: str, what: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"{who} described {what} in a way that is not its protocol's: perhaps another program answers at this URL.")
