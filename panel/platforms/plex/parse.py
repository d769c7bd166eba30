"""Answers of plex.tv and of a Plex Media Server, read into values. Whatever is missing or of another type ends as a default or as an
`UnexpectedAnswer`, never as a crash. Shapes: plex.tv v1 and a media server speak XML, plex.tv v2 speaks JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from panel.platforms.answers import MOST_ID, MOST_VERSION, cut_name, whole_address
from panel.platforms.base import Identity, Member, RemoteLibrary, ServerFault, UnexpectedAnswer

KINDS = {"movie": "movies", "show": "shows", "artist": "music", "photo": "photos"}
FALSE_WORDS = {"", "0", "false", "no", "null", "none"}


@dataclass(frozen=True)
class Section:
    """A library. `id` is plex.tv's global section id (empty in a media server's own list), `key` the number the media server gave it."""

    id: str
    key: str
    title: str
    type: str

    @property
    def library(self) -> RemoteLibrary:
        """The same in our words."""
        return RemoteLibrary(self.id, cut_name(self.title), KINDS.get(self.type, "other"))


@dataclass(frozen=True)
class CloudServer:
    """A server as plex.tv knows it; `owned` is `None` where the answer does not say."""

    name: str
    owned: bool | None
    sections: tuple[Section, ...]


def xml_root(body: bytes, who: str) -> ElementTree.Element:
    """The root element. Raises `UnexpectedAnswer` for anything that is not plain XML; a document type (a page, or an entity bomb) is
    refused unread."""
    if b"<!doctype" in body[:2000].lower() or b"<!entity" in body[:2000].lower():
        raise UnexpectedAnswer(f"{who} answered with a page where data was expected: perhaps another program answers at this URL.")
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise UnexpectedAnswer(f"{who} answered with something that is not data: perhaps another program answers at this URL.") from None


def text(value: object) -> str:
    """A string or a whole number as text; everything else is empty."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else ""


def flag(value: object) -> bool:
    """Yes or no out of JSON booleans, numbers and the words of XML attributes; what cannot be read is no."""
    if isinstance(value, str):
        return value.strip().lower() not in FALSE_WORDS
    return bool(value) if isinstance(value, bool | int | float) else False


def moment(value: object) -> datetime | None:
    """Epoch seconds or an ISO time as aware UTC; `None` for nothing usable."""
    written = text(value)
    try:
        if re.fullmatch(r"\d{1,11}", written):
            return datetime.fromtimestamp(int(written), UTC) if int(written) else None
        then = datetime.fromisoformat(written.replace(" UTC", "+00:00"))
    except (ValueError, OverflowError, OSError):
        return None
    return then if then.tzinfo else then.replace(tzinfo=UTC)


def sharing_settings(row: Mapping[Any, object]) -> dict[str, object]:
    """What a share row says about the person: every `allow…` (yes/no; `allowTuners` 0, 1 or 2) and every `filter…` exactly as stored:
    a filter's inner commas are percent-encoded already and must travel like that."""
    found: dict[str, object] = {}
    for name, value in row.items():
        if not isinstance(name, str):
            continue
        if name.startswith("filter") and (value is None or isinstance(value, str)):
            found[name] = value
        elif name.startswith("allow") and isinstance(value, bool | int | float | str):
            found[name] = _level(value) if name == "allowTuners" else flag(value)
    return found


def identity(root: ElementTree.Element, who: str) -> Identity:
    """From a media server's `GET /identity`, which has no name."""
    machine_id = text(root.get("machineIdentifier"))
    if not machine_id or len(machine_id) > MOST_ID:
        raise UnexpectedAnswer(f"{who} does not answer like a Plex Media Server: perhaps another program answers at this URL.")
    return Identity(machine_id, text(root.get("friendlyName")), text(root.get("version"))[:MOST_VERSION])


def server_sections(root: ElementTree.Element, who: str) -> list[Section]:
    """From a media server's `GET /library/sections`. Raises `ServerFault` for half a list."""
    rows = _children(root, "Directory", who)
    return [_section({**row.attrib, "id": ""}, who) for row in rows]


