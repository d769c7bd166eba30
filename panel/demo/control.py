"""A side door to simulated hosts that run in a process of their own: what they were asked, and letting people accept invites."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from panel.simulators.http import Answer, Call, Simulator

ID = re.compile(r"/(?:[0-9a-fA-F]{20,}|[0-9]+)(?=/|$)")


class Control(Simulator):
    """`GET /calls`: requests by host and route; `POST /reset`: forget them. Loopback only, as all simulators."""

    def __init__(self, hosts: Mapping[str, Simulator]) -> None:
        super().__init__()
        self.hosts = hosts

    def answer(self, call: Call) -> Answer:
        """JSON throughout."""
        if (call.method, call.path) == ("GET", "/calls"):
            return Answer.of_json({name: calls_of(host) for name, host in self.hosts.items()})
        if (call.method, call.path) == ("POST", "/reset"):
            for host in self.hosts.values():
                with host.lock:
                    host.journal.clear()
            return Answer.of_json({})
        return Answer.of_json({"error": "unknown"}, 404)


def calls_of(host: Simulator) -> dict[str, int]:
    """How often each route was asked, ids in paths left out."""
    return dict(Counter(f"{entry.call.method} {ID.sub('/{id}', entry.call.path)}" for entry in host.calls()))
