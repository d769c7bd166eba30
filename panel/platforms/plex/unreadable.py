"""A share of which plex.tv says something odd: it tells whose it is, and keeps nobody else's from being read."""

from __future__ import annotations

from panel.platforms.base import Member, UnexpectedAnswer

#: What helps where plex.tv says something odd of one share.
REMEDY = "Look at this person's access to the server in Plex (Settings, Manage Library Access), then try again."


def unreadable_share(share_id: str, account_id: str, name: str, email: str, *, accepted: bool, error: UnexpectedAnswer, who: str) -> Member:
    """The share as an `unreadable` member. Raises `error`, which reading it has led to, where it does not tell whose it is either."""
    if not account_id and not email:
        raise error
    sentence = f"{who} describes the share of {name or email or account_id} in a way that cannot be read. {REMEDY}"
    return Member(share_id, account_id, name, email, accepted=accepted, unreadable=sentence)
