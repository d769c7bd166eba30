"""Members of whom a platform tells nothing that can be read: kept apart, never changed, and no reason to doubt the others."""

from __future__ import annotations

from panel.platforms.base import Member, UnexpectedAnswer, Unreadable


def as_unreadable(member: Member, why: str) -> Member:
    """Whose it is, and nothing else. `why` is a sentence."""
    return Member(member.id, member.account_id, member.name, member.email, accepted=member.accepted, unreadable=why)


def require_readable(member: Member) -> None:
    """Raises `Unreadable` for an entry that could not be read: what nobody knows is not changed."""
    if member.unreadable:
        raise Unreadable(member.unreadable)


def require_any_readable(members: list[Member]) -> list[Member]:
    """The members, all of them. Raises `UnexpectedAnswer` where none of several can be read: that is no matter of single ones any more."""
    if len(members) > 1 and all(member.unreadable for member in members):
        raise UnexpectedAnswer(members[0].unreadable)
    return members
