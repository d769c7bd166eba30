"""plex.tv routes of the second generation about sharing: always JSON, except the list of a server's libraries."""

from __future__ import annotations

import time

from panel.simulators.http import Answer
from panel.simulators.plex_markup import Value, iso_time
from panel.simulators.plex_people import PlexPerson, PlexSection, Relation, Share, parsed_settings
from panel.simulators.plex_routes import Refusal, Request, Routes, not_found
from panel.simulators.plex_shares import PlexShares

routes: Routes[PlexShares] = Routes()


@routes.add("GET", "/api/v2/servers/{mid}")
def _server(tv: PlexShares, request: Request) -> Answer:
    server = tv.owned_server(request.me, request.args["mid"])
    published = [section for section in server.sections if section.published][: tv.v2_section_list_limit]
    sections: list[Value] = [_library(section) for section in published]
    return request.reply(
        "server",
        {
            "id": server.number,
            "name": server.name,
            "machineIdentifier": server.machine_id,
            "owned": True,
            "librarySections": sections,
        },
    )


def _library(section: PlexSection) -> dict[str, Value]:
    return {"id": section.id, "key": str(section.key), "title": section.title, "type": section.type}


@routes.add("GET", "/api/v2/shared_servers/owned/accepted")
def _owned_accepted(tv: PlexShares, request: Request) -> Answer:
    shares = tv.shares_owned_by(request.me, accepted=True)
    if tv.lists_deleted_shares:
        shares += [share for share in tv.deleted_shares if share.accepted and share.server.owner is request.me]
    return Answer.of_json([_entry(share, request.me) for share in shares])


@routes.add("GET", "/api/v2/shared_servers/owned/pending")
def _owned_pending(tv: PlexShares, request: Request) -> Answer:
    return Answer.of_json([_entry(share, request.me) for share in tv.shares_owned_by(request.me, accepted=False)])


@routes.add("GET", "/api/v2/shared_servers/invites/owned/pending")
def _sent(tv: PlexShares, request: Request) -> Answer:
    return Answer.of_json([_invite(relation, request.me) for relation in tv.sent(request.me)])


@routes.add("GET", "/api/v2/shared_servers/invites/received/pending")
def _received(tv: PlexShares, request: Request) -> Answer:
    return Answer.of_json([_invite(relation, request.me) for relation in tv.received(request.me)])


def _invite(relation: Relation, me: PlexPerson) -> dict[str, Value]:
    owner = relation.owner
    shares: list[Value] = [_entry(share, me) for share in relation.invited]
    return {
        "id": relation.invite_id,
        "createdAt": _iso(relation.invited_at),
        "owner": {
            "id": owner.id,
            "uuid": owner.uuid,
            "username": owner.username,
            "email": owner.email,
            "title": owner.title,
            "friendlyName": "",
        },
        "invitedId": relation.person.id if relation.person else None,
        "invitedEmail": relation.email,
        "invited": _invited(relation.person, owner),
        "sharedServers": shares,
    }


def _entry(share: Share, me: PlexPerson) -> dict[str, Value]:
    libraries: list[Value] = [_library(section) for section in share.sections]
    return {
        "id": share.id,
        "name": share.server.name,
        "ownerId": share.server.owner.id,
        "machineIdentifier": share.server.machine_id,
        "accepted": share.accepted,
        "acceptedAt": _iso(share.accepted_at),
        "invitedAt": _iso(share.invited_at),
        "invitedId": share.person.id if share.person else None,
        "invitedEmail": share.email or None,
        "invited": _invited(share.person, share.server.owner),
        "owned": share.server.owner is me,
        "allLibraries": share.all_libraries,
        "numLibraries": len(share.section_ids),
        "libraries": libraries,
        "sharingSettings": dict(share.settings),
        "deletedAt": _iso(share.deleted_at),
        "leftAt": _iso(share.left_at),
        "inviteToken": None,
    }


def _invited(person: PlexPerson | None, owner: PlexPerson) -> dict[str, Value] | None:
    if person is None:
        return None
    return {
        "id": person.id,
        "uuid": person.uuid,
        "username": person.username,
        "title": person.title,
        "email": person.email,
        "thumb": f"https://plex.tv/users/{person.uuid}/avatar",
        "home": person in owner.household,
        "restricted": person.restricted,
    }


def _iso(epoch_s: int | None) -> str | None:
    return None if epoch_s is None else iso_time(epoch_s)


@routes.add("POST", "/api/v2/shared_servers")
def _create(tv: PlexShares, request: Request) -> Answer:
    body = request.object()
    server = tv.owned_server(request.me, body.get("machineIdentifier"))
    invitee = tv.invitee(body.get("invitedId"), body.get("invitedEmail"))
    skip = body.get("skipFriendship", False)
    if not isinstance(skip, bool):
        raise Refusal(400, "skipFriendship must be true or false")
    try:
        share = tv.invite(server, invitee, body.get("librarySectionIds"), body.get("settings"), skip_friendship=skip)
    except Refusal as refusal:
        if refusal.code == 1999:
            refusal.status = tv.v2_already_sharing_status
        raise
    return Answer.of_json(_entry(share, request.me), 201)


@routes.add("POST", "/api/v2/shared_servers/{id}")
def _edit(tv: PlexShares, request: Request) -> Answer:
    """Libraries, settings or both. Settings replace the whole set, as on create; both are checked before either is changed."""
    share = tv.owned_share(request.me, request.number("id"))
    body = request.object()
    if not {"librarySectionIds", "settings"} & body.keys():
        raise Refusal(400, "There is nothing to change")
    if "librarySectionIds" in body:
        tv.granted_ids(share.server, body["librarySectionIds"])
    if body.get("settings") is not None:
        tv.change_settings(share.relation, parsed_settings(body["settings"]))
    if "librarySectionIds" in body:
        tv.edit(share, body["librarySectionIds"])
    return Answer.of_json(_entry(share, request.me))


@routes.add("DELETE", "/api/v2/shared_servers/{id}")
def _remove(tv: PlexShares, request: Request) -> Answer:
    """The owner ends it or withdraws the invite; the person it was for leaves or declines."""
    share = tv.shares.get(request.number("id"))
    if share and share.person is request.me:
        share.left_at = int(time.time())
        tv.remove(share)
    else:
        tv.withdraw(tv.owned_share(request.me, request.number("id")))
    return Answer(204)


@routes.add("POST", "/api/v2/shared_servers/{id}/accept")
def _accept(tv: PlexShares, request: Request) -> Answer:
    share = tv.shares.get(request.number("id"))
    if share is None or share.person is not request.me or share.accepted or share.orphan:
        raise not_found()
    tv.accept_as_invited(share)
    return Answer.of_json(_entry(share, request.me))


@routes.add("POST", "/api/v2/sharing_settings")
def _change_settings(tv: PlexShares, request: Request) -> Answer:
    body = request.object()
    invitee = tv.invitee(body.get("invitedId"), body.get("invitedEmail"))
    if isinstance(invitee, PlexPerson):
        relation = tv.known_relation(request.me, invitee.id)
    elif found := tv.relations.get(request.me.id, {}).get(invitee.lower()):
        relation = found
    else:
        raise not_found()
    tv.change_settings(relation, parsed_settings(body.get("settings")))
    return Answer.of_json(dict(relation.settings))
