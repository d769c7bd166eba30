"""The password somebody chooses by a link, set on their account."""

from __future__ import annotations

from sqlalchemy import exists, select

from panel.extensions import db
from panel.models import Account, Move, OneTimeLink
from panel.platforms.base import NotAllowed, PlatformError
from panel.platforms.masked import Masked
from panel.services.claims.alone import alone_at
from panel.services.claims.closing import forget_closing, note_closing, what_was_closed
from panel.services.claims.links import use_up

MIN_PASSWORD_LENGTH = 8


def choose_password(link: OneTimeLink, password: str) -> None:
    """Set the password a moved person has chosen; the link is free again when the server does not take it. Commits.

    Raises `PlatformError` when the server does not take it (`NotAllowed` for an account that is somebody else's by now, an
    administrator's, or, as `SwitchedOff`, a disabled one), `LookupError` when the link was used in the meantime, `BeingUsed` when it, or
    the account, is in other hands just now.
    """
    password = Masked(password)
    move = db.session.get_one(Move, link.move_id)
    require_own_account(move)
    # By its id from here on: whoever makes the account anew deletes the links to the old one.
    link_id = link.id
    with alone_at(link_id, move) as remote:
        was = what_was_closed(move)
        try:
            remote.set_password(move.target_account_id, password, switched_on=True, was=was, closing=note_closing(link_id))
        except PlatformError as error:
            if error.opened_again:
                # While the account is still in these hands: who closes it from now on means it.
                forget_closing(move)
                db.session.commit()
            raise
    forget_closing(move)
    use_up(link_id)
    db.session.commit()


def require_own_account(move: Move) -> None:
    """Raises `NotAllowed` unless the account is still known as this user's: people are merged and sorted out after a move as well."""
    server_id = move.migration.target_id
    mine = (Account.server_id == server_id, Account.remote_id == move.target_account_id, Account.user_id == move.user_id)
    if not move.target_account_id or not db.session.scalar(select(exists().where(*mine))):
        raise NotAllowed("This account is not known as this person's any more; no password was set.")
