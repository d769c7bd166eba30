"""The inbox of the demo: real mails over SMTP, read over HTTP."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
import requests

from panel.demo.inbox import Inbox


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    box = Inbox()
    port = box.receive()
    box.start()
    yield box, port
    box.stop()


def mail(**head: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"Subject": "Done", "From": "panel@streamferry.example", "To": "ann@people.example", **head}.items():
        message[name] = value
    message.set_content("Plain <words>")
    message.add_alternative("<p>Rich <a href='http://127.0.0.1/claim'>words</a><script>alert(1)</script></p>", subtype="html")
    message.add_attachment(b"user,status\r\n", maintype="text", subtype="csv", filename='run "1".csv')
    return message


def sent(port: int, **head: str) -> None:
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.send_message(mail(**head))


def test_lists_the_newest_mail_first(inbox: tuple[Inbox, int]) -> None:
    box, port = inbox
    sent(port, Subject="First")
    sent(port, Subject="Second")
    page = requests.get(f"{box.url}/", timeout=5).text
    assert page.index("Second") < page.index("First")
    assert "ann@people.example" in page


def test_says_so_while_there_is_no_mail(inbox: tuple[Inbox, int]) -> None:
    assert "No mail yet" in requests.get(inbox[0].url, timeout=5).text


def test_shows_text_escaped_and_html_in_a_frame_that_can_do_nothing(inbox: tuple[Inbox, int]) -> None:
    box, port = inbox
    sent(port, Subject="<b>Bobby</b> & Söhne")
    page = requests.get(f"{box.url}/mails/1", timeout=5)
    assert "&lt;b&gt;Bobby&lt;/b&gt; &amp; Söhne" in page.text
    assert "<b>Bobby" not in page.text
    assert "Plain &lt;words&gt;" in page.text
    assert '<iframe title="The mail as HTML" sandbox="allow-popups' in page.text
    assert "<script" not in page.text
    framed = requests.get(f"{box.url}/mails/1/html", timeout=5)
    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy
    assert '<base target="_blank">' in framed.text


def test_gives_attachments_as_files_of_their_name(inbox: tuple[Inbox, int]) -> None:
    box, port = inbox
    sent(port)
    file = requests.get(f"{box.url}/mails/1/files/0", timeout=5)
    assert file.content == b"user,status\r\n"
    assert file.headers["Content-Disposition"] == "attachment; filename*=UTF-8''run%20%221%22.csv"
    assert requests.get(f"{box.url}/mails/1/files/1", timeout=5).status_code == 404


def test_gives_all_mails_as_json(inbox: tuple[Inbox, int]) -> None:
    box, port = inbox
    sent(port, To="a@people.example, b@people.example")
    (found,) = requests.get(f"{box.url}/mails.json", timeout=5).json()
    assert found["recipients"] == ["a@people.example", "b@people.example"]
    assert found["text"].strip() == "Plain <words>"
    assert found["attachments"] == ['run "1".csv']


@pytest.mark.parametrize("path", ["/mails/1", "/mails/x", "/mails/1/files/0", "/other"])
def test_answers_404_for_what_is_not_there(inbox: tuple[Inbox, int], path: str) -> None:
    assert requests.get(inbox[0].url + path, timeout=5).status_code == 404


def test_cannot_be_written_to_over_http(inbox: tuple[Inbox, int]) -> None:
    assert requests.post(f"{inbox[0].url}/", timeout=5).status_code == 405
