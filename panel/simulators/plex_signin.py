"""plex.tv routes about the asker: account, sign-in, PINs, servers in reach, Plex Home (v2, and the v1 Home calls)."""

from __future__ import annotations

import time

from panel.simulators.http import Answer
from panel.simulators.plex_accounts import HOME_SIZE, Pin
from panel.simulators.plex_markup import Node, Scalar, Value, iso_time, xml_answer
from panel.simulators.plex_people import PlexPerson
from panel.simulators.plex_routes import Refusal, Request, Routes, not_found, unauthorized
from panel.simulators.plex_server import VERSION, PlexServer
from panel.simulators.plex_shares import PlexShares

routes: Routes[PlexShares] = Routes()


@routes.add("GET", "/api/v2/user")
def _user(tv: PlexShares, request: Request) -> Answer:
    return request.reply("user", _account(request.me, request.token))


def _account(person: PlexPerson, token: str) -> dict[str, Value]:
    features = ["pass", "sync"] if person.plex_pass else []
    return {
        "id": person.id,
        "uuid": person.uuid,
        "username": person.username,
        "title": person.title,
        "email": person.email,
        "friendlyName": "",
        "confirmed": person.confirmed,
        "joinedAt": person.joined_at,
        "thumb": _avatar(person),
        "authToken": token,
        "scrobbleTypes": "",
        "restricted": person.restricted,
        "home": person.home,
        "guest": False,
        "homeSize": max(1, len(person.household)),
        "homeAdmin": bool(person.home_members),
        "maxHomeSize": HOME_SIZE,
        "twoFactorEnabled": bool(person.verification_code),
        "subscription": {
            "active": person.plex_pass,
            "subscribedAt": "2021-01-01 00:00:00 UTC" if person.plex_pass else "",
            "status": "Active" if person.plex_pass else "Inactive",
            "paymentService": "",
            "plan": "lifetime" if person.plex_pass else "",
            "features": features,
        },
        "profile": {"autoSelectAudio": True, "defaultAudioLanguage": "en", "defaultSubtitleLanguage": "en", "autoSelectSubtitle": 0},
        "entitlements": [],
        "roles": ["plexpass"] if person.plex_pass else [],
    }


def _avatar(person: PlexPerson) -> str:
    return f"https://plex.tv/users/{person.uuid}/avatar"


@routes.add("POST", "/api/v2/users/signin", is_open=True)
def _sign_in(tv: PlexShares, request: Request) -> Answer:
    form = request.fields()
    person = tv.find(form.get("login", ""))
    if person is None or form.get("password") != person.password:
        raise unauthorized()
    if person.verification_code and form.get("verificationCode") != person.verification_code:
        raise Refusal(401, "Please enter the verification code", 1029)
    return request.reply("user", _account(person, tv.issue_token(person)), 201)


@routes.add("DELETE", "/api/v2/users/signout")
def _sign_out(tv: PlexShares, request: Request) -> Answer:
    del tv.tokens[request.token]
    return Answer(204)


@routes.add("GET", "/api/v2/ping")
def _ping(tv: PlexShares, request: Request) -> Answer:
    return Answer.of_json({"pong": True}) if request.wants_json else xml_answer(Node("pong", text="true"))


@routes.add("POST", "/api/v2/pins", is_open=True)
def _begin_pin(tv: PlexShares, request: Request) -> Answer:
    if not request.client_identifier:
        raise Refusal(400, "X-Plex-Client-Identifier is missing", 1000)
    fields = request.fields()
    product = request.call.headers.get("x-plex-product") or request.call.query.get("X-Plex-Product", "")
    pin = tv.begin_pin(request.client_identifier, product, strong=fields.get("strong", "").lower() in ("true", "1"))
    return request.reply("pin", _pin(pin, request), 201)


@routes.add("GET", "/api/v2/pins/{id}", is_open=True)
def _poll_pin(tv: PlexShares, request: Request) -> Answer:
    return request.reply("pin", _pin(tv.pin_of(request.number("id"), request.client_identifier), request))


def _pin(pin: Pin, request: Request) -> dict[str, Value]:
    no_token_yet = None if request.wants_json else ""
    return {
        "id": pin.id,
        "code": pin.code,
        "product": pin.product,
        "trusted": False,
        "qr": f"https://plex.tv/api/v2/pins/qr/{pin.code}",
        "clientIdentifier": pin.client_identifier,
        "expiresIn": max(0, int(pin.expires_at - time.time())),
        "createdAt": iso_time(pin.created_at),
        "expiresAt": iso_time(pin.expires_at),
        "authToken": pin.person.token if pin.person else no_token_yet,
        "newRegistration": None,
    }