def cloud_server_v1(root: ElementTree.Element, machine_id: str, who: str) -> CloudServer:
    """From `GET /api/servers/{machineIdentifier}`."""
    server = root.find("Server")
    if server is None or text(server.get("machineIdentifier") or machine_id) != machine_id:
        raise UnexpectedAnswer(f"{who} did not describe the server it was asked about.")
    owned = None if server.get("owned") is None else flag(server.get("owned"))
    return CloudServer(text(server.get("name")), owned, tuple(_section(row.attrib, who, need_id=True) for row in server.findall("Section")))


def cloud_server_v2(answer: object, machine_id: str, who: str) -> CloudServer:
    """From `GET /api/v2/servers/{machineIdentifier}`."""
    rows = answer.get("librarySections") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(rows, list) or text(answer.get("machineIdentifier") or machine_id) != machine_id:
        raise UnexpectedAnswer(f"{who} did not describe the server it was asked about.")
    owned = None if answer.get("owned") is None else flag(answer["owned"])
    return CloudServer(text(answer.get("name")), owned, tuple(_section(_row(row, who), who, need_id=True) for row in rows))


def rows_v2(answer: object, who: str) -> list[Mapping[str, object]]:
    """The rows of a v2 list of shares, those that were deleted or left removed. Raises `UnexpectedAnswer` unless it is a list of rows."""
    if not isinstance(answer, list):
        raise UnexpectedAnswer(f"{who} did not answer with a list of shares.")
    rows = [_row(row, who) for row in answer]
    return [row for row in rows if not row.get("deletedAt") and not row.get("leftAt")]


def is_of(row: Mapping[str, object], machine_id: str, who: str) -> bool:
    """Whether a v2 row belongs to this server. Raises `UnexpectedAnswer` where it does not say to which one."""
    named = text(row.get("machineIdentifier"))
    if not named:
        raise UnexpectedAnswer(f"{who} listed a share without saying of which server.")
    return named == machine_id


def member_v2(row: Mapping[str, object], *, accepted: bool, who: str) -> Member:
    """A v2 row. `accepted`: the list it stood in. An accepted row that does not list its libraries is half an answer."""
    invited = row.get("invited")
    person: Mapping[str, object] = invited if isinstance(invited, dict) else {}
    libraries = row.get("libraries")
    if not isinstance(libraries, list):
        if accepted and not flag(row.get("allLibraries")):
            raise UnexpectedAnswer(f"{who} listed a share without its libraries.")
        libraries = []
    account_id = _id(row.get("invitedId")) or _id(person.get("id"))
    email = whole_address(text(row.get("invitedEmail")) or text(person.get("email")))
    return Member(
        id=_need_id(row.get("id"), who),
        account_id=account_id,
        name=cut_name(text(person.get("username")) or text(person.get("title")) or email or account_id),
        email=email,
        accepted=accepted and (row.get("accepted") is None or flag(row["accepted"])),
        is_managed=flag(person.get("restricted")),
        all_libraries=flag(row.get("allLibraries")),
        library_ids=frozenset(_need_id(_row(library, who).get("id"), who) for library in libraries),
        invited_at=moment(row.get("invitedAt") or row.get("createdAt")),
        settings=settings_v2(row),
    )


def made_v2(answer: object, *, accepted: bool, who: str) -> Member:
    """The share a creation or change answered with; `accepted` where it does not say."""
    row = _row(answer, who)
    state = flag(row["accepted"]) if "accepted" in row else accepted
    return member_v2({"libraries": [], **row}, accepted=state, who=who)


