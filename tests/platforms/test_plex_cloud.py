"""Which hosts are spoken to when plex.tv is the real one."""

from __future__ import annotations

import io

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from panel.platforms.base import Access, Person, PlatformError
from panel.platforms.plex import PlexRemote, cloud, read_account


class Recorder(BaseAdapter):
    """Takes down where requests go and answers each with a failure."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def send(self, request: requests.PreparedRequest, *args: object, **how: object) -> requests.Response:
        self.urls.append(str(request.url))
        response = requests.Response()
        response.status_code = 500
        response.raw = HTTPResponse(io.BytesIO(), preload_content=False)
        return response

    def close(self) -> None:
        pass


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()

    def session() -> requests.Session:
        made = requests.Session()
        made.mount("https://", recorder)
        return made

    monkeypatch.setattr(cloud, "new_session", session)
    return recorder


def test_shares_are_asked_of_the_host_of_the_web_client(recorder: Recorder) -> None:
    remote = PlexRemote("http://127.0.0.1:1", "token", machine_id="m", client_id="c")
    for ask in (remote.members, lambda: remote.give(Person("a", "a@example.test"), Access(frozenset({"1"})))):
        with pytest.raises(PlatformError):
            ask()
    assert recorder.urls == [
        "https://clients.plex.tv/api/v2/shared_servers/owned/pending",
        "https://clients.plex.tv/api/v2/shared_servers",
    ]


def test_accounts_are_asked_of_plex_tv(recorder: Recorder) -> None:
    with pytest.raises(PlatformError):
        read_account("token", "", "c")
    assert recorder.urls == ["https://plex.tv/api/v2/user"]
