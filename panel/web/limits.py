"""How often somebody may guess: counted in Redis, in memory while that is away."""

from __future__ import annotations

import ipaddress

from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from panel.config import Config

#: One household or machine has at least as many IPv6 addresses as these bits leave.
BITS_OF_ONE_NETWORK = 64


def network() -> str:
    """Who tries: an IPv4 address, or the network of an IPv6 one, for its addresses are whoever has one of them free to choose."""
    shown = get_remote_address()
    try:
        address = ipaddress.ip_address(shown.partition("%")[0])
    except ValueError:
        return shown
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, BITS_OF_ONE_NETWORK), strict=False))


limiter = Limiter(key_func=network, in_memory_fallback_enabled=True)

#: Tries to sign in with one e-mail from one address (of IPv6: one network), and with any e-mail from it.
SIGN_IN = "10 per 5 minutes"
SIGN_IN_ANY = "60 per hour"
#: Tries to sign in with one e-mail, from wherever they come: more than one address may try, so that no single one can lock somebody out.
SIGN_IN_ACCOUNT = "200 per hour"
#: Tries with the second factor of one admin, from anywhere.
SECOND_FACTOR = "10 per 5 minutes; 60 per day"
#: Tries of somebody signed in with their own password or code.
OWN_PASSWORD = "10 per 5 minutes"
#: Links from one address that lead nowhere, of every kind and on every page together. Whoever has one that works does not count: everybody
#: of a household, or behind a proxy that is not known as one, comes from the same address on the day they were moved.
guessed_links = limiter.shared_limit("30 per 10 minutes", scope="links", deduct_when=lambda answer: answer.status_code == 404)


def register(app: Flask) -> None:
    """Bind the limiter to an app and its Redis."""
    config: Config = app.extensions["panel_config"]
    app.config["RATELIMIT_STORAGE_URI"] = config.redis_url.replace("unix://", "redis+unix://", 1) or "memory://"
    if config.redis_url:
        app.config["RATELIMIT_STORAGE_OPTIONS"] = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
    limiter.init_app(app)


def address_and_email() -> str:
    """Who tries, and as whom."""
    return f"{network()} {typed_email()}"


def typed_email() -> str:
    """As whom somebody tries, from wherever: in the form in which admins are looked up."""
    return f"account {request.form.get('email', '').strip().casefold()[:255]}"
