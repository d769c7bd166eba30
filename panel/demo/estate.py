"""The demo's cast as an estate file, the same that `flask import` takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from panel.demo import ports
from panel.demo.cast import BASIC, PREMIUM, Person, Place
from panel.demo.world import World
from panel.domain.libraries import PREMIUM_4K, PRIVATE, STANDARD

SENDER = "Streamferry <panel@streamferry.example>"
ADMIN = "demo@streamferry.example"
#: Nobody listens on port 9 (discard): what stands for a server that is switched off.
NOBODY = ports.url(9)


def estate(world: World, listening: Mapping[str, int], *, pace_s: float, now: datetime | None = None) -> dict[str, Any]:
    """The whole file. `listening`: the ports of the simulated hosts and of the mail server."""
    cast, today = world.cast, now or datetime.now(UTC)
    return {
        "plex_accounts": [
            {"email": owner.email, "token": world.owners[owner.username].token, "has_plex_pass": owner.has_plex_pass}
            for owner in cast.owners
        ],
        "servers": [_server(world, place, listening) for place in cast.places],
        "library_groups": [STANDARD, PREMIUM_4K, PRIVATE],
        "libraries": [
            {"server": place.name, "name": name, "group": group} for place in cast.places for name, _, group in place.libraries if group
        ],
        "plans": [
            {"name": BASIC, "library_groups": list(cast.plans[BASIC]), "duration_days": 30, "default": True},
            {"name": PREMIUM, "library_groups": list(cast.plans[PREMIUM]), "allow_downloads": True, "duration_days": 365},
        ],
        "users": [_user(person, today) for person in cast.people if person.state != "stranger"],
        "settings": {
            "admin_email": ADMIN,
            "pace_s": pace_s,
            "smtp": {"host": ports.HOST, "port": listening["smtp"], "security": "none", "sender": SENDER},
        },
    }


def _server(world: World, place: Place, listening: Mapping[str, int]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": place.name,
        "platform": place.platform,
        "url": ports.url(listening[place.name]) if place.reachable else NOBODY,
        "enabled": place.enabled,
        "allow_new_subscriptions": place.allow_new_subscriptions,
        "has_emby_premiere": place.has_emby_premiere,
        "max_users": place.max_users,
    }
    if place.platform == "plex":
        entry["plex_account"] = world.owners[place.account].email
    else:
        entry["token"] = world.secret_of(place)
    return entry


def _user(person: Person, today: datetime) -> dict[str, Any]:
    first, last = (today + timedelta(days=day) for day in person.days)
    payments = [{"plan": person.plan, "start": first.date().isoformat(), "end": last.date().isoformat()}] if person.plan else []
    return {
        "name": person.name,
        "email": person.email if person.has_plex_email or person.emby_address else "",
        "plex_email": person.email if person.has_plex_email else "",
        "emby_email": person.emby_address,
        "jellyfin_name": person.account,
        "permanent": person.permanent,
        "must_change_plex_account": person.must_change_plex_account,
        "payments": payments,
    }
