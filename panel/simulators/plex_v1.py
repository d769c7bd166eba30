"""plex.tv routes of the first generation (XML): users, servers and their shares, invites."""

from __future__ import annotations

from panel.simulators.http import Answer
from panel.simulators.plex_markup import Node, Scalar, xml_answer
from panel.simulators.plex_people import DEFAULT_SETTINGS, PlexPerson, PlexSection, Relation, Share, parsed_settings
from panel.simulators.plex_routes import Refusal, Request, Routes, not_found
from panel.simulators.plex_server import VERSION, PlexServer
from panel.simulators.plex_shares import PlexShares

routes: Routes[PlexShares] = Routes()

SHARED_SERVERS = "/api/servers/{mid}/shared_servers"


def _container(children: list[Node], status: int = 200, **attributes: Scalar) -> Answer:
    head: dict[str, Scalar] = {"friendlyName": "myPlex", "identifier": "com.plexapp.plugins.myplex", **attributes}
    return xml_answer(Node("MediaContainer", {**head, "size": len(children)}, children), status)


@routes.add("GET", "/api/users")
def _users(tv: PlexShares, request: Request) -> Answer:
    me = request.me
    relations = tv.relations.get(me.id, {})
    sharing = {relation.person.id for relation in relations.values() if relation.person and any(s.accepted for s in relation.shares)}
    household = {person.id for person in me.household} - {me.id}
    found = [tv.people[number] for number in sorted(tv.friends[me.id] | sharing | household)]
    return _container([_user(tv, me, person) for person in found], totalSize=len(found))


def _user(tv: PlexShares, me: PlexPerson, person: PlexPerson) -> Node:
    granted = tv.relations.get(me.id, {}).get(person.id)
    attributes: dict[str, Scalar] = {
        "id": person.id,
        "title": person.title,
        "username": person.username,
        "email": person.email,
        "recommendationsPlaylistId": "",
        "thumb": f"https://plex.tv/users/{person.uuid}/avatar",
        "protected": bool(person.pin),
        "home": person in me.household,
        "restricted": person.restricted,
        **(granted.settings if granted else DEFAULT_SETTINGS),
    }
    servers = [_server_of(share, owned=True) for share in granted.shares if not share.orphan] if granted else []
    received = tv.relations.get(person.id, {}).get(me.id)
    servers += [_server_of(share, owned=False) for share in received.shares if share.accepted] if received else []
    return Node("User", attributes, servers)


def _server_of(share: Share, *, owned: bool) -> Node:
    attributes: dict[str, Scalar] = {
        "id": share.id,
        "serverId": share.server.number,
        "machineIdentifier": share.server.machine_id,
        "name": share.server.name,
        "lastSeenAt": 1_700_000_000,
        "numLibraries": len(share.section_ids),
        "allLibraries": share.all_libraries,
        "owned": owned,
        "pending": share.pending,
    }
    return Node("Server", attributes)


@routes.add("GET", "/api/servers/{mid}")
def _server(tv: PlexShares, request: Request) -> Answer:
    server = tv.owned_server(request.me, request.args["mid"])
    attributes: dict[str, Scalar] = {
        "name": server.name,
        "address": "203.0.113.9",
        "port": server.port,
        "version": VERSION,
        "scheme": "http",
        "host": "203.0.113.9",
        "localAddresses": server.host,
        "machineIdentifier": server.machine_id,
        "createdAt": 1_600_000_000,
        "updatedAt": 1_700_000_000,
        "owned": True,
        "synced": False,
    }
    sections = [Node("Section", _section(section)) for section in server.sections if section.published]
    return _container([Node("Server", attributes, sections)])


def _section(section: PlexSection) -> dict[str, Scalar]:
    return {"id": section.id, "key": section.key, "type": section.type, "title": section.title}


@routes.add("GET", SHARED_SERVERS)
def _shares(tv: PlexShares, request: Request) -> Answer:
    server = tv.owned_server(request.me, request.args["mid"])
    return _container([_shared_server(share) for share in tv.shares_of(server)], machineIdentifier=server.machine_id)


def _shared_server(share: Share) -> Node:
    person = share.person
    attributes: dict[str, Scalar] = {
        "id": share.id,
        "username": person.username if person else "",
        "email": share.email,
        "userID": person.id if person else "",
        "accessToken": share.token,
        "name": share.server.name,
        "acceptedAt": share.accepted_at or "",
        "invitedAt": share.invited_at,
        "owned": False,
        "allLibraries": share.all_libraries,
        **share.settings,
    }
    published = (section for section in share.server.sections if section.published)
    sections = [Node("Section", {**_section(section), "shared": section.id in share.section_ids}) for section in published]
    return Node("SharedServer", attributes, sections)


