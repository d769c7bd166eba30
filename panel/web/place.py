"""Where an action began: the list as it was, with its filters, its order and its page."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request, url_for

from panel.web.access import safe_next
from panel.web.sheets import Back

#: The lists from which users, payments and runs are opened, and what they are called.
LISTS = {
    "users.index": "Users",
    "payments.index": "Payments",
    "shares.index": "Shared servers",
    "invites.index": "Waiting invites",
    "migrations.index": "Migrations",
}


def at_row(endpoint: str, kind: str, row_id: int) -> str:
    """The address of a short list, at the row that was changed: without scripts the browser goes there by itself."""
    return url_for(endpoint, _anchor=f"{kind}-{row_id}")


def begun_in(home: str) -> str | None:
    """The address that `next` names; none where it names none, and the list `home` (an endpoint) where it leads out of the panel."""
    wanted = request.values.get("next")
    return safe_next(wanted, url_for(home)) if wanted else None


def back_to(home: str, otherwise: Back) -> Back:
    """The same with its label, for a sheet; `otherwise` where none is named."""
    address = begun_in(home)
    if address is None:
        return otherwise
    labels = {url_for(endpoint): label for endpoint, label in LISTS.items()}
    return labels.get(urlsplit(address).path, LISTS[home]), address
