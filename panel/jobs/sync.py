"""The jobs that sync one server."""

import logging

from panel.extensions import db
from panel.models import Server
from panel.services import sync as service
from panel.services.sync.progress import clear_queue, note_refusal

log = logging.getLogger(__name__)


def sync(server_id: int) -> None:
    """Fetch its libraries, users and shares; what goes wrong stands on the server's row."""
    _sync(server_id, believe_short_list=False)


def believe(server_id: int) -> None:
    """As `sync`, but whoever the server does not list is removed from the panel, however many they are."""
    _sync(server_id, believe_short_list=True)


def _sync(server_id: int, *, believe_short_list: bool) -> None:
    server = db.session.get(Server, server_id)
    if server is None:
        return
    try:
        log.info("%s", service.sync_server(server, believe_short_list=believe_short_list))
    except service.SyncRefused as refusal:
        log.info("%s", refusal)
        clear_queue(server)
        note_refusal(server, str(refusal))
        db.session.commit()
