"""What goes with a server or an account that is removed, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from panel.models import PlexAccount, Server
from panel.services.server_removal import Loss
from panel.web.words import all_counted, brief, counted


def of_server(server: Server, loss: Loss) -> list[str]:
    """Before a server is removed."""
    parts: list[str] = [Markup("The panel forgets {}").format(_named([server.name]))]
    if loss.libraries:
        parts.append(f"its {counted(loss.libraries, 'library', 'libraries')} with their groups")
    if loss.shares:
        parts.append(f"who shares it ({counted(loss.shares, 'remembered share')})")
    forgets = Markup("{}.").format(Markup(", and ").join(parts) if len(parts) < 3 else Markup("{}, {}, and {}").format(*parts))
    history = [_history(loss)] if loss.migrations else []
    stays = "All users and their payments stay. Nothing is changed on the server itself: everybody keeps their access there."
    return [forgets, *history, stays]


def of_account(account: PlexAccount, loss: Loss) -> list[str]:
    """Before a Plex account is removed."""
    sentences: list[str] = [Markup("The panel forgets the account {} and its token.").format(_named([account.email]))]
    if loss.names:
        rows = all_counted([(loss.libraries, "library", "libraries"), (loss.shares, "remembered share", "")])
        sentences.append(Markup("Its servers go with it: {}{}.").format(_named(loss.names), f", with {rows}" if rows else ""))
    if loss.kept:
        sentences.append(Markup("Kept for their migrations, but disabled and without an account: {}.").format(_named(loss.kept)))
    return [*sentences, "All users and their payments stay. Nothing is changed on plex.tv: everybody keeps their access."]


def _history(loss: Loss) -> str:
    one = loss.migrations == 1
    runs = f"{counted(loss.migrations, 'past migration')} and {'its' if one else 'their'} records go with it"
    where, proof = "in its list" if one else "in their lists", "written down as proof"
    listed = (loss.moves, f"user {where}", f"users {where}")
    rows = all_counted([listed, (loss.mails, "mail", ""), (loss.requests, f"request {proof}", f"requests {proof}")])
    return f"{runs}{f': {rows}' if rows else ''}. {'It cannot' if one else 'None of them can'} be undone any more."


def _named(names: Iterable[str]) -> Markup:
    return Markup(", ").join(Markup("<bdi>{}</bdi>").format(brief(name)) for name in names)
