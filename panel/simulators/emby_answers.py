"""How Emby words its answers: refusals are plain text, bodies are read without looking at their type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.simulators.http import Answer
from panel.simulators.mediabrowser_accounts import Account
from panel.simulators.mediabrowser_routes import Asked, Refused

if TYPE_CHECKING:
    from panel.simulators.emby import Emby

NULL_REFERENCE = "Object reference not set to an instance of an object."


def refused(status: int, text: str) -> Answer:
    """A refusal with the real message."""
    return Answer.of_text(text, status)


def json_object(asked: Asked) -> dict[str, Any]:
    """The body as an object. Raises `Refused` with 400 for anything else."""
    try:
        body = asked.call.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(refused(400, "Unable to read the request body."))
    return body


def account_in_path(server: Emby, asked: Asked) -> Account:
    """The user named by the path. Raises `Refused` with 404."""
    asked.touched = server.find_account(asked.ids["id"])
    if asked.touched is None:
        raise Refused(refused(404, "User not found"))
    return asked.touched


def own_account_in_path(server: Emby, asked: Asked) -> Account:
    """As `account_in_path`, for the user's own requests and administrators. Raises `Refused` with 403 for others."""
    account = account_in_path(server, asked)
    if asked.caller and not asked.caller.is_admin and asked.caller.account is not account:
        raise Refused(server.answer_no_admin())
    return account


def page(asked: Asked, rows: list[Any]) -> tuple[list[Any], int]:
    """The rows from StartIndex on, Limit of them, and how many there are in all."""
    start = asked.number("StartIndex", 0)
    return rows[start : start + asked.number("Limit", len(rows))], len(rows)
