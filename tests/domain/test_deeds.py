"""Requests in people's words."""

from __future__ import annotations

import pytest

from panel.domain.deeds import DEEDS, OTHER, UNKNOWN, deed_of

SAID = {
    ("POST", "/Users/New"): "Account made",
    ("POST", "/emby/Users/New"): "Account made",
    ("POST", "/Users/Password"): "Password set",
    ("POST", "/Users/0b1f/Password"): "Password set",
    ("POST", "/Users/0b1f/Policy"): "Libraries and rights written",
    ("POST", "/Users/0b1f/Connect/Link"): "Linked with Emby Connect",
    ("POST", "/api/v2/shared_servers"): "Share made",
    ("POST", "/api/v2/shared_servers/12"): "Share changed",
    ("DELETE", "/api/v2/shared_servers/12"): "Share removed",
    ("POST", "/api/servers/ab12/shared_servers"): "Share made",
    ("PUT", "/api/servers/ab12/shared_servers/12"): "Share changed",
    ("DELETE", "/api/servers/ab12/shared_servers/12"): "Share removed",
    ("PUT", "/api/v2/sharings/77"): "Rights on the Plex account changed",
}


@pytest.mark.parametrize(("request_line", "said"), SAID.items())
def test_says_what_a_request_did(request_line: tuple[str, str], said: str) -> None:
    assert deed_of(*request_line).done == said
    assert [deed.done for method, pattern, deed in DEEDS if method == request_line[0] and pattern.fullmatch(request_line[1])] == [said]


@pytest.mark.parametrize("request_line", [("DELETE", "/Users/0b1f"), ("POST", "/Users/New/"), ("PATCH", "/Users/New"), ("POST", "")])
def test_claims_nothing_about_a_request_it_does_not_know(request_line: tuple[str, str]) -> None:
    assert deed_of(*request_line) is OTHER


def test_a_request_nobody_knows_of_is_none() -> None:
    assert deed_of("", "") is UNKNOWN
