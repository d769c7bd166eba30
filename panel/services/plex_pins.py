"""Signing in with Plex, step by step: a PIN to approve, and what has become of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from panel.extensions import config
from panel.models import PlexAccount
from panel.platforms.plex import pins
from panel.services.plex_accounts import AccountNotAsked, AccountRefused, answered_for
from panel.services.servers import HURRIED


@dataclass(frozen=True)
class Started:
    """A PIN that waits: `address` is the page where a person approves it."""

    id: int
    code: str
    lives_s: float

    @property
    def address(self) -> str:
        """Where to approve it."""
        return approval_address(self.code)


@dataclass(frozen=True)
class Standing:
    """What has become of a PIN. `problem`: plex.tv could not be asked just now, which does not end it."""

    token: str = field(default="", repr=False)
    expired: bool = False
    problem: str = ""


def start(account: PlexAccount | None) -> Started:
    """Ask plex.tv for a PIN, for a new account or a fresh token of this one. Raises `AccountRefused` with the reason."""
    settings = config()
    with answered_for(account):
        pin = pins.start_pin(settings.plex_tv_url, settings.plex_client_id, timeouts=HURRIED)
    return Started(pin.id, pin.code, pin.lives_s)


def approval_address(code: str) -> str:
    """The page where a person approves the PIN with this code."""
    settings = config()
    return pins.approval_url(code, settings.plex_tv_url, settings.plex_client_id)


def standing(pin_id: int, account: PlexAccount | None) -> Standing:
    """Ask plex.tv once how a PIN stands, meant for this account or a new one. Raises `AccountNotAsked` where it is to be left alone."""
    settings = config()
    try:
        with answered_for(account):
            pin = pins.check_pin(pin_id, settings.plex_tv_url, settings.plex_client_id, timeouts=HURRIED)
    except AccountNotAsked:
        raise
    except AccountRefused as refusal:
        return Standing(problem=str(refusal))
    return Standing(expired=True) if pin is None else Standing(token=pin.token)
