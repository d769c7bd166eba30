"""One payment, or more days for many."""

from __future__ import annotations

from datetime import date

from flask_wtf import FlaskForm
from wtforms import DateField, IntegerField, SelectField, ValidationError
from wtforms.validators import InputRequired

from panel.services.user_bulk import MOST_DAYS
from panel.web.forms.kinds import Between, DayField, OneOf

EARLIEST, LATEST = date(1970, 1, 1), date(9000, 1, 1)


class PaymentForm(FlaskForm):
    """A plan from one day to another, both included."""

    plan = SelectField("Plan", [OneOf("Choose a plan.")], coerce=int, validate_choice=False)
    start_on = DayField("First day", [InputRequired("Say from which day on it counts.")])
    end_on = DayField("Last day, included", [InputRequired("Say until which day it counts.")])

    def validate_start_on(self, field: DateField) -> None:
        """A year that people mean."""
        if field.data and not EARLIEST <= field.data <= LATEST:
            raise ValidationError("This day is too far away.")

    def validate_end_on(self, field: DateField) -> None:
        """Not before the first day."""
        self.validate_start_on(field)
        if field.data and self.start_on.data and field.data < self.start_on.data:
            raise ValidationError("The last day is before the first.")


class ExtendForm(FlaskForm):
    """More days."""

    days = IntegerField(
        "Days to add",
        [
            InputRequired(f"From 1 to {MOST_DAYS} whole days can be added."),
            Between(1, MOST_DAYS, f"From 1 to {MOST_DAYS} whole days can be added."),
        ],
    )
