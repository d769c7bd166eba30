"""All simulated hosts and the inbox in one process: `python -m panel.demo.simulators --sockets '{"plex.tv": 5, …}'`.

State is in memory and ends with the process. A host that is handed no listening socket takes a free port; where none is handed down,
all ports are printed, as JSON, once they answer.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
import threading
from collections.abc import Mapping

from panel.demo import ports
from panel.demo.control import Control
from panel.demo.crowd import crowd
from panel.demo.guests import Guests
from panel.demo.inbox import Inbox
from panel.demo.world import World
from panel.simulators.http import Simulator

CONTROL, INBOX, SMTP = "control", "inbox", "smtp"


def main() -> int:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="The simulated media servers of the demo.")
    parser.add_argument("--sockets", type=ports.handed, default={}, help="JSON: the number of each host's listening socket")
    parser.add_argument("--crowd", type=int, default=0, metavar="N", help="instead of the demo's people, N alike ones on a Jellyfin server")
    options = parser.parse_args()
    over = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: over.set())
    hosts = serve(options.sockets, options.crowd)
    if not options.sockets:
        sys.stdout.write(json.dumps(hosts) + "\n")
        sys.stdout.flush()
    over.wait()
    return 0


def serve(listeners: Mapping[str, socket.socket], people: int = 0) -> dict[str, int]:
    """Start everything in threads; the port of each host."""
    hosts: dict[str, Simulator] = {}
    if people:
        hosts = crowd(people)
    else:
        world = World()
        Guests(world).start()
        hosts = dict(world.hosts)
    inbox = Inbox()
    smtp_port = inbox.receive(listeners.get(SMTP))
    for name, host in {**hosts, INBOX: inbox, CONTROL: Control(hosts)}.items():
        host.start(listeners.get(name))
        hosts[name] = host
    return {SMTP: smtp_port, **{name: host.port for name, host in hosts.items()}}


if __name__ == "__main__":
    sys.exit(main())
