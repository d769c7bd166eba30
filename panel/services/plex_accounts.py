"""Plex accounts in the panel: whose token it is, whether it still works, and what goes with an account that is removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import func, select

from panel.extensions import config, db
from panel.models import PlexAccount, Server
from panel.models.types import utc_now
from panel.platforms.base import CredentialsRefused, PlatformError, TooManyRequests
from panel.services import server_removal
from panel.services.server_removal import Loss
from panel.services.servers import HURRIED, SIGN_IN_AGAIN, TOKEN_REFUSED
from panel.services.sync import progress as sync_progress
from panel.services.throttling import NotYet, require_warm, slow_down, why_not_yet

#: How many seconds plex.tv is left alone where it asks for that without saying for how long.
UNSAID_S = 60.0


class AccountRefused(ValueError):
    """An account cannot be added, changed or removed. `str(error)` is a sentence."""


class AccountNotAsked(AccountRefused):
    """plex.tv has asked to slow down about this account: nothing is wrong with it, and nothing new is known. `after_s`: how many seconds an
    account that is not in the panel yet, for which nothing is kept, is to be left alone."""

    def __init__(self, sentence: str, after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.after_s = after_s


class AccountUnanswered(AccountRefused):
    """plex.tv is in trouble that passes: asked again in a moment, it may say what it was asked."""


@dataclass(frozen=True)
class Found:
    """What plex.tv says of a token."""

    plex_id: str
    username: str
    email: str
    has_plex_pass: bool


def accounts_with_servers() -> list[tuple[PlexAccount, int]]:
    """All accounts by e-mail, each with the number of its servers; one query."""
    count = select(func.count()).where(Server.plex_account_id == PlexAccount.id).scalar_subquery()
    return [(account, int(number)) for account, number in db.session.execute(select(PlexAccount, count).order_by(PlexAccount.email))]


def server_count(account: PlexAccount) -> int:
    """How many servers in the panel are this account's; one query."""
    return db.session.scalar(select(func.count()).where(Server.plex_account_id == account.id)) or 0


def identify(token: str, account: PlexAccount | None = None) -> Found:
    """Whose token this is, asked of plex.tv; `account`: whose it is meant to be. Raises `AccountRefused` with the reason. Commits where
    plex.tv asks to slow down about that account."""
    from panel.platforms.plex.account import read_account

    with answered_for(account):
        found = read_account(token, config().plex_tv_url, config().plex_client_id, timeouts=HURRIED)
    return Found(found.id, found.username, found.email, found.has_plex_pass)


@contextmanager
def answered_for(account: PlexAccount | None) -> Iterator[None]:
    """Around what plex.tv is asked for an account, where it is known for which: one that is to be left alone is not asked about. Whatever
    goes wrong is raised as `AccountRefused`."""
    try:
        if account is not None:
            require_warm(account)
        yield
    except NotYet as refusal:
        raise AccountNotAsked(str(refusal)) from refusal
    except CredentialsRefused as error:
        raise AccountRefused(TOKEN_REFUSED) from error
    except TooManyRequests as error:
        if account is not None:
            slow_down(account, error)
        sentence = (account and why_not_yet(account)) or f"{error} Try again in a few minutes."
        raise AccountNotAsked(sentence, error.retry_after_s or UNSAID_S) from error
    except PlatformError as error:
        raise (AccountUnanswered if error.retryable else AccountRefused)(str(error)) from error


def add(token: str, found: Found) -> tuple[PlexAccount, bool]:
    """The account this token belongs to, and whether it is new; one that is here already gets the fresh token. Flushed."""
    account = _of(found)
    is_new = account is None
    if account is None:
        account = PlexAccount(email=(found.email or f"{found.username} (no e-mail)").strip()[:255])
        db.session.add(account)
    _learn(account, token, found)
    return account, is_new