@routes.add("POST", SHARED_SERVERS)
def _create(tv: PlexShares, request: Request) -> Answer:
    server, body, shared = _sharing_body(tv, request)
    invitee = tv.invitee(shared.get("invited_id"), shared.get("invited_email"))
    skip = body.get("skipFriendship", False)
    if not isinstance(skip, bool):
        raise Refusal(400, "skipFriendship must be true or false")
    share = tv.invite(server, invitee, shared.get("library_section_ids"), body.get("sharing_settings"), skip_friendship=skip)
    return _container([_shared_server(share)], 201, machineIdentifier=server.machine_id)


def _sharing_body(tv: PlexShares, request: Request) -> tuple[PlexServer, dict[str, object], dict[str, object]]:
    server = tv.owned_server(request.me, request.args["mid"])
    body = request.object()
    shared = body.get("shared_server")
    if body.get("server_id") != server.machine_id or not isinstance(shared, dict):
        raise Refusal(400, "The request body is invalid")
    return server, body, shared


@routes.add("GET", SHARED_SERVERS + "/{id}")
def _read(tv: PlexShares, request: Request) -> Answer:
    return _container([_shared_server(_share(tv, request))])


def _share(tv: PlexShares, request: Request) -> Share:
    server = tv.owned_server(request.me, request.args["mid"])
    return tv.owned_share(request.me, request.number("id"), server)


@routes.add("PUT", SHARED_SERVERS + "/{id}")
def _replace_sections(tv: PlexShares, request: Request) -> Answer:
    share = _share(tv, request)
    shared = _sharing_body(tv, request)[2]
    tv.edit(share, shared.get("library_section_ids"))
    return _container([_shared_server(share)])


@routes.add("DELETE", SHARED_SERVERS + "/{id}")
def _remove(tv: PlexShares, request: Request) -> Answer:
    tv.remove(_share(tv, request))
    return Answer(200)


@routes.add("GET", "/api/invites/requested")
def _sent(tv: PlexShares, request: Request) -> Answer:
    return _container([_invite(relation, relation.person, relation.address) for relation in tv.sent(request.me)])


@routes.add("GET", "/api/invites/requests")
def _received(tv: PlexShares, request: Request) -> Answer:
    return _container([_invite(relation, relation.owner, "") for relation in tv.received(request.me)])


def _invite(relation: Relation, other: PlexPerson | None, address: str) -> Node:
    attributes: dict[str, Scalar] = {
        "id": relation.invite_id,
        "createdAt": relation.invited_at,
        "friend": not all(share.skip_friendship for share in relation.invited),
        "home": False,
        "server": True,
        "username": other.username if other else "",
        "email": other.email if other else address,
        "thumb": f"https://plex.tv/users/{other.uuid}/avatar" if other else "",
        "friendlyName": other.title if other else address,
    }
    shares = relation.invited
    return Node("Invite", attributes, [Node("Server", {"name": s.server.name, "numLibraries": len(s.section_ids)}) for s in shares])


@routes.add("DELETE", "/api/invites/requested/{id}")
def _cancel(tv: PlexShares, request: Request) -> Answer:
    for share in _by_invite(tv.sent(request.me), request).invited:
        tv.withdraw(share)
    return Answer(200)


@routes.add("PUT", "/api/invites/requests/{id}")
def _accept(tv: PlexShares, request: Request) -> Answer:
    for share in _by_invite(tv.received(request.me), request).invited:
        tv.accept_as_invited(share)
    return Answer(200)


def _by_invite(relations: list[Relation], request: Request) -> Relation:
    wanted = request.number("id")
    for relation in relations:
        if relation.invite_id == wanted:
            return relation
    raise not_found("Invite not found")


@routes.add("PUT", "/api/users/{id}")
@routes.add("PUT", "/api/v2/sharings/{id}")
def _change_settings(tv: PlexShares, request: Request) -> Answer:
    relation = tv.known_relation(request.me, request.number("id"))
    named = parsed_settings({name: value for name, value in request.fields().items() if name in DEFAULT_SETTINGS})
    tv.change_settings(relation, relation.settings | named)
    return Answer(204)


@routes.add("DELETE", "/api/v2/sharings/{id}")
def _end_relation(tv: PlexShares, request: Request) -> Answer:
    tv.end_relation(tv.known_relation(request.me, request.number("id")))
    return Answer(204)
