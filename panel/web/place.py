"""Where an action began: the list as it was, with its filters, its order and its page."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

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
    "twins.index": "Same person?",
}


def at_row(endpoint: str, kind: str, row_id: int) -> str:
    """The address of a short list, at the row that was changed: without scripts the browser goes there by itself."""
    return url_for(endpoint, _anchor=f"{kind}-{row_id}")


def begun_in(home: str) -> str | None:
    """The address that `next` names; none where it names none, and the list `home` (an endpoint) where it leads out of the panel."""
    wanted = request.values.get("next")
    return safe_next(wanted, url_for(home)) if wanted else None


def back_to(home: str, otherwise: Back, *pages: Back) -> Back:
    """The same with its label, for a sheet; `otherwise` where none is named. `pages`: what else than lists it may be, as `otherwise`."""
    address = begun_in(home)
    if address is None:
        return otherwise
    labels = {url_for(endpoint): label for endpoint, label in LISTS.items()}
    labels.update({urlsplit(page).path: label for label, page in (*pages, otherwise)})
    return labels.get(urlsplit(address).path, LISTS[home]), address


def opened_from(address: str, home: str) -> str | None:
    """The list that the page at an address was opened from, as its own `next` names it; checked like that of the page that is asked for."""
    wanted = _asked_of(address).get("next")
    return safe_next(wanted, url_for(home)) if wanted else None


def alone(address: str | None) -> str | None:
    """An address without what it was itself opened from: one within another is enough, and they do not grow."""
    if address is None or "next" not in (asked := _asked_of(address)):
        return address
    del asked["next"]
    return urlsplit(address)._replace(query=urlencode(asked)).geturl()


def _asked_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))
