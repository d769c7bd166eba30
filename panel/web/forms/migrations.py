"""Starting a run."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import DateTimeLocalField, Field, FloatField, Form, IntegerField, SelectField, ValidationError
from wtforms.validators import InputRequired, Optional, StopValidation

from panel.domain.statuses import Removal
from panel.services import times
from panel.services.run.planned import PASSED, TOO_FAR, NoTimeToBegin, begin_at
from panel.services.run.start import Schedule
from panel.web.forms.kinds import Between

LONGEST_PACE_S = 3600.0
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
        """A slip of the year or the day is said beside the field."""
        if not field.data:
            return
        try:
            begin_at(field.data)
        except NoTimeToBegin as slip:
            raise ValidationError(str(slip)) from None
