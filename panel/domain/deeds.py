"""What a changing request to a media server does, in people's words: told by its method and path, whoever sent it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Deed:
    """What a request did, and what it was to do when it is not known to have done it. Both begin with a capital letter."""

    done: str
    meant: str


UNKNOWN = Deed("Nothing is known", "Nothing is known")
OTHER = Deed("Something else changed", "Change something else")

#: Method, pattern of the whole path (Emby's with or without its prefix), deed. No two patterns fit the same request.
DEEDS: tuple[tuple[str, re.Pattern[str], Deed], ...] = tuple(
    (method, re.compile(pattern), deed)
    for method, pattern, deed in (
        ("POST", r"(/emby)?/Users/New", Deed("Account made", "Make an account")),
        ("POST", r"(/emby)?/Users(/[^/]+)?/Password", Deed("Password set", "Set a password")),
        ("POST", r"(/emby)?/Users/[^/]+/Policy", Deed("Libraries and rights written", "Write libraries and rights")),
        ("POST", r"(/emby)?/Users/[^/]+/Connect/Link", Deed("Linked with Emby Connect", "Link with Emby Connect")),
        ("POST", r"/api/(v2|servers/[^/]+)/shared_servers", Deed("Share made", "Make a share")),
        ("POST", r"/api/v2/shared_servers/[^/]+", Deed("Share changed", "Change a share")),
        ("PUT", r"/api/servers/[^/]+/shared_servers/[^/]+", Deed("Share changed", "Change a share")),
        ("DELETE", r"/api/(v2|servers/[^/]+)/shared_servers/[^/]+", Deed("Share removed", "Remove a share")),
        ("PUT", r"/api/v2/sharings/[^/]+", Deed("Rights on the Plex account changed", "Change rights on the Plex account")),
    )
)


def deed_of(method: str, path: str) -> Deed:
    """What this request does; `UNKNOWN` where there is none (a worker died), `OTHER` for one that no platform of ours is sent."""
    if not method:
        return UNKNOWN
    return next((deed for verb, pattern, deed in DEEDS if verb == method and pattern.fullmatch(path)), OTHER)
