"""The page on which a person approves a PIN. The real one is app.plex.tv's; here anybody on the stage may be chosen."""

from __future__ import annotations

from html import escape

from panel.simulators.http import Answer
from panel.simulators.plex_routes import Request, Routes, not_found
from panel.simulators.plex_shares import PlexShares

routes: Routes[PlexShares] = Routes()

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Simulated plex.tv</title>
<h1>Simulated plex.tv</h1>
{body}
</html>
"""


@routes.add("GET", "/auth", is_open=True)
def _ask(tv: PlexShares, request: Request) -> Answer:
    """Who are you? Those who own a server come first."""
    code = escape(request.call.query.get("code", ""))
    owners = {server.owner.id for server in tv.servers}
    people = sorted(
        (person for person in tv.people.values() if person.email), key=lambda person: (person.id not in owners, person.username)
    )
    buttons = "".join(
        f'<p><button name="person" value="{person.id}">{escape(person.username)} ({escape(person.email)})</button></p>'
        for person in people[:20]
    )
    form = f'<form method="post" action="/auth"><input type="hidden" name="code" value="{code}"><p>Allow as:</p>{buttons}</form>'
    return _page(form)


@routes.add("POST", "/auth", is_open=True)
def _approve(tv: PlexShares, request: Request) -> Answer:
    fields = request.fields()
    number = fields.get("person", "")
    person = tv.people.get(int(number)) if number.isdecimal() else None
    if person is None:
        raise not_found()
    try:
        tv.approve_pin(fields.get("code", ""), person)
    except KeyError:
        raise not_found("Code not found or expired") from None
    return _page(f"<p>{escape(person.username)} has allowed it. Close this page and go back to the panel.</p>")


def _page(body: str) -> Answer:
    return Answer.of_text(PAGE.format(body=body), 200, "text/html; charset=utf-8")
