"""The simulators' answers on the routes of a migration agree with the official specifications."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest

from panel.simulators.emby import Emby
from panel.simulators.http import Answer, Call
from panel.simulators.jellyfin import Jellyfin
from tests import openapi

pytestmark = pytest.mark.skipif(not openapi.available(), reason=openapi.MISSING)

IDENTITY = 'MediaBrowser Client="Panel", Device="panel", DeviceId="panel-1", Version="1.0"'
PICTURE = base64.b64encode(b"\x89PNG picture")


class Talk:
    """Sends calls to a simulator and asks the specification about each request and answer."""

    def __init__(self, server: Emby | Jellyfin, contract: openapi.Contract, headers: dict[str, str]) -> None:
        self.server, self.contract, self.headers = server, contract, headers

    def __call__(self, method: str, target: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        path, _, query = target.partition("?")
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        kind = {"content-type": "application/json"} if body is not None else {}
        call = Call(method, path, dict(parse_qsl(query)), {**kind, **(self.headers if headers is None else {}), **(headers or {})}, sent)
        answer, _ = self.server.respond(call)
        assert answer is not None
        assert answer.status < 300, (target, answer)
        assert self.contract.request_errors(call) == [], target
        assert self.contract.answer_errors(call, answer.status, answer.body, answer.content_type) == [], target
        return answer


@pytest.fixture(params=["10.11.11", "12.0.0"])
def jellyfin(request: pytest.FixtureRequest) -> Talk:
    server = Jellyfin(version=request.param)
    return Talk(server, openapi.jellyfin(), {"authorization": f'MediaBrowser Token="{server.api_key}"'})


@pytest.fixture(params=["4.8.11.0", "4.9.1.90"])
def emby(request: pytest.FixtureRequest) -> Talk:
    server = Emby(version=request.param)
    return Talk(server, openapi.emby(), {"x-emby-token": server.api_key})


def jellyfin_targets(user_id: str) -> Iterator[str]:
    yield from ("/System/Info/Public", "/System/Info", "/System/Ping", "/Users", "/Users?isHidden=true&isDisabled=false", "/Users/Public")
    yield from (f"/Users/{user_id}", f"/UserViews?userId={user_id}", "/Library/VirtualFolders", "/Library/MediaFolders?isHidden=false")
    yield from ("/Auth/Keys", "/Auth/Providers", "/Auth/PasswordResetProviders", "/Sessions", f"/Devices?userId={user_id}")


def emby_targets(user_id: str) -> Iterator[str]:
    yield from ("/System/Info/Public", "/System/Info", "/Users", "/Users/Query?StartIndex=0&Limit=2&IsDisabled=false", "/Users/Public")
    yield from (f"/Users/{user_id}", f"/Users/{user_id}/Views?IncludeExternalContent=false", "/Library/VirtualFolders")
    yield from ("/Library/VirtualFolders/Query", "/Library/MediaFolders", "/Library/SelectableMediaFolders", "/Auth/Providers")
    yield from ("/Sessions", "/Devices", "/Plugins/SecurityInfo")


def test_jellyfin_reads(jellyfin: Talk) -> None:
    person = jellyfin.server.add_user("mira", "secret", libraries=["Films"], IsHidden=False)
    jellyfin("POST", "/Users/AuthenticateByName", {"Username": "mira", "Pw": "secret"}, {"authorization": IDENTITY})
    for target in jellyfin_targets(person.id):
        jellyfin("GET", target)


def test_jellyfin_creates_grants_disables_and_deletes(jellyfin: Talk) -> None:
    made = json.loads(jellyfin("POST", "/Users/New", {"Name": "mira", "Password": "x"}).body)
    folders = json.loads(jellyfin("GET", "/Library/VirtualFolders").body)
    policy = made["Policy"] | {"EnableAllFolders": False, "EnabledFolders": [folders[0]["ItemId"]]}
    jellyfin("POST", f"/Users/{made['Id']}/Policy", policy)
    jellyfin("POST", f"/Users/Configuration?userId={made['Id']}", made["Configuration"])
    jellyfin("POST", f"/Users?userId={made['Id']}", made | {"Name": "mira.v"})
    jellyfin("POST", f"/Users/Password?userId={made['Id']}", {"NewPw": "y"})
    picture = {**jellyfin.headers, "content-type": "image/png"}
    jellyfin("POST", f"/UserImage?userId={made['Id']}", PICTURE, picture)
    jellyfin("GET", f"/Users/{made['Id']}")
    jellyfin("POST", f"/Users/{made['Id']}/Policy", policy | {"IsDisabled": True})
    jellyfin("DELETE", f"/Users/{made['Id']}")


def test_emby_reads(emby: Talk) -> None:
    person = emby.server.add_user("mira", "secret", libraries=["Films"], IsHidden=False, connect_email="mira@home.example")
    identity = {"x-emby-authorization": IDENTITY.replace("MediaBrowser", "Emby")}
    emby("POST", "/emby/Users/AuthenticateByName", {"Username": "mira", "Pw": "secret"}, identity)
    for target in emby_targets(person.id):
        emby("GET", "/emby" + target)


def test_emby_creates_grants_links_disables_and_deletes(emby: Talk) -> None:
    made = json.loads(emby("POST", "/emby/Users/New", {"Name": "mira"}).body)
    base = f"/emby/Users/{made['Id']}"
    folders = json.loads(emby("GET", "/emby/Library/SelectableMediaFolders").body)
    policy = made["Policy"] | {"EnableAllFolders": False, "EnabledFolders": [folders[0]["Guid"]]}
    emby("POST", f"{base}/Policy", policy)
    emby("POST", f"{base}/Password", {"Id": made["Id"], "NewPw": "y"})
    emby("POST", f"{base}/Configuration", made["Configuration"])
    emby("POST", base, made | {"Name": "mira.v"})
    emby("POST", f"{base}/Connect/Link?ConnectUsername=mira%40home.example")
    emby("GET", base)
    emby("DELETE", f"{base}/Connect/Link")
    emby("POST", f"{base}/Policy", policy | {"IsDisabled": True})
    emby("DELETE", base)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (Call("GET", "/Users", {}, {}, b""), "Security"),
        (Call("GET", "/Users/{}/Views", {}, {"authorization": "x"}, b""), "PathNotFound"),
        (Call("POST", "/Users/New", {}, {"authorization": "x", "content-type": "application/json"}, b"{}"), "Name"),
    ],
)
def test_the_specification_objects_to_a_wrong_request(call: Call, complaint: str) -> None:
    assert complaint in " ".join(openapi.jellyfin().request_errors(call))


def test_the_specifications_object_to_a_wrong_answer() -> None:
    call = Call("GET", "/Users", {}, {"authorization": "x", "x-emby-token": "x"}, b"")
    for contract in (openapi.jellyfin(), openapi.emby()):
        assert contract.answer_errors(call, 200, b'[{"Policy": {"IsDisabled": "no"}}]', "application/json") != []
        assert contract.answer_errors(call, 200, b"[]", "application/json") == []


def test_the_specification_takes_lists_with_commas_and_ids_without_dashes() -> None:
    query = {"UserId": "ab" * 16, "fields": "ProviderIds,Path", "includeItemTypes": "Movie,Episode"}
    assert openapi.jellyfin().request_errors(Call("GET", "/Items", query, {"authorization": "x"}, b"")) == []
