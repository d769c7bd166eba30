"""Sealing an account of Emby or Jellyfin: without a password anybody could sign in, with one that nobody knows nobody can."""

from __future__ import annotations

import secrets

from panel.platforms.masked import Masked

#: What the operator is told of an account that could have been opened by anybody.
SEALED = "The account was there without a password and got one that nobody knows: the person needs the link to choose their own."


def random_password() -> str:
    """One that nobody knows: it is sent once and never stored."""
    return Masked(secrets.token_urlsafe(32))
