"""Counts requests by platform and outcome, in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from panel import tally
from panel.domain.platform import Platform
from panel.platforms.base import (
    CredentialsRefused,
    LostAnswer,
    PlatformError,
    ServerFault,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
)

P = ParamSpec("P")
R = TypeVar("R")

OUTCOMES: tuple[tuple[type[PlatformError], str], ...] = (
    (TooManyRequests, "slow_down"),
    (Unreachable, "unreachable"),
    (CredentialsRefused, "unauthorized"),
    (ServerFault, "server_error"),
    (LostAnswer, "lost"),
    (UnexpectedAnswer, "garbled"),
)


class Door(Protocol):
    """Something that sends requests; `who` names the other side in sentences, such as “Emby at 192.0.2.7”."""

    who: str


D = TypeVar("D", bound=Door)


def outcome_of(error: PlatformError) -> str:
    """One word for what a request led to; everything a server said no to is `refused`."""
    return next((word for kind, word in OUTCOMES if isinstance(error, kind)), "refused")


def platform_of(who: str) -> str:
    """The platform that is named first: what comes after it is an address, which may be called anything."""
    places = {platform.value: who.lower().find(platform.value) for platform in Platform}
    return min((name for name, place in places.items() if place >= 0), key=places.__getitem__, default="other")


def counted(send: Callable[Concatenate[D, P], R]) -> Callable[Concatenate[D, P], R]:
    """Around a method that sends one request: counts it as `ok`, or by the error it raised. One that never left is not counted."""

    @functools.wraps(send)
    def counting(door: D, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            answer = send(door, *args, **kwargs)
        except PlatformError as error:
            tally.note_request(platform_of(door.who), outcome_of(error))
            raise
        tally.note_request(platform_of(door.who), "ok")
        return answer

    return counting
