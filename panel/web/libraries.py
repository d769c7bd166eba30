"""The libraries of all servers, and which group each is in."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, request, url_for
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Library, LibraryGroup, Server
from panel.services import audit, groups
from panel.services import libraries as service
from panel.services.fingerprint import fingerprint
from panel.web import htmx, listing, sheets
from panel.web.access import safe_next
from panel.web.words import both_numbers, brief, counted, some_of

screen = Blueprint("libraries", __name__, url_prefix="/libraries")

#: How many libraries the question before applying all suggestions names.
NAMES_SHOWN = 200
LIBRARY = ("library", "libraries")


@screen.get("")
def index() -> Response:
    """The list: filters `server`, `group` (an id, or `none`); `into`: the group that is chosen for those that will be selected."""
    asked = listing.asked("server", service.ORDERS, server=listing.Ids(), group=listing.Ids(service.UNGROUPED))
    page = service.libraries_page(asked.search, asked.sort, asked.page, **asked.filters)
    values = {"asked": asked, "found": page, "held": service.servers_held(), "into": request.args.get("into"), **_names()}
    return htmx.page_or_partial("libraries/index.html", {"libraries": "libraries/_list.html"}, 200, **values)


@screen.post("/<int:library_id>/group")
def choose(library_id: int) -> BaseResponse:
    """Put one library into a group, or into none."""
    library, group = db.get_or_404(Library, library_id), _chosen()
    _note(service.put_into([library], group), group)
    db.session.commit()
    if not htmx.asks():
        return htmx.go(_back(), f"{library.name} is in {_name(group)} now.")
    parts = {f"library-{library.id}": "libraries/_row.html"}
    return htmx.page_or_partial("libraries/_row.html", parts, 200, library=library, saved=True, here=_back(), **_names())


@screen.post("/groups")
def choose_many() -> BaseResponse:
    """Put the selected libraries into one group; out of their groups, or all that match the filters, after asking."""
    is_all = request.form.get("all") == "1"
    narrowed = {name: request.form.get(name, "").strip()[:100] for name in ("q", "server", "in")} if is_all else {}
    libraries = _matching(narrowed) if is_all else service.with_ids(request.form.getlist("library", type=int))
    if not libraries:
        gone = "There is no such library any more." if is_all else "Select the libraries first."
        return htmx.go(_back_with_choice(), gone, "warning")
    chosen = [("all", "1"), *narrowed.items()] if is_all else [("library", str(library.id)) for library in libraries]
    if not request.form.get("group"):
        return _ask_which(libraries, chosen)
    group = _chosen()
    changing = [library for library in libraries if library.group_id != (group.id if group else None)]
    said = fingerprint((each.id for each in libraries), (each.id for each in changing), [group.id if group else 0])
    if changing and (is_all or group is None) and request.form.get("confirmed", "") != said:
        fields = [*chosen, ("group", request.form["group"]), ("next", _back()), ("confirmed", said)]
        return _ask_whether(changing, len(libraries), group, fields)
    _note(service.put_into(changing, group), group)
    db.session.commit()
    return htmx.go(_back(), _done(changing, len(libraries), group))


def _done(changed: list[Library], chosen: int, group: LibraryGroup | None) -> str:
    """What was done to those chosen, in a sentence."""
    if not changed:
        return both_numbers(0, chosen, *LIBRARY, _stays(group))
    left = chosen - len(changed)
    others = f"; {left} {_stays(group)[left > 1]}" if left else ""
    where = f"moved to {group.name}" if group else f"taken out of {_groups_of(len(changed))}"
    return f"{some_of(len(changed), chosen, *LIBRARY)} {where}{others}."


def _stays(group: LibraryGroup | None) -> tuple[str, str]:
    """Why libraries do not change: said of one, and of several."""
    where = "there already" if group else "in no group"
    return f"is {where}", f"are {where}"


def _matching(narrowed: dict[str, str]) -> list[Library]:
    return service.matching(narrowed["q"], server=narrowed["server"], group=narrowed["in"])


def _ask_which(libraries: list[Library], chosen: list[tuple[str, str]]) -> BaseResponse:
    title = f"Put {_number(len(libraries))} into which group?"
    fields = [*chosen, ("next", _back())]
    return sheets.sheet("libraries/_which.html", title, ("Libraries", _back()), 422, fields=fields, groups=groups.all_groups())


def _ask_whether(changing: list[Library], chosen: int, group: LibraryGroup | None, fields: list[tuple[str, str]]) -> BaseResponse:
    back, nobody = ("Libraries", _back()), "No media server is asked: nobody’s access changes by this."
    how_many = both_numbers(len(changing), chosen, *LIBRARY, _stays(group))
    several = some_of(len(changing), chosen, *LIBRARY)
    if group is not None:
        sentences = [how_many, f"Those that are in another group leave it. {nobody}"]
        return sheets.ask(f"Put {several} into {brief(group.name)}?", back, sentences, "Put them there", fields=fields, tone="primary")
    title = f"Take {several} out of {_groups_of(len(changing))}?"
    return sheets.ask(title, back, [how_many, *_losing(changing), nobody], "Take them out", fields=fields)


def _losing(leaving: list[Library]) -> list[str]:
    """What the plans lose with these libraries."""
    names = service.plans_including({library.group_id for library in leaving if library.group_id is not None})
    if not names:
        return ["No plan includes the groups they are in."]
    plans = ", ".join(brief(name) for name in names)
    return [f"What these plans include gets smaller by this: {plans}. Whoever moves on one of them does not get these libraries any more."]


@screen.get("/suggestions")
def suggestions() -> Response:
    """What applying all suggestions would do."""
    return _ask_suggestions(service.suggested_by_name())


@screen.post("/suggestions")
def apply_suggestions() -> BaseResponse:
    """Put every library that is in no group into the one suggested, if that is still what was shown."""
    found = service.suggested_by_name()
    confirmed = request.form.get("confirmed", "")
    if confirmed != service.suggestions_fingerprint(found) or not found:
        return _ask_suggestions(found, 422, is_stale=bool(confirmed))
    changed = service.apply_suggestions(found)
    audit.note(current_user.email, "libraries.grouped", _number(len(changed)), "All suggestions applied.")
    db.session.commit()
    return htmx.go(url_for("libraries.index"), f"{_number(len(changed))} put into the suggested groups.")


def _ask_suggestions(found: list[service.Suggested], status: int = 200, *, is_stale: bool = False) -> Response:
    values: dict[str, Any] = {
        "by_group": [(name, list(those)) for name, those in groupby(found[:NAMES_SHOWN], key=lambda one: one.group)],
        "counts": Counter(one.group for one in found),
        "more": max(0, len(found) - NAMES_SHOWN),
        "confirmed": service.suggestions_fingerprint(found),
        "is_stale": is_stale,
        "any_libraries": bool(found) or service.any_library(),
    }
    back = ("Libraries", url_for("libraries.index"))
    return sheets.sheet("libraries/_suggestions.html", "Apply all suggestions", back, status, **values)


def _names() -> dict[str, object]:
    servers = db.session.execute(select(Server.id, Server.name).order_by(func.lower(Server.name)))
    return {
        "groups": groups.all_groups(),
        "servers": dict(servers.all()),
        "suggested": service.suggested(),
    }


def _chosen() -> LibraryGroup | None:
    value = request.form.get("group", "")
    if value in ("", service.UNGROUPED):
        return None
    group = db.session.get(LibraryGroup, int(value)) if value.isdecimal() and len(value) < 10 else None
    return group or abort(400, "This group is gone. Reload the page, then choose another.")


def _note(changed: list[Library], group: LibraryGroup | None) -> None:
    if changed:
        names = ", ".join(library.name for library in changed)
        audit.note(current_user.email, "libraries.grouped", names, f"Group: {_name(group)}.")


def _name(group: LibraryGroup | None) -> str:
    return group.name if group else "no group"


def _number(count: int) -> str:
    return counted(count, *LIBRARY)


def _groups_of(count: int) -> str:
    return "its group" if count == 1 else "their groups"


def _back_with_choice() -> str:
    """The list with the group in hand that was chosen already."""
    group = request.form.get("group", "")
    if not group.isalnum():
        return _back()
    return f"{_back()}{'&' if '?' in _back() else '?'}{urlencode({'into': group})}"


def _back() -> str:
    return safe_next(request.form.get("next"), url_for("libraries.index"))
