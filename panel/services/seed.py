"""Invented rows in any number, to see how pages do with them: nothing behind them can be asked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from panel.domain.libraries import PREMIUM_4K, STANDARD
from panel.domain.platform import Platform
from panel.domain.subscriptions import days_from
from panel.extensions import Base, db
from panel.models import Account, Library, LibraryGroup, Payment, Plan, PlexAccount, Server, Share, User
from panel.models.share import share_libraries
from panel.models.types import utc_now
from panel.services.basics import ensure_basics

FIRST = "Ada Ben Cleo Dov Edda Finn Gita Hugo Iris Jona Kaia Levi Mona Nils Oona Pia Quin Rosa Sven Tilda Ulla Vito Wanda Yara Zoe".split()
LAST = "Ash Birch Cedar Dune Elm Field Grove Heath Isle Kestrel Lake Moor North Oak Pine Quarry Reed Stone Thorn Vale".split()
TITLES = {"Films": STANDARD, "Shows": STANDARD, "Films 4K": PREMIUM_4K}
#: How many rows one statement carries.
BATCH = 1000


def plant(users: int) -> None:
    """Add two servers, two plans and so many users with payments and shares, told apart by the users there are; flushed."""
    ensure_basics()
    first = (db.session.scalar(db.select(db.func.max(User.id))) or 0) + 1
    dice = random.Random(first)
    plans = _plans(first)
    servers = [_server(Platform.PLEX, "Seeded Plex", first), _server(Platform.EMBY, "Seeded Emby", first)]
    people = [_person(dice, first + number) for number in range(users)]
    _insert(User, people)
    _insert(Payment, [_payment(dice, person, plans) for person in people if dice.random() < 0.95])
    shares = [_share(dice, person, servers[dice.random() < 0.4]) for person in people if dice.random() < 0.9]
    first_share = (db.session.scalar(db.select(db.func.max(Share.id))) or 0) + 1
    for number, share in enumerate(shares):
        share["id"] = first_share + number
    _insert(Share, shares)
    opened = {server.id: [library.id for library in server.libraries if library.name != "Films 4K"] for server in servers}
    _insert(share_libraries, [{"share_id": row["id"], "library_id": library} for row in shares for library in opened[row["server_id"]]])
    _insert(Account, [_account(row) for row in shares if row["server_id"] == servers[1].id])
    _follow_sequences()


def _plans(first: int) -> list[Plan]:
    groups = {group.name: group for group in db.session.scalars(db.select(LibraryGroup))}
    basic = Plan(name=f"Seeded Basic {first}", duration_days=30, is_default=Plan.default() is None, groups=[groups[STANDARD]])
    full = Plan(name=f"Seeded Full {first}", duration_days=365, allow_downloads=True, groups=[groups[STANDARD]])
    full.groups += [groups[PREMIUM_4K]] if PREMIUM_4K in groups else []
    db.session.add_all([basic, full])
    db.session.flush()
    return [basic, full]


def _server(platform: Platform, name: str, first: int) -> Server:
    groups = {group.name: group.id for group in db.session.scalars(db.select(LibraryGroup))}
    # A port nobody listens on: whoever asks this server learns at once that it is not there.
    server = Server(name=f"{name} {first}", platform=platform, url="http://127.0.0.1:9", machine_id=f"seeded-{platform}-{first}")
    if platform is Platform.PLEX:
        server.plex_account = PlexAccount(email=f"seeded-{first}@example.test", token="seeded", has_plex_pass=True)
    else:
        server.token, server.has_emby_premiere = "seeded", True
    kinds = [
        Library(remote_id=f"{number}", name=title, kind="movies", group_id=groups.get(TITLES[title])) for number, title in enumerate(TITLES)
    ]
    server.libraries = kinds
    server.synced_at = utc_now()
    db.session.add(server)
    db.session.flush()
    return server


def _person(dice: random.Random, number: int) -> dict[str, Any]:
    name = f"{dice.choice(FIRST)} {dice.choice(LAST)} {number}"
    address = f"user{number}@example.test"
    return {
        "id": number,
        "name": name,
        "email": address,
        "plex_email": address if dice.random() < 0.9 else "",
        "emby_email": address if dice.random() < 0.7 else "",
        "plex_id": f"9{number:08}",
        "plex_username": f"user{number}",
        "permanent": dice.random() < 0.05,
        "must_change_plex_account": dice.random() < 0.02,
        "created_at": utc_now() - timedelta(days=dice.randrange(900)),
    }


def _payment(dice: random.Random, person: dict[str, Any], plans: Sequence[Plan]) -> dict[str, Any]:
    plan = dice.choice(plans)
    begun = utc_now() - timedelta(days=dice.randrange(round(plan.duration_days * 1.2)))
    start, end = days_from(begun.date(), plan.duration_days)
    return {"user_id": person["id"], "plan_id": plan.id, "start_at": start, "end_at": end}


def _share(dice: random.Random, person: dict[str, Any], server: Server) -> dict[str, Any]:
    return {
        "user_id": person["id"],
        "server_id": server.id,
        "remote_id": f"seeded-{person['id']}",
        "account_name": person["plex_username"],
        "invited_at": person["created_at"],
        "accepted_at": None if server.platform is Platform.PLEX and dice.random() < 0.03 else person["created_at"],
        "settings": {},
    }


def _account(share: dict[str, Any]) -> dict[str, Any]:
    return {key: share[key] for key in ("user_id", "server_id", "remote_id")} | {"name": share["account_name"]}


def _insert(into: Any, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        db.session.execute(insert(into), rows[start : start + BATCH])


def _follow_sequences() -> None:
    """PostgreSQL counts ids of its own accord; what was given has to be told to it."""
    if db.session.get_bind().dialect.name != "postgresql":
        return
    for table in (Base.metadata.tables["users"], Base.metadata.tables["shares"]):
        last = db.select(db.func.max(table.c.id)).scalar_subquery()
        db.session.execute(db.select(db.func.setval(db.func.pg_get_serial_sequence(table.name, "id"), last)))
