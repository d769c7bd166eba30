"""What an estate file may hold: its keys, and the kind of value of each."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from panel.domain.platform import Platform
from panel.models import SmtpSecurity
from panel.services.estate.kinds import (
    Address,
    Addresses,
    Count,
    Days,
    EndMoment,
    ListOrNothing,
    Name,
    OptionalAddress,
    OptionalText,
    Pace,
    Port,
    SecretText,
    Sender,
    StartMoment,
    Url,
)


class Entry(BaseModel):
    """A mapping of the file. Only the keys that were given (`model_fields_set`) change anything."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class PlexAccountEntry(Entry):
    """One of `plex_accounts`. The token may be left out for an account that is there already."""

    email: Address
    token: SecretText | None = None
    has_plex_pass: bool = False


class ServerEntry(Entry):
    """One of `servers`. Token or Plex account may be left out for a server that is there already."""

    name: Name
    platform: Annotated[Platform, Field(strict=False)]
    url: Url
    token: SecretText | None = None
    plex_account: Address | None = None
    enabled: bool = True
    allow_new_subscriptions: bool = True
    has_emby_premiere: bool = False
    max_users: Count | None = None


class LibraryEntry(Entry):
    """One of `libraries`: whether a sync has found it yet makes no difference."""

    server: Name
    name: Name
    group: Name | None = None


class PlanEntry(Entry):
    """One of `plans`."""

    name: Name
    library_groups: Annotated[list[Name], ListOrNothing] = []
    allow_downloads: bool = False
    duration_days: Days = 30
    default: bool = False


class PaymentEntry(Entry):
    """One of a user's `payments`; the end is included."""

    plan: Name
    start: StartMoment
    end: EndMoment


class UserEntry(Entry):
    """One of `users`."""

    name: Name
    email: OptionalAddress = ""
    plex_email: OptionalAddress = ""
    emby_email: OptionalAddress = ""
    jellyfin_name: OptionalText = ""
    permanent: bool = False
    must_change_plex_account: bool = False
    payments: Annotated[list[PaymentEntry], ListOrNothing] = []

    @property
    def emails(self) -> dict[str, str]:
        """The case-folded addresses, each with the first key it is given under."""
        given = [(getattr(self, key).casefold(), key) for key in ("emby_email", "plex_email", "email")]
        return {email: key for email, key in given if email}


class SmtpEntry(Entry):
    """`settings.smtp`."""

    host: OptionalText = ""
    port: Port = 587
    security: Annotated[SmtpSecurity, Field(strict=False)] = SmtpSecurity.STARTTLS
    username: OptionalText = ""
    password: SecretText | None = None
    sender: Sender = ""


class SettingsEntry(Entry):
    """`settings`."""

    admin_email: Addresses = ""
    pace_s: Pace | None = None
    smtp: SmtpEntry | None = None
    system_message_enabled: bool = True
    import_as_permanent: bool = False


class EstateFile(Entry):
    """The whole file."""

    plex_accounts: Annotated[list[PlexAccountEntry], ListOrNothing] = []
    servers: Annotated[list[ServerEntry], ListOrNothing] = []
    library_groups: Annotated[list[Name], ListOrNothing] = []
    libraries: Annotated[list[LibraryEntry], ListOrNothing] = []
    plans: Annotated[list[PlanEntry], ListOrNothing] = []
    users: Annotated[list[UserEntry], ListOrNothing] = []
    settings: SettingsEntry | None = None
