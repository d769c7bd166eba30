"""Single accounts of an Emby or Jellyfin server: read, given a policy or a password, and enabled again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from panel.platforms import policy, sent
from panel.platforms.base import Access, Kept, Member, NotAllowed, Refused, UnexpectedAnswer, Unreadable, nothing_noted
from panel.platforms.http import Guard, HttpDoor
from panel.platforms.mediabrowser_rows import member_of, same_id
from panel.platforms.unreadable import require_readable


class Accounts:
    """The accounts behind `door`, each asked for and changed by its id. Children say what a product does in its own way."""

    def __init__(self, door: HttpDoor) -> None:
        self.who = door.who
        self._door = door

    def read(self, account_id: str) -> Member:
        """One account as it is now (1 request). Raises `Unreadable` where another one is described."""
        member = member_of(self._door.json("GET", path_of(account_id)), self.who)
        if not same_id(member.account_id, account_id):
            raise Unreadable(f"{self.who} described another account than the one it was asked about.")
        return member

    def write_policy(self, account_id: str, wanted: Mapping[str, object], *, read_s: float | None = None) -> None:
        """Give it this policy in place of its own (1 request); `read_s`: how long an answer is waited for, in seconds."""
        self._post(f"{path_of(account_id)}/Policy", json=wanted, read_s=read_s)

    def enable_again(self, member: Member) -> None:
        """Enable an account that was enabled before (2 requests: it is read again first). Raises `NotAllowed` where somebody else has
        changed in the meantime what it opens and left it disabled: that is theirs to decide."""
        if member.disabled:
            return
        now = self.read(member.account_id)
        if not now.disabled:
            return
        self.require_no_administrator(now)
        if not opens_the_same(now, member):
            raise NotAllowed(f"The account “{member.name}” of {self.who} was closed by somebody else in the meantime; it stays closed.")
        self.write_policy(member.account_id, {**now.settings, "IsDisabled": False})

    def require_no_administrator(self, member: Member) -> None:
        """Raises `NotAllowed` for an administrator's account, `Unreadable` for one of which that cannot be told."""
        require_readable(member)
        if member.is_owner or policy.is_administrator(member.settings):
            raise NotAllowed(f"“{member.name}” is an administrator of {self.who}; such accounts are never touched.")

    def _post(self, path: str, **how: Any) -> None:
        """A changing request whose answer has no body worth reading, but must not be a page: sign-in pages answer 200 as well."""
        if self._door.send("POST", path, **how).lstrip()[:1] == b"<":
            page = UnexpectedAnswer(f"{self.who} answered a change with a page: perhaps a sign-in page stands before it.")
            raise sent.misread(page)

    # What differs.

    def exact(self, member: Member, access: Access) -> policy.Policy:
        """The whole policy that makes what the account opens exactly `access`. Raises `Refused` where its own is not whole."""
        return policy.exact(member.settings, access)

    def write_password(self, account_id: str, password: str, guard: Guard | None = None) -> None:
        """Give it this password (1 request); `guard` in place of the connection's."""
        raise NotImplementedError

    def change_password(
        self, member: Member, password: str, *, reopens: bool = True, closing: Callable[[Member], object] = nothing_noted
    ) -> None:
        """Give an account that may have a password another one. Where that takes closing it for a moment, `closing` hears of it before, and
        it is open again afterwards as it was, unless `reopens` says that this follows."""
        self.write_password(member.account_id, password)

    def body_of_new(self, name: str, password: str) -> dict[str, object]:
        """What a request for a new account says."""
        raise NotImplementedError

    def seal(self, account_id: str, password: str, guard: Guard) -> None:
        """Give a just made account its password, where creating it could not; `guard` in place of the connection's."""

    def why_not_made(self, name: str, refusal: Refused) -> Refused:
        """In words: the name is to blame unless the server says what is."""
        return Refused(f"{self.who} does not accept the name “{name}” for an account.")


def opens_the_same(member: Member, same_as: Member | Kept) -> bool:
    """Whether it is given the same libraries, enabled or not."""
    return (member.all_libraries, member.library_ids) == (same_as.all_libraries, same_as.library_ids)


def path_of(account_id: str) -> str:
    """Where the server has this account."""
    return f"/Users/{quote(account_id, safe='')}"
