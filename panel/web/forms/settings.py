"""What is set for the whole installation."""

from __future__ import annotations

from zoneinfo import available_timezones

from flask_wtf import FlaskForm
from wtforms import Field, FloatField, IntegerField, RadioField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional

from panel.services.estate.kinds import Addresses, Url
from panel.web.forms.kinds import Between, OfKind
from panel.web.forms.migrations import LONGEST_PACE_S

LONGEST_H = 720.0
PACE_WRONG = "The pace is a number of seconds from 0 to 3600; empty means 30."
SYNC_WRONG = "The interval is a number of hours from 0 to 720; 0 switches it off."
REMIND_WRONG = "A reminder goes out after a whole number of days from 0 to 365; 0 switches it off."
IMPORTS = [
    SelectChoice("standard", "Standard: with one payment on the default plan"),
    SelectChoice("permanent", "Permanent: never expires, needs no payment"),
]


class SettingsForm(FlaskForm):
    """The row of settings but for mail."""

    admin_email = StringField("Administrator addresses", [OfKind(Addresses)])
    pace_s = FloatField("Seconds between two users", [Optional(), Between(0, LONGEST_PACE_S, PACE_WRONG)])
    sync_every_h = FloatField("Hours between two syncs of a server", [InputRequired(SYNC_WRONG), Between(0, LONGEST_H, SYNC_WRONG)])
    remind_after_d = IntegerField("Days until a reminder", [InputRequired(REMIND_WRONG), Between(0, 365, REMIND_WRONG)])
    import_as = RadioField("People found by a sync become", choices=IMPORTS)
    time_zone = StringField("Time zone", [InputRequired("Choose a time zone; UTC will do.")])
    public_url = StringField("Public address of this panel", [Optional(), OfKind(Url)], filters=[lambda value: (value or "").strip()])

    def validate_time_zone(self, field: Field) -> None:
        """One of the names of the tz database."""
        field.data = field.data.strip()
        if field.data not in zone_names():
            raise ValidationError("There is no such time zone. Choose one of the list, such as Europe/Berlin.")


def zone_names() -> list[str]:
    """All names that may be chosen: areas and cities, and UTC."""
    names = {name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))}
    return ["UTC", *sorted(names)]
