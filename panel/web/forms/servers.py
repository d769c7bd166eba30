"""Adding and editing a media server."""

from __future__ import annotations

from collections.abc import Sequence

from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, IntegerField, PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional

from panel.domain.platform import Platform
from panel.models import PlexAccount, Server
from panel.services.server_changes import LONGEST_URL, Draft, ServerRefused, Trial
from panel.web.forms.kinds import AtMost, Between, OneOf

MOST_USERS = 1_000_000
NO_ACCOUNT = "Choose the Plex account that owns this server."


class ServerForm(FlaskForm):
    """One server. A Plex server has an account where the others have a key."""

    name = StringField("Name", [InputRequired("Give the server a name."), AtMost(255)])
    url = StringField("Address", [InputRequired("Type the address of the server."), AtMost(LONGEST_URL)])
    token = PasswordField("API key", [AtMost(500)])
    plex_account = SelectField("Plex account", [OneOf(NO_ACCOUNT)], coerce=int, validate_choice=False)
    machine = HiddenField(validators=[AtMost(80)])
    enabled = BooleanField("Enabled", default=True)
    allow_new_subscriptions = BooleanField("Allow new subscriptions", default=True)
    has_emby_premiere = BooleanField("Has Emby Premiere")
    max_users = IntegerField("Maximum users", [Optional(), Between(0, MOST_USERS, "Type a whole number of users, or leave it empty.")])
    save_anyway = BooleanField("Save it although it cannot be reached now")

    def fit(self, platform: Platform, accounts: Sequence[PlexAccount]) -> None:
        """Leave out what this platform does not have."""
        if platform is Platform.PLEX:
            del self.token
            self.plex_account.choices = [SelectChoice(str(account.id), account.email) for account in accounts]
        else:
            del self.plex_account
            del self.machine
        if platform is not Platform.EMBY:
            del self.has_emby_premiere

    def offer(self, trial: Trial) -> None:
        """Say of the tick what it means after this trial: where it is to be left alone, nobody knows whether it can be reached."""
        if trial.failed == "later":
            self.save_anyway.label.text = "Save it without a test"

    def show(self, server: Server) -> None:
        """Fill in what is stored; the key never."""
        for name in ("name", "url", "enabled", "allow_new_subscriptions", "has_emby_premiere", "max_users"):
            if name in self:
                self[name].data = getattr(server, name)
        if "plex_account" in self:
            self.plex_account.data = server.plex_account_id

    def draft(self, platform: Platform, accounts: Sequence[PlexAccount]) -> Draft:
        """What was typed; call after `validate`."""
        chosen = self.plex_account.data if "plex_account" in self else None
        return Draft(
            platform=platform,
            name=(self.name.data or "").strip(),
            url=self.url.data or "",
            token=(self.token.data or "").strip() if "token" in self else "",
            plex_account=next((account for account in accounts if account.id == chosen), None),
            machine_id=(self.machine.data or "") if "machine" in self else "",
            enabled=bool(self.enabled.data),
            allow_new_subscriptions=bool(self.allow_new_subscriptions.data),
            has_emby_premiere=bool(self.has_emby_premiere.data) if "has_emby_premiere" in self else False,
            max_users=self.max_users.data,
        )

    def refuse(self, refusal: ServerRefused) -> None:
        """Put what a service has to say next to its field, unless something is said there already."""
        field = self[refusal.field if refusal.field in self else "url"]
        field.errors = field.errors or [str(refusal)]
