"""How Jellyfin words its answers: one constant text for what goes wrong inside, problem documents for bad input, empty bodies in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.simulators.http import Answer
from panel.simulators.mediabrowser_accounts import EMPTY_ID, Account, plain_id
from panel.simulators.mediabrowser_policy import Policy, Schema, WrongValue, is_guid
from panel.simulators.mediabrowser_routes import Asked, Refused

if TYPE_CHECKING:
    from panel.simulators.jellyfin import Jellyfin

_SECTIONS = {400: "15.5.1", 404: "15.5.5", 415: "15.5.16"}
_TITLES = {400: "One or more validation errors occurred.", 404: "Not Found", 415: "Unsupported Media Type"}
DONE = Answer(204)


def failed(status: int) -> Answer:
    """What the exception layer says, whatever happened."""
    return Answer.of_text("Error processing request.", status)


def spoken(status: int, sentence: str) -> Answer:
    """A reason as a JSON string."""
    return Answer.of_json(sentence, status)


def problem(status: int, errors: dict[str, str] | None = None) -> Answer:
    """A problem document; `errors` says what is wrong with which field."""
    document: dict[str, Any] = {
        "type": f"https://tools.ietf.org/html/rfc9110#section-{_SECTIONS[status]}",
        "title": _TITLES[status],
        "status": status,
    }
    if errors is not None:
        document["errors"] = {key: [text] for key, text in errors.items()}
    return Answer.of_json({**document, "traceId": "00-0000-0000-00"}, status, "application/problem+json; charset=utf-8")


def json_object(asked: Asked) -> dict[str, Any]:
    """The body as an object. Raises `Refused` with 415 for another content type, 400 for anything that is no object."""
    kind = asked.call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "text/json") and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refused(problem(415))
    try:
        body = asked.call.json()
    except ValueError:
        raise Refused(problem(400, {"$": "The body is not valid JSON."})) from None
    if not isinstance(body, dict):
        raise Refused(problem(400, {"": "A non-empty request body is required."}))
    return body


def read_id(text: str, field: str) -> str:
    """A GUID without dashes. Raises `Refused`: a problem document for anything else, plain text for the empty GUID."""
    if not is_guid(text):
        raise Refused(problem(400, {field: f"The value '{text}' is not valid."}))
    if plain_id(text) == EMPTY_ID:
        raise Refused(failed(400))
    return plain_id(text)


def account_in_path(server: Jellyfin, asked: Asked, missing: Answer | None = None) -> Account:
    """The user named by the path. Raises `Refused` with 404, as `missing` or a problem document."""
    asked.touched = server.users.get(read_id(asked.ids["id"], "userId"))
    if asked.touched is None:
        raise Refused(missing or problem(404))
    return asked.touched


def account_meant(server: Jellyfin, asked: Asked) -> Account:
    """The user in the path or in `userId`, else the caller. An API key is nobody: 400. Raises `Refused`."""
    if "id" in asked.ids:
        return account_in_path(server, asked)
    text = asked.query.get("userid")
    if not text:
        asked.touched = asked.caller.account if asked.caller else None
        if asked.touched is None:
            raise Refused(failed(400))
        return asked.touched
    asked.touched = server.users.get(read_id(text, "userId"))
    if asked.touched is None:
        raise Refused(problem(404))
    return asked.touched


def own_account(server: Jellyfin, asked: Asked, refusal: Answer | None = None) -> Account:
    """As `account_meant`; raises `Refused` with 403 when somebody else than the user or an administrator asks."""
    account = account_meant(server, asked)
    if asked.caller and not asked.caller.is_admin and asked.caller.account is not account:
        raise Refused(refusal or Answer(403))
    return account


def replaced(schema: Schema, body: dict[str, Any]) -> Policy:
    """The settings after `body` was posted. Raises `Refused` with a problem document for a value of the wrong kind."""
    try:
        return schema.replaced(body)
    except WrongValue as wrong:
        raise Refused(problem(400, {f"$.{wrong.key}": f"The JSON value could not be converted to {wrong.expected}."})) from wrong


def read_policy(server: Jellyfin, body: object) -> Policy:
    """A posted policy. Both provider ids are required. Raises `Refused`."""
    posted = body if isinstance(body, dict) else {}
    required = ("AuthenticationProviderId", "PasswordResetProviderId")
    missing = {key: f"The {key} field is required." for key in required if not posted.get(key)}
    if missing:
        raise Refused(problem(400, missing))
    policy = replaced(server.policy_schema, posted)
    if policy["LoginAttemptsBeforeLockout"] == 0:
        policy["LoginAttemptsBeforeLockout"] = 3
    return policy
