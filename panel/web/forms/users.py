"""One user, many users, and addresses from a table."""

from __future__ import annotations

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, EmailField, Field, Form, IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional

from panel.models import User
from panel.services.estate.kinds import Name as NameKind
from panel.services.estate.kinds import OptionalAddress, OptionalText
from panel.services.user_bulk import CHANGES, MOST_DAYS
from panel.services.users import EMAILS
from panel.web.forms.kinds import AtMost, Between, OfKind


class AddressOrAsStored(OfKind):
    """A validator: an address, or whatever is stored already, which a media server may have told."""

    def __init__(self) -> None:
        super().__init__(OptionalAddress)

    def __call__(self, form: Form, field: Field) -> None:
        """Cleans `field.data`. Raises `StopValidation` with a sentence."""
        stored = field.object_data
        # A browser sends an address without the blanks around it.
        if stored and (field.data or "").strip() == stored.strip():
            field.data = stored
            return
        super().__call__(form, field)


class UserForm(FlaskForm):
    """What an administrator may write about a user."""

    name = StringField("Name", [InputRequired("Every user needs a name."), OfKind(NameKind)])
    email = EmailField("E-mail", [AddressOrAsStored()])
    plex_email = EmailField("Plex e-mail", [AddressOrAsStored()])
    emby_email = EmailField("Emby e-mail", [AddressOrAsStored()])
    jellyfin_name = StringField("Jellyfin name", [OfKind(OptionalText)])
    permanent = BooleanField("Permanent: always active, without payments")
    must_change_plex_account = BooleanField("Must change Plex account: does not move until this is cleared")
    notes = TextAreaField("Notes", [AtMost(20_000)])

    def compare_with(self, user: User) -> None:
        """Call before `validate`: the addresses this user has already are taken as they are."""
        for name in EMAILS:
            self[name].object_data = getattr(user, name)


class BulkForm(FlaskForm):
    """One change for many users."""

    change = SelectField("What to change", choices=[SelectChoice(value, label) for value, label in CHANGES.items()])
    plan = SelectField("Plan", [Optional()], coerce=int, validate_choice=False)
    days = IntegerField("Days to add", [Optional(), Between(1, MOST_DAYS, f"From 1 to {MOST_DAYS} whole days can be added.")])


class EmailsForm(FlaskForm):
    """A CSV, as a file or pasted."""

    file = FileField("CSV file")
    csv = TextAreaField("Or paste it here")
