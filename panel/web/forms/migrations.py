"""Starting a run."""

from __future__ import annotations

from datetime import timedelta

from flask_wtf import FlaskForm
from wtforms import DateTimeLocalField, Field, FloatField, Form, IntegerField, SelectField, ValidationError
from wtforms.validators import InputRequired, Optional, StopValidation

from panel.domain.statuses import Removal
from panel.models.types import utc_now
from panel.services import times
from panel.services.run.start import Schedule
from panel.web.forms.kinds import Between

LONGEST_PACE_S = 3600.0
#: A time to begin at may have passed by so much while the form was filled in.
PATIENCE_MIN = 10
PASSED = "This time has passed. Choose a later one, or leave it empty to begin at once."
#: A run that was planned for longer is forgotten by then, or the year is a slip.
FURTHEST_DAYS = 366
TOO_FAR = "This is more than a year ahead. Choose a time within a year, or leave it empty to begin at once."

#: What a person chooses for a run, and what each has to be.
OPTIONS = {
    "pace_s": "The pace is a number of seconds from 0 to 3600.",
    "start_at": "The time to begin at is a date and a time, or empty for at once.",
    "repeat_every_h": "The hours between two rounds are a number from 0.1 to 720.",
    "rounds": "The number of further rounds is a whole one from 0 to 100.",
}


class OnlyWithRounds:
    """A validator: without further rounds, nothing that is typed here is used, so nothing is wrong with it."""

    def __call__(self, form: Form, field: Field) -> None:
        """Raises `StopValidation` without a word."""
        rounds = form["rounds"]
        is_blank = not any(str(text).strip() for text in rounds.raw_data or ())
        if is_blank or (rounds.data == 0 and not rounds.process_errors):
            field.errors = []
            raise StopValidation


class StartForm(FlaskForm):
    """The pair and how to move: `pace_s` empty means as set for the installation."""

    source = IntegerField(validators=[InputRequired("Choose a source server.")])
    target = IntegerField(validators=[InputRequired("Choose a target server.")])
    removal = SelectField(choices=[removal.value for removal in Removal], default=Removal.WHEN_ACTIVE.value)
    pace_s = FloatField(
        "Seconds between two users",
        [Optional(), Between(0, LONGEST_PACE_S, OPTIONS["pace_s"])],
    )

    start_at = DateTimeLocalField("Begin", validators=[Optional()], format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    repeat_every_h = FloatField(
        "Hours between two rounds",
        [OnlyWithRounds(), Optional(), Between(0.1, 720, OPTIONS["repeat_every_h"])],
        default=1.0,
    )
    rounds = IntegerField("More rounds", [Optional(), Between(0, 100, OPTIONS["rounds"])], default=0)

    @property
    def schedule(self) -> Schedule:
        """When to begin and how often to repeat."""
        begin = times.from_local(self.start_at.data) if self.start_at.data else None
        rounds = self.rounds.data or 0
        return Schedule(begin, (self.repeat_every_h.data or 1.0) if rounds else 0.0, rounds)

    @property
    def problems(self) -> list[str]:
        """What is wrong with it, in sentences."""
        return [sentence for name in OPTIONS if (sentence := self.problem_of(name))] + self.problems_elsewhere

    @property
    def problems_elsewhere(self) -> list[str]:
        """What is wrong with that which has no field among the options."""
        return [str(text) for name, texts in self.errors.items() if name not in OPTIONS for text in texts]

    def problem_of(self, name: str) -> str:
        """What is wrong with one of the options, to stand beside its field; else empty."""
        if name not in self.errors:
            return ""
        said = {PASSED, TOO_FAR}.intersection(self.errors[name])
        return said.pop() if said else OPTIONS[name]

    def validate_start_at(self, field: Field) -> None:
        """A day long past is a slip, not a wish to begin at once; the minute it took to fill in the form is none. Nor is one that is years
        ahead."""
        if not field.data:
            return
        if abs(field.data.year - utc_now().year) > 2:
            # At the ends of the calendar another zone's time may not exist.
            raise ValidationError(PASSED if field.data.year < utc_now().year else TOO_FAR)
        ahead = times.from_local(field.data) - utc_now()
        if ahead < timedelta(minutes=-PATIENCE_MIN):
            raise ValidationError(PASSED)
        if ahead > timedelta(days=FURTHEST_DAYS):
            raise ValidationError(TOO_FAR)
