"""Which of two servers describes a user in a way that cannot be read, in the words a person can act on."""

from __future__ import annotations

from panel.services.preflight import Preflight


def why_unreadable(flight: Preflight, user_id: int) -> str:
    """A sentence for each of the two servers of which that is so, begun with its name; empty where everything can be read."""
    found = {flight.source: flight.source_roster.why_unreadable(user_id), flight.target: flight.target_roster.why_not_new(user_id)}
    return " ".join(f"{server.name}: {why}" for server, why in found.items() if why)
