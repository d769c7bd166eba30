"""What only the database can tell about an estate file: names that are known nowhere, limits, and changes that are not possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import select

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import LibraryGroup, Plan, PlexAccount, Server
from panel.services.estate.entries import ServerEntry
from panel.services.estate.file import Estate, Mistake
from panel.services.estate.names import Names
from panel.services.estate.text import Path
from panel.services.servers import ServerLimit, check_limits

Found = Iterator[tuple[Path, str]]


def mistakes_in(estate: Estate) -> list[Mistake]:
    """All of them; nothing is written."""
    checks = (_accounts, _servers, _limits, _libraries, _plans, _payments)
    return [estate.mistake(path, what) for check in checks for path, what in check(estate)]


def stored(column: Any, model: Any) -> Names[Any]:
    """All rows of a table by this column."""
    return Names((getattr(row, column), row) for row in db.session.scalars(select(model).order_by(model.id)))


def _either(model: Any, column: str, named: Iterable[str]) -> Names[bool]:
    """The names there will be: those stored, and those of the file."""
    names = Names((name, True) for name in db.session.scalars(select(getattr(model, column))))
    for name in named:
        if names.find(name) is None:
            names.add(name, True)
    return names


def _accounts(estate: Estate) -> Found:
    known = stored("email", PlexAccount)
    for number, account in enumerate(estate.file.plex_accounts):
        if account.token is None and known.find(account.email) is None:
            yield ("plex_accounts", number, "token"), "is missing: a new Plex account needs its token"
        elif account.token is None and "token" in account.model_fields_set:
            yield ("plex_accounts", number, "token"), "must not be empty"


def _servers(estate: Estate) -> Found:
    known = stored("name", Server)
    accounts = _either(PlexAccount, "email", (account.email for account in estate.file.plex_accounts))
    for number, entry in enumerate(estate.file.servers):
        path: Path = ("servers", number)
        yield from _secret(entry, known.find(entry.name), path)
        if entry.plex_account is not None and accounts.find(entry.plex_account) is None:
            yield (*path, "plex_account"), accounts.unknown("Plex account", entry.plex_account)


def _secret(entry: ServerEntry, row: Server | None, path: Path) -> Found:
    if row is not None and row.platform is not entry.platform:
        yield (*path, "platform"), f"{row.name} is of {row.platform.label}, and a server's platform never changes: add another one"
        return
    key = "plex_account" if entry.platform is Platform.PLEX else "token"
    has_one = row is not None and (row.plex_account_id if key == "plex_account" else row.token)
    if getattr(entry, key) is None and (key in entry.model_fields_set or not has_one):
        yield (*path, key), f"is missing: {entry.platform.label} servers need one"


def _limits(estate: Estate) -> Found:
    known = stored("name", Server)
    adding = 0
    for number, entry in enumerate(estate.file.servers):
        if known.find(entry.name) is not None:
            continue
        adding += 1
        try:
            check_limits(entry.platform, adding)
        except ServerLimit as error:
            yield ("servers", number), str(error).rstrip(".")


def _libraries(estate: Estate) -> Found:
    servers = _either(Server, "name", (server.name for server in estate.file.servers))
    groups = _groups(estate)
    for number, library in enumerate(estate.file.libraries):
        if servers.find(library.server) is None:
            yield ("libraries", number, "server"), servers.unknown("server", library.server)
        if library.group is not None and groups.find(library.group) is None:
            yield ("libraries", number, "group"), groups.unknown("library group", library.group)


def _plans(estate: Estate) -> Found:
    groups = _groups(estate)
    for number, plan in enumerate(estate.file.plans):
        for place, name in enumerate(plan.library_groups):
            if groups.find(name) is None:
                yield ("plans", number, "library_groups", place), groups.unknown("library group", name)


def _groups(estate: Estate) -> Names[bool]:
    return _either(LibraryGroup, "name", estate.file.library_groups)


def _payments(estate: Estate) -> Found:
    plans = _either(Plan, "name", (plan.name for plan in estate.file.plans))
    for number, user in enumerate(estate.file.users):
        for place, payment in enumerate(user.payments):
            if plans.find(payment.plan) is None:
                yield ("users", number, "payments", place, "plan"), plans.unknown("plan", payment.plan)
