"""A bare HTTP client for the simulators' tests: what is sent is what the test says, no cookies, no redirects, no retries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import Any

from panel.simulators.http import Simulator


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def ask(server: Simulator, method: str, target: str, body: object = None, **headers: str) -> Reply:
    """Send one request; `body` as JSON unless it is bytes; header names have underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, bytes):
        named, body = {"Content-Type": "application/json", **named}, json.dumps(body).encode()
    connection = HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request(method, target, body, named)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()
