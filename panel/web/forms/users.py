"""One user, many users, and addresses from a table."""

from __future__ import annotations

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, EmailField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional

from panel.services.estate.kinds import Name as NameKind
from panel.services.estate.kinds import OptionalAddress, OptionalText
from panel.services.user_bulk import CHANGES, MOST_DAYS
from panel.web.forms.kinds import AtMost, Between, OfKind


class UserForm(FlaskForm):
    """What an administrator may write about a user."""

    name = StringField("Name", [InputRequired("Every user needs a name."), OfKind(NameKind)])
    email = EmailField("E-mail", [OfKind(OptionalAddress)])
    plex_email = EmailField("Plex e-mail", [OfKind(OptionalAddress)])
    emby_email = EmailField("Emby e-mail", [OfKind(OptionalAddress)])
    jellyfin_name = StringField("Jellyfin name", [OfKind(OptionalText)])
    permanent = BooleanField("Permanent: always active, without payments")
    must_change_plex_account = BooleanField("Must change Plex account: does not move until this is cleared")
    notes = TextAreaField("Notes", [AtMost(20_000)])


class BulkForm(FlaskForm):
    """One change for many users."""

    change = SelectField("What to change", choices=[SelectChoice(value, label) for value, label in CHANGES.items()])
    plan = SelectField("Plan", [Optional()], coerce=int, validate_choice=False)
    days = IntegerField("Days to add", [Optional(), Between(1, MOST_DAYS, f"From 1 to {MOST_DAYS} whole days can be added.")])


class EmailsForm(FlaskForm):
    """A CSV, as a file or pasted."""

    file = FileField("CSV file")
    csv = TextAreaField("Or paste it here")