def invited_share_ids(answer: object) -> set[str] | None:
    """The shares behind the sent invites, from `GET …/invites/owned/pending`; `None` where the answer is of another shape."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) and isinstance(row.get("sharedServers"), list) for row in answer):
        return None
    return {_id(share.get("id")) for row in answer for share in row["sharedServers"] if isinstance(share, dict)}


def settings_v2(row: Mapping[str, object]) -> dict[str, object]:
    """The sharing settings of a v2 row; empty when it has none."""
    settings = row.get("sharingSettings") or row.get("settings")
    return sharing_settings(settings) if isinstance(settings, dict) else {}


def members_v1(root: ElementTree.Element, who: str) -> list[Member]:
    """From `GET /api/servers/{machineIdentifier}/shared_servers`. Raises `ServerFault` for half a list."""
    return [member_v1(row, who) for row in _children(root, "SharedServer", who)]


def member_v1(row: ElementTree.Element, who: str) -> Member:
    """A v1 row: pending while `acceptedAt` is missing, empty or 0; all sections of the server are listed, `shared` marks those given.
    A row with an account but neither name nor address is a managed user's (the list of users knows better, see `as_listed`)."""
    account_id, username, email = _id(row.get("userID")), text(row.get("username")), whole_address(text(row.get("email")))
    return Member(
        id=_need_id(row.get("id"), who),
        account_id=account_id,
        name=cut_name(username or text(row.get("title")) or email or account_id),
        email=email,
        accepted=text(row.get("acceptedAt")) not in ("", "0"),
        is_managed=flag(row.get("restricted")) or bool(account_id and not username and not email),
        all_libraries=flag(row.get("allLibraries")),
        library_ids=frozenset(_need_id(section.get("id"), who) for section in row.findall("Section") if flag(section.get("shared", "1"))),
        invited_at=moment(row.get("invitedAt")),
        settings=sharing_settings(row.attrib),
    )


def made_v1(root: ElementTree.Element | None, who: str) -> Member:
    """The share a creation answered with."""
    row = None if root is None else root if root.tag == "SharedServer" else root.find("SharedServer")
    if row is None:
        raise UnexpectedAnswer(f"{who} did not describe the share it made.")
    return member_v1(row, who)


def users_v1(root: ElementTree.Element, who: str) -> dict[str, Mapping[str, str]]:
    """From `GET /api/users`: the attributes of everyone connected to the account, by plex.tv user id."""
    return {_id(row.get("id")): dict(row.attrib) for row in _children(root, "User", who) if _id(row.get("id"))}


def as_listed(member: Member, user: Mapping[str, str] | None) -> Member:
    """A v1 member, completed from the list of users: what managed users are called, and that they are managed."""
    if user is None:
        return member
    settings = {**sharing_settings(user), **member.settings}
    named = member.name if member.name and member.name != member.account_id else cut_name(text(user.get("title"))) or member.name
    managed = flag(user.get("restricted")) if user.get("restricted") is not None else member.is_managed
    return replace(member, name=named, settings=settings, is_managed=managed)


def _level(value: object) -> int:
    try:
        return int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return 0


def _id(value: object) -> str:
    """A plex.tv id as text; 0 and what is no number is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    written = text(value)
    return written if re.fullmatch(r"[0-9]{1,19}", written) and int(written) else ""


def _need_id(value: object, who: str) -> str:
    found = _id(value)
    if not found:
        raise UnexpectedAnswer(f"{who} listed something without its id.")
    return found


def _row(value: object, who: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"{who} answered with a list of something else than was asked for.")
    return value


def _section(row: Mapping[str, object], who: str, *, need_id: bool = False) -> Section:
    key = text(row.get("key"))
    if not key:
        raise UnexpectedAnswer(f"{who} listed a library without its key.")
    return Section(_need_id(row.get("id"), who) if need_id else "", key, text(row.get("title")), text(row.get("type")))


def _children(root: ElementTree.Element, tag: str, who: str) -> list[ElementTree.Element]:
    """The rows of a container; fewer than it says it holds is half an answer."""
    if root.tag != "MediaContainer":
        raise UnexpectedAnswer(f"{who} answered with something else than the list asked for.")
    rows = root.findall(tag)
    if len(rows) < max(_counts(root.get(name) for name in ("size", "totalSize"))):
        raise ServerFault(f"{who} answered with only a part of a list.")
    return rows


def _counts(values: Iterable[str | None]) -> list[int]:
    return [int(value) if value and re.fullmatch(r"[0-9]{1,9}", value) else 0 for value in values]
