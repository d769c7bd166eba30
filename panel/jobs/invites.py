"""The job that finds out who has accepted an invite."""

import logging

from panel.extensions import db
from panel.jobs import wake
from panel.models import Server
from panel.platforms.base import PlatformError
from panel.services.run import accept

log = logging.getLogger(__name__)


def check(server_id: int) -> None:
    """Ask one server, and with it the others of its Plex account; runs that have something to remove on their source now are woken. One
    that cannot be asked is asked again later."""
    server = db.session.get(Server, server_id)
    if server is None:
        return
    try:
        for run_id in accept.check_invites(server):
            wake(run_id)
    except PlatformError as error:
        db.session.rollback()
        log.warning("Invites on %s could not be checked: %s", server.name, error)
