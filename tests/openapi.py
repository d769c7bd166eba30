"""The official OpenAPI files as judges of requests and answers; what they get wrong is mended in memory, never in the files.

Where the files are: the environment variable STREAMFERRY_SPECS, else `../shared/specs` beside the repository. `available()` tells.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from panel.simulators.http import Call

FOLDER = Path(os.environ.get("STREAMFERRY_SPECS") or Path(__file__).resolve().parents[2] / "shared" / "specs")
MISSING = "the official OpenAPI files are not here; STREAMFERRY_SPECS names their folder"

_HOST = "http://127.0.0.1:8096"
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_VERBS = ("get", "post", "delete")


def available() -> bool:
    """Whether both files are there."""
    return all((FOLDER / f"{product}-openapi.json").is_file() for product in ("emby", "jellyfin"))


class Contract:
    """One server's specification. Both checks answer sentences about what is wrong; an empty list is a pass."""

    def __init__(self, spec: dict[str, Any]) -> None:
        lenient = {"uuid": lambda value: isinstance(value, str) and _UUID.fullmatch(value) is not None}
        # the files are known to load; judging them again costs seconds
        self._openapi = OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None, extra_format_validators=lenient))
        self._query = {name.lower(): (name, is_list) for name, is_list in _query_parameters(spec)}

    def request_errors(self, call: Call) -> list[str]:
        """What the specification has against this request: path, verb, token carrier, query, body."""
        return _complaints(lambda: self._openapi.validate_request(self._request(call)))

    def answer_errors(self, call: Call, status: int, body: bytes, content_type: str) -> list[str]:
        """What it has against this answer. Refusals (from 300 on) are not judged: servers word them as the files do not say.

        An empty 204 passes where the files declare an empty 200, as both are seen.
        """
        if status >= 300:
            return []
        if status == 204:
            return [f"204 with a body of {len(body)} bytes"] if body else []
        answer = MockResponse(body, status, content_type=content_type)
        return _complaints(lambda: self._openapi.validate_response(self._request(call), answer))

    def _request(self, call: Call) -> MockRequest:
        args = dict(self._argument(name, value) for name, value in call.query.items())
        kind = call.headers.get("content-type", "")
        return MockRequest(_HOST, call.method, call.path, args=args, headers=dict(call.headers), data=call.body, content_type=kind)

    def _argument(self, name: str, value: str) -> tuple[str, Any]:
        """Names match in any case; servers take lists with commas where the files want the name repeated."""
        declared, is_list = self._query.get(name.lower(), (name, False))
        return declared, value.split(",") if is_list else value


@functools.cache
def jellyfin() -> Contract:
    """Jellyfin 10.11.11."""
    spec = _read("jellyfin")
    spec["servers"] = [{"url": _HOST}]
    return Contract(spec)


@functools.cache
def emby() -> Contract:
    """Emby 4.9.0.41, with the header that carries the token and the live routes that the file forgets."""
    spec = _read("emby")
    spec["servers"] = [{"url": f"{_HOST}/emby"}, {"url": _HOST}]
    index = {"name": "Index", "in": "path", "required": True, "schema": {"type": "integer"}}
    spec["paths"]["/Users/{Id}/Images/{Type}/{Index}"]["post"]["parameters"].append(index)
    _add_missing_routes(spec)
    _accept_token_header(spec)
    for path, verb in (("/System/Info/Public", "get"), ("/Users/Public", "get"), ("/Users/AuthenticateByName", "post")):
        spec["paths"][path][verb]["security"] = []
    return Contract(spec)


def _read(product: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{product}-openapi.json").read_text())


def _operations(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (path[verb] for path in spec["paths"].values() for verb in _VERBS if verb in path)


def _query_parameters(spec: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    for operation in _operations(spec):
        for parameter in operation.get("parameters", []):
            if parameter.get("in") == "query":
                yield parameter["name"], parameter.get("schema", {}).get("type") == "array"


def _accept_token_header(spec: dict[str, Any]) -> None:
    spec["components"]["securitySchemes"]["header"] = {"type": "apiKey", "in": "header", "name": "X-Emby-Token"}
    for operation in _operations(spec):
        if "security" in operation:
            operation["security"].append({"header": []})


def _add_missing_routes(spec: dict[str, Any]) -> None:
    users, folders = ({"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}} for name in ("UserDto", "VirtualFolderInfo"))
    licence = {"type": "object", "properties": {"SupporterKey": {"type": "string"}, "IsMBSupporter": {"type": "boolean"}}}
    for path, schema in (("/Users", users), ("/Library/VirtualFolders", folders), ("/Plugins/SecurityInfo", licence)):
        answer = {"description": "As on live servers", "content": {"application/json": {"schema": schema}}}
        spec["paths"].setdefault(path, {})["get"] = {"responses": {"200": answer}, "security": [{"apikeyauth": []}]}


def _complaints(check: Any) -> list[str]:
    try:
        check()
    except Exception as error:  # the library raises a dozen kinds; each is a complaint
        causes = getattr(error.__cause__, "schema_errors", None) or getattr(error, "schema_errors", None) or []
        details = [f"{'/'.join(map(str, cause.absolute_path))}: {cause.message}" for cause in causes]
        return details or [f"{type(error).__name__}: {error}" + (f" ({error.__cause__})" if error.__cause__ else "")]
    return []
