"""What goes with a server or an account that is removed, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from panel.models import PlexAccount, Server
from panel.services.server_removal import Loss
from panel.web.words import brief, counted


def of_server(server: Server, loss: Loss) -> list[str]:
    """Before a server is removed."""
    forgets = Markup("The panel forgets {}, its {} with their groups, and who shares it ({}).")
    rows = counted(loss.libraries, "library", "libraries"), counted(loss.shares, "remembered share")
    history = [_history(loss)] if loss.migrations else []
    stays = "All users and their payments stay. Nothing is changed on the server itself: everybody keeps their access there."
    return [forgets.format(_named([server.name]), *rows), *history, stays]


def of_account(account: PlexAccount, loss: Loss) -> list[str]:
    """Before a Plex account is removed."""
    sentences: list[str] = [Markup("The panel forgets the account {} and its token.").format(_named([account.email]))]
    if loss.names:
        rows = counted(loss.libraries, "library", "libraries"), counted(loss.shares, "remembered share")
        sentences.append(Markup("Its servers go with it: {}, with {} and {}.").format(_named(loss.names), *rows))
    if loss.kept:
        sentences.append(Markup("Kept for their migrations, but disabled and without an account: {}.").format(_named(loss.kept)))
    return [*sentences, "All users and their payments stay. Nothing is changed on plex.tv: everybody keeps their access."]


def _history(loss: Loss) -> str:
    one = loss.migrations == 1
    runs = f"{counted(loss.migrations, 'past migration')} and {'its' if one else 'their'} records go with it"
    rows = f"{counted(loss.moves, 'user')} in {'its list' if one else 'their lists'}, {counted(loss.mails, 'mail')}"
    proof = f"{counted(loss.requests, 'request')} written down as proof"
    return f"{runs}: {rows} and {proof}. {'It cannot' if one else 'None of them can'} be undone any more."


def _named(names: Iterable[str]) -> Markup:
    return Markup(", ").join(Markup("<bdi>{}</bdi>").format(brief(name)) for name in names)
