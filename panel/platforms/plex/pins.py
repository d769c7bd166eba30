"""Signing in with Plex: a PIN that a person approves on plex.tv's own page, so that no token is ever typed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from panel.platforms.base import NotThere, UnexpectedAnswer
from panel.platforms.http import CONNECT_S, READ_S, HttpDoor
from panel.platforms.plex.cloud import PRODUCT, V1_URL, WHO, plex_headers, usable_token

APPROVAL_URL = "https://app.plex.tv/auth#?"
#: plex.tv was seen to keep PINs for 900 and for 1800 seconds.
USUAL_LIFE_S = 900.0
#: What is not taken for the life of a PIN, in seconds: nobody waits for an approval that long.
TOO_LONG_S = 86400


@dataclass(frozen=True)
class Pin:
    """One try to sign in. `token` is empty until somebody has approved it."""

    id: int
    code: str
    lives_s: float
    token: str = field(default="", repr=False)


def start_pin(cloud_url: str = "", client_id: str = "", *, timeouts: tuple[float, float] = (CONNECT_S, READ_S)) -> Pin:
    """A new strong PIN (`POST /api/v2/pins?strong=true`, without a token): 1 request. Raises `PlatformError`."""
    with closing(_door(cloud_url, client_id, timeouts)) as door:
        return _pin(door.json("POST", "/api/v2/pins", params={"strong": "true"}))


def check_pin(pin_id: int, cloud_url: str = "", client_id: str = "", *, timeouts: tuple[float, float] = (CONNECT_S, READ_S)) -> Pin | None:
    """How a PIN of this installation stands (`GET /api/v2/pins/{id}`): 1 request. `None` when it has expired. Raises `PlatformError`."""
    with closing(_door(cloud_url, client_id, timeouts)) as door:
        try:
            return _pin(door.json("GET", f"/api/v2/pins/{int(pin_id)}"))
        except NotThere:
            return None


def approval_url(code: str, cloud_url: str = "", client_id: str = "") -> str:
    """The page on which a person approves the PIN: app.plex.tv's, which reads its fragment, or that of whatever stands in for plex.tv."""
    if cloud_url:
        return f"{cloud_url}/auth?{urlencode({'code': code})}"
    return APPROVAL_URL + urlencode({"clientID": client_id, "code": code, "context[device][product]": PRODUCT})


def _door(cloud_url: str, client_id: str, timeouts: tuple[float, float]) -> HttpDoor:
    return HttpDoor(cloud_url or V1_URL, plex_headers(client_id), WHO, timeouts=timeouts)


def _pin(answer: Any) -> Pin:
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), int) or not isinstance(answer.get("code"), str):
        raise UnexpectedAnswer(f"{WHO} did not give a PIN to sign in with.")
    token = answer.get("authToken")
    return Pin(
        id=answer["id"],
        code=answer["code"],
        lives_s=_life_s(answer.get("expiresIn")),
        token=usable_token(token) if isinstance(token, str) else "",
    )


def _life_s(said: Any) -> float:
    return float(said) if type(said) in (int, float) and 0 <= said < TOO_LONG_S else USUAL_LIFE_S
