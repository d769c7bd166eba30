"""A plan."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import BooleanField, IntegerField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput, ListWidget

from panel.models import LibraryGroup
from panel.services.estate.kinds import Name
from panel.services.plans import LONGEST_DAYS, Terms
from panel.web.forms.kinds import Between, OfKind

DAYS_WRONG = f"The duration is a whole number of days from 1 to {LONGEST_DAYS}."


class PlanForm(FlaskForm):
    """What a plan includes. Give it the groups that may be chosen with `offer` before it is validated."""

    name = StringField("Name", [InputRequired("Give the plan a name."), OfKind(Name)])
    groups = SelectMultipleField(
        "Library groups",
        coerce=int,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        validators=[InputRequired("Choose at least one library group.")],
    )
    allow_downloads = BooleanField("Allows downloads to phones and tablets")
    duration_days = IntegerField("Duration of one payment in days", [InputRequired(DAYS_WRONG), Between(1, LONGEST_DAYS, DAYS_WRONG)])
    is_default = BooleanField("The default plan, given to people whom a sync finds")

    def offer(self, groups: list[LibraryGroup]) -> None:
        """Let these groups be chosen."""
        self._offered = {group.id: group for group in groups}
        self.groups.choices = [SelectChoice(str(group.id), group.name) for group in groups]

    @property
    def terms(self) -> Terms:
        """What was typed, once it is valid."""
        groups = tuple(self._offered[number] for number in self.groups.data or ())
        return Terms(
            self.name.data or "", groups, bool(self.allow_downloads.data), self.duration_days.data or 0, bool(self.is_default.data)
        )
