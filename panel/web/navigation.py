"""The way through the panel: a few sections, each with its screens."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app, request


@dataclass(frozen=True)
class Entry:
    """One screen: its label, the endpoint of its first page, and the blueprints that belong to it."""

    label: str
    endpoint: str
    blueprints: tuple[str, ...] = ()

    @property
    def is_here(self) -> bool:
        """Whether the page asked for is one of this screen's."""
        return request.blueprint in (self.blueprints or (self.endpoint.partition(".")[0],))


@dataclass(frozen=True)
class Section:
    """A few screens under one word of the main navigation."""

    label: str
    entries: tuple[Entry, ...]

    @property
    def is_here(self) -> bool:
        """Whether the page asked for is one of this section's."""
        return any(entry.is_here for entry in self.entries)


SECTIONS = (
    Section(
        "Servers",
        (
            Entry("Servers", "servers.index", ("servers", "server_forms", "first_steps")),
            Entry("Plex accounts", "plex_accounts.index", ("plex_accounts", "plex_sign_in")),
            Entry("Libraries", "libraries.index", ("libraries", "groups")),
            Entry("Comparison", "comparison.index"),
        ),
    ),
    Section(
        "Users",
        (
            Entry("Users", "users.index", ("users", "user_forms", "user_bulk")),
            Entry("Payments", "payments.index"),
            Entry("Shared servers", "shares.index"),
            Entry("Waiting invites", "invites.index"),
            Entry("Same person?", "twins.index"),
        ),
    ),
    Section("Plans", (Entry("Plans", "plans.index"),)),
    Section("Migrations", (Entry("Migrations", "migrations.index", ("migrations", "moves")),)),
    Section(
        "Settings",
        (
            Entry("General", "settings.index"),
            Entry("Mail", "smtp.index"),
            Entry("Notifications", "templates.index"),
            Entry("Admins", "admins.index"),
            Entry("My sign-in", "account.index"),
            Entry("Changes", "audit.index"),
        ),
    ),
)


def register(app: Flask) -> None:
    """Make the sections known to an app's templates."""
    app.add_template_global(sections)
    app.add_template_global(current_section)


def sections() -> list[Section]:
    """The sections that have a screen."""
    built = [Section(section.label, tuple(entry for entry in section.entries if _exists(entry))) for section in SECTIONS]
    return [section for section in built if section.entries]


def current_section() -> Section | None:
    """The section of the page asked for."""
    return next((section for section in sections() if section.is_here), None)


def _exists(entry: Entry) -> bool:
    return entry.endpoint in current_app.view_functions
