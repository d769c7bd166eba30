"""Where what the judgement before a run advises is done: the web's part of the vocabulary of reasons and blockers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, url_for

from panel.domain.platform import Platform
from panel.domain.reasons import Blocker, Reason, Refusal
from panel.models import Server
from panel.web.words import brief

#: A label and an address.
Link = tuple[str, str]


@dataclass(frozen=True)
class Way:
    """To a screen. Label and query may name the servers: {source}, {target}, and {about}, the one a blocker speaks of. `only` one of that
    platform leads there."""

    label: str
    endpoint: str
    query: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[Platform] = frozenset(Platform)


#: What is no fault, or is mended outside the panel or on this very page.
NOTHING_TO_DO: tuple[Way, ...] = ()
TABLE = Way("Fill in e-mails from a table", "user_forms.emails")
EDIT = Way("Edit {about}", "server_forms.edit", {"server_id": "{about}"})
EDIT_TARGET = Way("Edit {target}", "server_forms.edit", {"server_id": "{target}"})
LIBRARIES = Way("Libraries of {about}", "libraries.index", {"server": "{about}"})
PLANS = Way("Plans", "plans.index")
SERVERS = Way("Servers", "servers.index")
PLEX_ACCOUNTS = Way("Plex accounts", "plex_accounts.index", only=frozenset({Platform.PLEX}))


def _users(label: str, show: str) -> Way:
    return Way(f"Users {label}", "users.index", {"show": show, "server": "{source}"})


REASONS: dict[Reason, tuple[Way, ...]] = {
    Reason.NOT_SHARED: NOTHING_TO_DO,
    Reason.NO_ACTIVE_SUBSCRIPTION: (_users("without a payment now", "expired"), PLANS),
    Reason.PLEX_EMAIL_MISSING: (_users("without a Plex e-mail", "no-plex-email"), TABLE),
    Reason.EMBY_EMAIL_MISSING: (_users("without an Emby e-mail", "no-emby-email"), TABLE),
    Reason.MUST_CHANGE_PLEX_ACCOUNT: (_users("who must change their Plex account", "must-change"),),
    Reason.PLAN_NOT_OFFERED: (Way("Libraries of {target}", "libraries.index", {"server": "{target}"}), PLANS),
    Reason.TARGET_FULL: (EDIT_TARGET,),
    Reason.IS_OWNER: NOTHING_TO_DO,
    Reason.NAME_TAKEN: (Way("Users of {source}", "users.index", {"server": "{source}"}),),
    Reason.UNREADABLE: tuple(
        Way(f"Shared servers of {{{side}}}", "shares.index", {"server": f"{{{side}}}"}) for side in ("source", "target")
    ),
    Reason.ALREADY_THERE: NOTHING_TO_DO,
}

BLOCKERS: dict[Blocker, tuple[Way, ...]] = {
    Blocker.SAME_SERVER: NOTHING_TO_DO,
    Blocker.TARGET_DISABLED: (EDIT_TARGET,),
    Blocker.TARGET_CLOSED: (EDIT_TARGET,),
    Blocker.PLATFORM_NOT_ALLOWED: NOTHING_TO_DO,
    Blocker.NO_LIBRARIES_IN_GROUPS: (LIBRARIES, SERVERS),
    Blocker.MISSING_LIBRARY_GROUP: (LIBRARIES, PLANS),
    Blocker.PLEX_PASS_MISSING: (PLEX_ACCOUNTS, PLANS),
    Blocker.EMBY_PREMIERE_MISSING: (EDIT, PLANS),
    Blocker.SERVER_UNREACHABLE: (EDIT,),
    Blocker.ASKED_TO_SLOW_DOWN: NOTHING_TO_DO,
    Blocker.CREDENTIALS_REFUSED: (EDIT, PLEX_ACCOUNTS),
    Blocker.WRONG_SERVER: (EDIT,),
    Blocker.MIGRATION_RUNNING: (Way("Migrations", "migrations.index"), SERVERS),
}


def register(app: Flask) -> None:
    """Make them known to an app's templates."""
    app.add_template_global(for_reason, "remedies_for_reason")
    app.add_template_global(for_refusal, "remedies_for_refusal")
    app.add_template_global(for_silence, "remedies_for_silence")


def for_reason(reason: Reason, source: Server, target: Server) -> list[Link]:
    """The links that mend why somebody stays; none where nothing is to be done."""
    return _links(REASONS[reason], source, target, source)


def for_refusal(refusal: Refusal, source: Server, target: Server) -> list[Link]:
    """The links that mend what keeps two servers from being a pair."""
    return _links(BLOCKERS[refusal.code], source, target, source if refusal.server_id == source.id else target)


def for_silence(server: Server) -> list[Link]:
    """The links that help where a server does not answer."""
    return _links(BLOCKERS[Blocker.SERVER_UNREACHABLE], server, server, server)


def _links(ways: tuple[Way, ...], source: Server, target: Server, about: Server) -> list[Link]:
    servers = {"source": source, "target": target, "about": about}
    names = {name: brief(server.name) for name, server in servers.items()}
    ids = {name: str(server.id) for name, server in servers.items()}
    return [(way.label.format(**names), _address(way, ids)) for way in ways if about.platform in way.only]


def _address(way: Way, ids: Mapping[str, str]) -> str:
    query: dict[str, Any] = {key: value.format(**ids) for key, value in way.query.items()}
    return url_for(way.endpoint, **query)