def replace_token(account: PlexAccount, token: str, found: Found) -> None:
    """Give a known account a fresh token; flushed. Raises `AccountRefused` when it is somebody else's."""
    if account.plex_id and account.plex_id != found.plex_id:
        raise AccountRefused(f"This is the account {found.username or found.email}, not {account.email}. Add it as an account of its own.")
    other = _of(found)
    if other is not None and other is not account:
        raise AccountRefused(f"This token belongs to {other.email}, which is here already.")
    _learn(account, token, found)


def check(account: PlexAccount) -> str:
    """Ask plex.tv whether the token still works; the row learns what it says. The sentence of the problem, empty when all is well. What is
    known of the account stays where plex.tv is not to be asked now, or does not answer."""
    token = account.token
    # No transaction is kept open while plex.tv thinks.
    db.session.commit()
    try:
        found = identify(token, account)
        replace_token(account, token, found)
    except (AccountNotAsked, AccountUnanswered) as refusal:
        return str(refusal)
    except AccountRefused as refusal:
        account.checked_at, account.problem = utc_now(), str(refusal)
        return account.problem
    return ""


def queue_healed(account: PlexAccount) -> list[Server]:
    """After a good token was stored: its servers that only lacked one have no problem any more, and a sync of each is wanted. Those queued;
    flushed: commit, then wake a worker for each."""
    healed = [server for server in _servers_of(account) if server.problem.endswith(SIGN_IN_AGAIN)]
    for server in healed:
        server.problem = ""
    db.session.flush()
    return [server for server in healed if server.enabled and sync_progress.queue(server)]


def set_plex_pass(account: PlexAccount, has: bool | None) -> None:
    """Say by hand whether it *Has Plex Pass*; `None` goes by plex.tv again, from the next check on."""
    account.pass_overridden = has is not None
    if has is not None:
        account.has_plex_pass = has


def loss_of(account: PlexAccount) -> Loss:
    """What removing it would take along."""
    return server_removal.loss_beside_history(_servers_of(account))


def why_not_remove(account: PlexAccount) -> str:
    """Why it cannot be removed now; empty when it can."""
    busy = [server for server in _servers_of(account) if server_removal.is_held(server)]
    if not busy:
        return ""
    return f"{', '.join(server.name for server in busy)}: a migration or a sync is using it. Remove {account.email} when that has ended."


def remove(account: PlexAccount) -> None:
    """Remove the account and its servers with their libraries and remembered shares; users stay, and so does, disabled, every server
    that a migration has written its history on. Flushed. Raises `AccountRefused`."""
    if reason := why_not_remove(account):
        raise AccountRefused(reason)
    for server in _servers_of(account):
        if server_removal.has_history(server):
            server.plex_account, server.enabled = None, False
            server.problem = "Its Plex account was removed from the panel. Choose another one, or leave it for its history."
            continue
        try:
            server_removal.remove(server)
        except ValueError as refusal:
            raise AccountRefused(str(refusal)) from refusal
    db.session.flush()
    db.session.delete(account)
    db.session.flush()


def _of(found: Found) -> PlexAccount | None:
    by_id = db.session.scalar(select(PlexAccount).where(PlexAccount.plex_id == found.plex_id))
    if by_id is not None or not found.email:
        return by_id
    # An account from an estate file is not known by its id before the first check.
    unknown = db.session.scalars(select(PlexAccount).where(PlexAccount.plex_id == ""))
    return next((account for account in unknown if account.email.casefold() == found.email.casefold()), None)


def _learn(account: PlexAccount, token: str, found: Found) -> None:
    account.token, account.plex_id, account.username = token.strip(), found.plex_id, found.username
    account.checked_at, account.problem = utc_now(), ""
    if not account.pass_overridden:
        account.has_plex_pass = found.has_plex_pass
    db.session.flush()


def _servers_of(account: PlexAccount) -> Sequence[Server]:
    return db.session.scalars(select(Server).where(Server.plex_account_id == account.id).order_by(Server.name)).all()
