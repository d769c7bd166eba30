"""What every simulated host does with a request, whoever it stands for."""

from __future__ import annotations

import socket

from panel.simulators.jellyfin import Jellyfin


def test_a_request_whose_client_died_half_way_is_not_carried_out() -> None:
    server = Jellyfin()
    key = server.add_key("test")
    with server.running(), socket.create_connection((server.host, server.port), timeout=5) as client:
        head = f'POST /Users/New HTTP/1.1\r\nHost: x\r\nAuthorization: MediaBrowser Token="{key}"\r\nContent-Type: application/json\r\n'
        client.sendall(head.encode() + b'Content-Length: 40\r\n\r\n{"Name": "ada"')
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1024) == b"", "the connection is closed without an answer"
    assert not server.calls("POST")
    assert [account.name for account in server.users.values()] == ["admin"]
