"""plex.tv as we reach it: one set of X-Plex headers, the hosts of both generations of its API, and PlexAPI led through the same door."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import requests
from requests.adapters import BaseAdapter

from panel.platforms import sent, turns
from panel.platforms.base import CredentialsRefused, LostAnswer, PlatformError, Refused, UnexpectedAnswer
from panel.platforms.http import CONNECT_S, READ_S, Guard, HttpDoor, new_session, unguarded
from panel.platforms.plex.containers import xml_root

PRODUCT = "Streamferry"
V1_URL = "https://plex.tv"
V2_URL = "https://clients.plex.tv"
WHO = "plex.tv"
#: How a web page begins, unlike data in JSON or XML.
PAGE = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)


def plex_headers(client_id: str, token: str = "") -> dict[str, str]:
    """What every request to Plex carries. `client_id` has to stay the same for an installation: plex.tv makes a device of each."""
    headers = {
        "X-Plex-Product": PRODUCT,
        "X-Plex-Client-Identifier": client_id,
        "X-Plex-Device": PRODUCT,
        "X-Plex-Device-Name": PRODUCT,
        "X-Plex-Provides": "controller",
    }
    return {**headers, "X-Plex-Token": token} if token else headers


def usable_token(token: str) -> str:
    """The token without the blanks of a paste; empty when no header could carry it."""
    token = token.strip()
    return token if token.isascii() and token.isprintable() and " " not in token else ""


class PlexCloud:
    """plex.tv with one account's token. `cloud_url` replaces every plex.tv host (tests, demo); empty is the real one. Each changing request
    takes a turn of its own where turns are taken (`turns`)."""

    def __init__(
        self,
        token: str,
        cloud_url: str,
        client_id: str,
        *,
        timeouts: tuple[float, float] = (CONNECT_S, READ_S),
        guard: Guard = unguarded,
    ) -> None:
        self._token = usable_token(token)
        self._session = new_session()
        headers = plex_headers(client_id, self._token)
        self._v1 = HttpDoor(cloud_url or V1_URL, headers, WHO, timeouts=timeouts, guard=guard, session=self._session)
        self._v2 = HttpDoor(cloud_url or V2_URL, headers, WHO, timeouts=timeouts, guard=guard, session=self._session)

    def json(self, method: str, path: str, **how: Any) -> Any:
        """A v2 request, answered in JSON. Raises as `HttpDoor.json` does."""
        with self._with_token():
            turns.require_one(method)
            return self._v2.json(method, path, **how)

    def xml(self, method: str, path: str, **how: Any) -> ElementTree.Element | None:
        """A v1 request, answered in XML (`None` for an empty answer). Raises as `HttpDoor.send` does, and `UnexpectedAnswer`
        (`LostAnswer` where `creates`) when it is not XML."""
        body = self.send(method, path, **how)
        if not body.strip():
            return None
        try:
            return xml_root(body, WHO)
        except UnexpectedAnswer as garbled:
            if how.get("creates"):
                lost = LostAnswer(f"{WHO} gave a garbled answer to a request that creates something; it will be looked up.")
                raise sent.misread(lost) from None
            raise (garbled if method == "GET" else sent.misread(garbled)) from None

    def send(self, method: str, path: str, **how: Any) -> bytes:
        """A v1 request as `HttpDoor.send` does it. Raises `UnexpectedAnswer` as well where a change is answered with a web page."""
        with self._with_token():
            turns.require_one(method)
            body = self._v1.send(method, path, **how)
            # What was created is read by the caller, who knows what to do about an answer that cannot be.
            return body if how.get("creates") else _no_page(method, body)

    def send_v2(self, method: str, path: str, **how: Any) -> bytes:
        """A v2 request whose answer does not matter, unless it is a web page: that raises `UnexpectedAnswer`."""
        with self._with_token():
            turns.require_one(method)
            return _no_page(method, self._v2.send(method, path, headers={"Accept": "application/json"}, **how))

    def plexapi_session(self) -> requests.Session:
        """A session for PlexAPI whose every request goes through this door, wherever PlexAPI means to send it."""
        session = new_session()
        session.mount("https://", _ThroughDoor(self))
        session.mount("http://", _ThroughDoor(self))
        return session

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    @contextmanager
    def _with_token(self) -> Iterator[None]:
        if not self._token:
            raise _refused("The Plex token is empty or has characters that no token has; nothing was sent.")
        try:
            yield
        except CredentialsRefused as error:
            error.of_account = True
            raise
        except Refused as error:
            # plex.tv was seen to answer 422 instead of 401 to a revoked token.
            if "invalid token" in str(error).lower():
                raise _refused(f"{WHO} refused the token: it was revoked or is mistyped.") from None
            raise


@contextmanager
def of_plex_tv() -> Iterator[None]:
    """Around what plex.tv is asked about a server, as a decorator too: trouble with it is not the server's."""
    try:
        yield
    except PlatformError as error:
        error.of_plex_tv = True
        raise


def _no_page(method: str, body: bytes) -> bytes:
    """The body, unless a change was answered with a web page: something stands before plex.tv, and nobody knows what became of it."""
    if method != "GET" and PAGE.match(body):
        raise sent.misread(UnexpectedAnswer(f"{WHO} answered a change with a web page; it will be looked up."))
    return body


def _refused(sentence: str) -> CredentialsRefused:
    error = CredentialsRefused(sentence)
    error.of_account = True
    return error


@contextmanager
def unclear() -> Iterator[None]:
    """Around reading the answer to a creation: one that cannot be read says that something was made, but not what."""
    try:
        yield
    except UnexpectedAnswer:
        raise sent.misread(LostAnswer(f"{WHO} accepted a new share but did not say which; it will be looked up.")) from None


class _ThroughDoor(BaseAdapter):
    """PlexAPI has no setting for the host, exceptions that lose Retry-After and break on unknown statuses, follows redirects with the
    token, and replaces its token by the `authToken` of an answer (even when that has none). Here the door answers for it: only the
    path and query PlexAPI chose are used, our headers are sent, and errors leave as ours."""

    def __init__(self, cloud: PlexCloud) -> None:
        super().__init__()
        self._cloud = cloud

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,
        verify: bool | str = True,
        cert: object = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send through the door; answers XML only."""
        if request.method != "GET":
            raise NotImplementedError("PlexAPI is only used to read here.")
        body = self._cloud.send("GET", request.path_url)
        # PlexAPI takes an empty answer for an account without attributes and goes on.
        xml_root(body, WHO)
        response = requests.Response()
        response.status_code = 200
        response.url = request.url or ""
        response.request = request
        response.headers["Content-Type"] = "text/xml; charset=utf-8"
        response.encoding = "utf-8"
        response.raw = io.BytesIO(body)
        return response

    def close(self) -> None:
        """The door is closed by whoever opened it."""
