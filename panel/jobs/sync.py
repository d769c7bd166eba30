"""The job that syncs one server."""

import logging

from panel.extensions import db
from panel.models import Server
from panel.services import sync as service

log = logging.getLogger(__name__)


def sync(server_id: int) -> None:
    """Fetch its libraries, users and shares; what goes wrong stands on the server's row."""
    server = db.session.get(Server, server_id)
    if server is None:
        return
    try:
        log.info("%s", service.sync_server(server))
    except service.SyncRefused as refusal:
        log.info("%s", refusal)
