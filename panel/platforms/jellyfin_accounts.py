"""Single accounts of Jellyfin: made with their password, and some with a list of blocked libraries from old times."""

from __future__ import annotations

from typing import cast

from panel.platforms import policy
from panel.platforms.base import Access, Member, NotAllowed
from panel.platforms.http import Guard
from panel.platforms.mediabrowser_accounts import Accounts
from panel.platforms.mediabrowser_rows import called, is_texts, unreadable


class JellyfinAccounts(Accounts):
    """The accounts of a Jellyfin server, see `panel.platforms.mediabrowser_accounts.Accounts`."""

    def exact(self, member: Member, access: Access) -> policy.Policy:
        """As `Accounts.exact`. Raises `NotAllowed` for an account with blocked libraries, `Unreadable` where that cannot be told."""
        if blocked_in(member, self.who):
            raise NotAllowed(
                f"“{member.name}” on {self.who} has a list of blocked libraries from an old version, which overrides every other list and "
                "cannot be changed from outside; remove that account first."
            )
        return super().exact(member, access)

    def body_of_new(self, name: str, password: str) -> dict[str, object]:
        """With the password: nothing has to be sealed afterwards."""
        return {"Name": name, "Password": password}

    def write_password(self, account_id: str, password: str, guard: Guard | None = None) -> None:
        """See `Accounts.write_password`."""
        self._post("/Users/Password", params={"userId": account_id}, json={"NewPw": password}, quoted=False, guard=guard)


def blocked_in(member: Member, who: str) -> list[str]:
    """The blocked libraries of an account: a list that is not empty is the only one the server looks at (reference 5). Raises `Unreadable`
    where it is none."""
    blocked = member.settings.get("BlockedMediaFolders")
    if blocked is not None and not is_texts(blocked):
        raise unreadable(who, f"the blocked libraries of {called(member.id, member.name)}")
    return cast(list[str], blocked or [])