@routes.add("GET", "/api/v2/resources")
def _resources(tv: PlexShares, request: Request) -> Answer:
    found: list[Value] = []
    for server in tv.servers:
        share = server.share_of(request.me)
        if server.owner is request.me:
            found.append(_resource(server, server.token, owned=True, home=False))
        elif share and share.accepted:
            found.append(_resource(server, share.token, owned=False, home=request.me.home_admin is server.owner))
    return request.reply("resources", found)


def _resource(server: PlexServer, token: str, *, owned: bool, home: bool) -> dict[str, Value]:
    connection: dict[str, Value] = {
        "protocol": "http",
        "address": server.host,
        "port": server.port,
        "uri": server.url,
        "local": False,
        "relay": False,
        "IPv6": False,
    }
    return {
        "name": server.name,
        "product": "Plex Media Server",
        "productVersion": VERSION,
        "platform": "Linux",
        "platformVersion": "6.1",
        "device": "PC",
        "clientIdentifier": server.machine_id,
        "createdAt": "2024-01-01T00:00:00Z",
        "lastSeenAt": "2024-06-01T00:00:00Z",
        "provides": "server",
        "ownerId": None if owned else server.owner.id,
        "sourceTitle": None if owned else server.owner.username,
        "publicAddress": "203.0.113.9",
        "accessToken": token,
        "owned": owned,
        "home": home,
        "synced": False,
        "relay": False,
        "presence": bool(server.port),
        "httpsRequired": False,
        "publicAddressMatches": True,
        "dnsRebindingProtection": False,
        "natLoopbackSupported": False,
        "connections": [connection] if server.port else [],
    }


@routes.add("GET", "/api/v2/home/users")
def _home_v2(tv: PlexShares, request: Request) -> Answer:
    people = request.me.household
    users: list[Value] = [{k: v for k, v in _home_user(person).items() if k != "restrictionProfile"} for person in people]
    return request.reply("home", {"id": people[0].id if people else 0, "name": "", "users": users})


@routes.add("GET", "/api/home/users")
def _home_v1(tv: PlexShares, request: Request) -> Answer:
    users = [Node("User", _home_user(person)) for person in request.me.household]
    return xml_answer(Node("MediaContainer", {"friendlyName": "myPlex", "size": len(users)}, users))


def _home_user(person: PlexPerson) -> dict[str, Scalar]:
    user: dict[str, Scalar] = {
        "id": person.id,
        "uuid": person.uuid,
        "title": person.title,
        "username": person.username,
        "email": person.email,
        "thumb": _avatar(person),
        "protected": bool(person.pin),
        "restricted": person.restricted,
        "admin": person.home_admin is None,
        "guest": False,
    }
    return user | ({"restrictionProfile": person.age_profile} if person.age_profile else {})


@routes.add("POST", "/api/home/users")
def _add_to_home(tv: PlexShares, request: Request) -> Answer:
    """A managed user by `title`, or an account by `invitedEmail`, taken in at once: Home invites are not simulated."""
    me, fields = request.me, request.fields()
    if len(me.household) >= HOME_SIZE:
        raise Refusal(422, f"A Plex Home has {HOME_SIZE} members at most")
    if title := fields.get("title"):
        person = tv.add_managed_user(me, title)
    elif not me.plex_pass:
        raise Refusal(400, "Invite a user requires a Plex Pass")
    else:
        found = tv.find(fields.get("invitedEmail", ""))
        if found is None or found is me or found.home:
            raise Refusal(400, "This person cannot be invited")
        tv.add_home_member(me, found)
        person = found
    return xml_answer(Node("User", _home_user(person)), 201)


@routes.add("DELETE", "/api/home/users/{id}")
def _remove_from_home(tv: PlexShares, request: Request) -> Answer:
    person = tv.people.get(request.number("id"))
    if person is None or person.home_admin is not request.me:
        raise not_found()
    relation = tv.relations.get(request.me.id, {}).get(person.id)
    if relation:
        tv.end_relation(relation)
    tv.leave_home(person)
    return Answer(200)


@routes.add("POST", "/api/home/users/{id}/switch")
def _switch_v1(tv: PlexShares, request: Request) -> Answer:
    person = tv.people.get(request.number("id"))
    token = tv.switched(request.me, person, request.fields().get("pin", ""))
    assert person is not None
    return xml_answer(Node("user", {"id": person.id, "title": person.title, "authenticationToken": token}), 201)


@routes.add("POST", "/api/v2/home/users/{uuid}/switch")
def _switch_v2(tv: PlexShares, request: Request) -> Answer:
    person = next((one for one in request.me.household if one.uuid == request.args["uuid"]), None)
    token = tv.switched(request.me, person, request.fields().get("pin", ""))
    assert person is not None
    return request.reply("user", _account(person, token), 201)
