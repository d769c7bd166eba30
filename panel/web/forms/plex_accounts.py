"""Adding a Plex account by its token, and editing one."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, SelectField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from panel.models import PlexAccount
from panel.web.forms.kinds import AtMost

LONGEST_TOKEN = 500
PASS_CHOICES = [SelectChoice("auto", "As plex.tv says"), SelectChoice("yes", "Yes"), SelectChoice("no", "No")]


class TokenForm(FlaskForm):
    """A token instead of signing in."""

    token = PasswordField("Plex token", [InputRequired("Paste the token."), AtMost(LONGEST_TOKEN)])


class PlexAccountForm(FlaskForm):
    """What can be changed about an account; an empty token keeps the one there is."""

    token = PasswordField("New Plex token", [AtMost(LONGEST_TOKEN)])
    plex_pass = SelectField("Has Plex Pass", choices=PASS_CHOICES)
    enabled = BooleanField("Enabled")

    def show(self, account: PlexAccount) -> None:
        """Fill in what is stored; the token never."""
        self.plex_pass.data = ("yes" if account.has_plex_pass else "no") if account.pass_overridden else "auto"
        self.enabled.data = account.enabled

    @property
    def says_pass(self) -> bool | None:
        """What was set by hand; `None`: go by plex.tv."""
        return {"yes": True, "no": False}.get(self.plex_pass.data)
