"""Rows of plex.tv's second generation of calls (JSON), read into values: the server, and the shares and invites of an account."""

from __future__ import annotations

from collections.abc import Mapping

from panel.platforms.answers import cut_name, whole_address
from panel.platforms.base import Member, UnexpectedAnswer, Unreadable
from panel.platforms.plex.fields import flag, id_of, moment, required_id, sharing_settings, text
from panel.platforms.plex.sections import CloudServer, section_of
from panel.platforms.plex.unreadable import unreadable_share


def cloud_server_of(answer: object, machine_id: str, who: str) -> CloudServer:
    """From `GET /api/v2/servers/{machineIdentifier}`. Raises `UnexpectedAnswer` where another server is described."""
    rows = answer.get("librarySections") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(rows, list) or text(answer.get("machineIdentifier") or machine_id) != machine_id:
        raise UnexpectedAnswer(f"{who} did not describe the server it was asked about.")
    owned = None if answer.get("owned") is None else flag(answer["owned"])
    return CloudServer(text(answer.get("name")), owned, tuple(section_of(_row(row, who), who) for row in rows))


def rows_of(answer: object, who: str) -> list[Mapping[str, object]]:
    """The rows of a list of shares, those that were deleted or left removed. Raises `UnexpectedAnswer` unless it is a list of rows."""
    if not isinstance(answer, list):
        raise UnexpectedAnswer(f"{who} did not answer with a list of shares.")
    rows = [_row(row, who) for row in answer]
    return [row for row in rows if not row.get("deletedAt") and not row.get("leftAt")]


def is_of(row: Mapping[str, object], machine_id: str, who: str) -> bool:
    """Whether a row belongs to this server. Raises `UnexpectedAnswer` where it does not say to which one."""
    named = text(row.get("machineIdentifier"))
    if not named:
        raise UnexpectedAnswer(f"{who} listed a share without saying of which server.")
    return named == machine_id


def listed_member_of(row: Mapping[str, object], machine_id: str, *, accepted: bool, who: str) -> Member | None:
    """A row of a list, `None` where it belongs to another server. One that cannot be read, or may belong to any server, keeps nobody
    else's from being: it tells whose it is. Raises `UnexpectedAnswer` where it does not tell that either."""
    try:
        return member_of(row, accepted=accepted, who=who) if is_of(row, machine_id, who) else None
    except UnexpectedAnswer as error:
        account_id, name, email = _person_in(row)
        return unreadable_share(id_of(row.get("id")), account_id, name, email, accepted=accepted, error=error, who=who)


def member_of(row: Mapping[str, object], *, accepted: bool, who: str) -> Member:
    """A share. `accepted`: the list it stood in. Raises `UnexpectedAnswer` where an id is missing, and for an accepted row that does not
    list its libraries: that is half an answer."""
    libraries = row.get("libraries")
    if not isinstance(libraries, list):
        if accepted and not flag(row.get("allLibraries")):
            raise UnexpectedAnswer(f"{who} listed a share without its libraries.")
        libraries = []
    account_id, name, email = _person_in(row)
    return Member(
        id=required_id(row.get("id"), who),
        account_id=account_id,
        name=name,
        email=email,
        accepted=accepted and (row.get("accepted") is None or flag(row["accepted"])),
        is_managed=flag(_invited_in(row).get("restricted")),
        all_libraries=flag(row.get("allLibraries")),
        library_ids=frozenset(required_id(_row(library, who).get("id"), who) for library in libraries),
        invited_at=moment(row.get("invitedAt") or row.get("createdAt")),
        settings=_settings_in(row),
    )


def made_member_of(answer: object, *, accepted: bool, who: str) -> Member:
    """The share a creation answered with; `accepted` where it does not say. Raises `UnexpectedAnswer` where it cannot be read."""
    row = _row(answer, who)
    state = flag(row["accepted"]) if "accepted" in row else accepted
    return member_of({"libraries": [], **row}, accepted=state, who=who)


def edited_member_of(answer: Mapping[str, object], *, accepted: bool, who: str) -> Member:
    """The share a change answered with; `accepted` where it does not say. Raises `Unreadable`."""
    try:
        return made_member_of(answer, accepted=accepted, who=who)
    except UnexpectedAnswer as error:
        raise Unreadable(str(error)) from None


def invited_share_ids(answer: object) -> set[str] | None:
    """The shares behind the sent invites, from `GET …/invites/owned/pending`; `None` where the answer is of another shape."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) and isinstance(row.get("sharedServers"), list) for row in answer):
        return None
    return {id_of(share.get("id")) for row in answer for share in row["sharedServers"] if isinstance(share, dict)}


def settings_by_person(row: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """The sharing settings of a row under every id and address (in small letters) it knows its person by; empty when it has none."""
    person, settings = _invited_in(row), _settings_in(row)
    names = [text(name) for name in (row.get("invitedId"), person.get("id"), row.get("invitedEmail"), person.get("email"))]
    return {name.casefold(): settings for name in names if name and settings}


def _settings_in(row: Mapping[str, object]) -> dict[str, object]:
    settings = row.get("sharingSettings") or row.get("settings")
    return sharing_settings(settings) if isinstance(settings, dict) else {}


def _invited_in(row: Mapping[str, object]) -> Mapping[str, object]:
    invited = row.get("invited")
    return invited if isinstance(invited, dict) else {}


def _person_in(row: Mapping[str, object]) -> tuple[str, str, str]:
    """Account id, name and address, each empty where it is not told."""
    person = _invited_in(row)
    account_id = id_of(row.get("invitedId")) or id_of(person.get("id"))
    email = whole_address(text(row.get("invitedEmail")) or text(person.get("email")))
    return account_id, cut_name(text(person.get("username")) or text(person.get("title")) or email or account_id), email


def _row(value: object, who: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"{who} answered with a list of something else than was asked for.")
    return value
