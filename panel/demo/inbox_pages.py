"""The inbox as HTML: what mails say is escaped, or shown in a frame that can do nothing."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from panel.demo.received import Mail

STYLE = Markup(
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733;background:#fff}"
    "a{color:#0a58ca}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #d5dbe1}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0}"
    "pre{white-space:pre-wrap;background:#f3f5f7;padding:1rem;border-radius:.4rem}"
    "iframe{width:100%;height:32rem;border:1px solid #d5dbe1;border-radius:.4rem;background:#fff}"
)
FRAME = Markup(
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    "{refresh}<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>"
)
#: The list looks for new mails by itself.
REFRESH = Markup('<meta http-equiv="refresh" content="3">')


def listing(mails: Sequence[Mail]) -> str:
    """All mails, the newest first."""
    rows = Markup("").join(
        Markup('<tr><td>{at}</td><td><bdi>{to}</bdi></td><td><a href="/mails/{number}"><bdi>{subject}</bdi></a></td></tr>').format(
            at=_time(mail), to=", ".join(mail.recipients), number=mail.number, subject=mail.subject or "(no subject)"
        )
        for mail in mails
    )
    table = Markup(
        '<table><thead><tr><th scope="col">Time (UTC)</th><th scope="col">To</th><th scope="col">Subject</th></tr></thead>'
        "<tbody>{rows}</tbody></table>"
    ).format(rows=rows)
    empty = Markup("<p>No mail yet. This page looks for new ones every three seconds.</p>")
    return _frame("Inbox of the demo", Markup("<h1>Inbox</h1>{body}").format(body=table if mails else empty), refresh=True)


def reading(mail: Mail) -> str:
    """One mail: its head, its HTML in a sandbox, its text, its files."""
    files = Markup("").join(
        Markup('<li><a href="/mails/{mail}/files/{index}" download><bdi>{name}</bdi></a> ({size} bytes)</li>').format(
            mail=mail.number, index=index, name=file.name, size=len(file.content)
        )
        for index, file in enumerate(mail.attachments)
    )
    body = Markup(
        '<p><a href="/">All mails</a></p><h1><bdi>{subject}</bdi></h1>'
        "<dl><dt>From</dt><dd><bdi>{sender}</bdi></dd><dt>To</dt><dd><bdi>{to}</bdi></dd><dt>Time (UTC)</dt><dd>{at}</dd></dl>"
        "{files}{html}<h2>As text</h2><pre>{text}</pre>"
    ).format(
        subject=mail.subject or "(no subject)",
        sender=mail.sender,
        to=", ".join(mail.recipients),
        at=_time(mail),
        files=Markup("<h2>Attachments</h2><ul>{}</ul>").format(files) if files else "",
        html=_html_of(mail),
        text=mail.text,
    )
    return _frame(mail.subject or "Mail", body)


def missing() -> str:
    """There is no such mail."""
    return _frame("Not found", Markup('<h1>There is no such mail.</h1><p><a href="/">All mails</a></p>'))


def _html_of(mail: Mail) -> Markup:
    if not mail.html:
        return Markup("")
    return Markup(
        '<h2>As HTML</h2><iframe title="The mail as HTML" sandbox="allow-popups allow-popups-to-escape-sandbox" '
        'src="/mails/{}/html"></iframe>'
    ).format(mail.number)


def _frame(title: str, body: Markup, *, refresh: bool = False) -> str:
    return str(FRAME.format(title=title, body=body, style=STYLE, refresh=REFRESH if refresh else ""))


def _time(mail: Mail) -> str:
    return mail.at.strftime("%H:%M:%S")
