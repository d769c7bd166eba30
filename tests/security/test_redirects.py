"""After signing in one goes on within the panel, whatever the address bar was made to say."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.web.access import safe_next
from tests.web.asking import by_htmx
from tests.web.test_second_factor import ADA

HERE = "http://localhost/sign-in"
PAYLOADS = [
    "//evil.test",
    "///evil.test",
    "////evil.test/",
    "/\\evil.test",
    "\\\\evil.test",
    "\\/evil.test",
    "/\\/evil.test",
    "https:evil.test",
    "https:/evil.test",
    "https:///evil.test",
    "http:\\\\evil.test",
    "HTTPS://EVIL.TEST",
    "javascript:alert(1)",
    " javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>1</script>",
    "/\t/evil.test",
    "/\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    "/%0d%0aLocation:%20//evil.test",
    "/servers\r\nSet-Cookie: session=stolen",
    "/servers\nX: y",
    "//evil.test@localhost",
    "//localhost@evil.test",
    "/@evil.test",
    ".evil.test",
    "@evil.test",
    "evil.test",
    "//[evil",
    "http://[",
    "//ex\u2100mple.test",
    "/\uff0fevil.test",
    "\u2028//evil.test",
    "/\x00/evil.test",
    "/..//evil.test",
    "/./\\evil.test",
    "?next=//evil.test",
    "#//evil.test",
    "/%2f%2fevil.test",
    "/%5cevil.test",
    "mailto:a@evil.test",
    "",
]


def leads_to(location: str) -> str:
    """Where a browser goes: backslashes are slashes to it, and blanks and line breaks are nothing."""
    seen = location.replace("\\", "/").strip().translate({9: None, 10: None, 13: None})
    return urlsplit(urljoin(HERE, seen)).netloc


def test_never_leaves_the_panel(app: Flask, ada: FlaskClient) -> None:
    for payload in PAYLOADS:
        with app.test_request_context():
            assert leads_to(safe_next(payload)) == "localhost", payload
        answer = ada.get(f"/sign-in?next={quote(payload, safe='')}")
        assert answer.status_code == 302, payload
        location = answer.headers["Location"]
        assert leads_to(location) == "localhost" and location.startswith("/"), payload
        assert "stolen" not in str(answer.headers.get("Set-Cookie")) and "X" not in answer.headers, payload


@pytest.mark.parametrize("payload", ["//evil.test", "/\\evil.test", "https:evil.test", "//[evil", "/servers\r\nX: y"])
def test_never_leaves_it_after_the_password_either(app: Flask, ada: FlaskClient, payload: str) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    answer = app.test_client().post(f"/sign-in?next={quote(payload, safe='')}", data=ADA)
    assert answer.status_code == 303 and leads_to(answer.headers["Location"]) == "localhost"


@pytest.mark.parametrize("url", ["http://evil.test//evil.test/x", "http://[", "//[x", "javascript:alert(1)", "\\\\evil.test"])
def test_what_htmx_says_of_its_page_leads_nowhere_else(app: Flask, ada: FlaskClient, url: str) -> None:
    answer = app.test_client().get("/servers", headers={**by_htmx("servers"), "HX-Current-URL": url})
    assert answer.status_code == 200
    assert leads_to(answer.headers["HX-Redirect"]) == "localhost"
    wanted = app.test_client().get(answer.headers["HX-Redirect"])
    assert wanted.status_code == 200


@pytest.mark.parametrize("payload", ["//evil.test", "/\\evil.test", "javascript:alert(1)", "//[evil"])
def test_forms_that_go_back_go_back_within_the_panel(app: Flask, ada: FlaskClient, payload: str) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    answer = ada.post("/libraries/groups", data={"next": payload})
    location = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or "/"
    assert leads_to(location) == "localhost"


def test_the_host_of_a_request_does_not_become_part_of_an_address(app: Flask, ada: FlaskClient) -> None:
    answer = app.test_client().get("/servers", headers={"Host": "evil.test"})
    assert answer.headers["Location"].startswith("/sign-in")
