"""Starting a run."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import DateTimeLocalField, FloatField, IntegerField, SelectField
from wtforms.validators import InputRequired, NumberRange, Optional

from panel.domain.statuses import Removal
from panel.services import times
from panel.services.run.start import Schedule

LONGEST_PACE_S = 3600.0


class StartForm(FlaskForm):
    """The pair and how to move: `pace_s` empty means as set for the installation."""

    source = IntegerField(validators=[InputRequired("Choose a source server.")])
    target = IntegerField(validators=[InputRequired("Choose a target server.")])
    removal = SelectField(choices=[removal.value for removal in Removal], default=Removal.WHEN_ACTIVE.value)
    pace_s = FloatField(
        "Seconds between two users",
        [Optional(), NumberRange(0, LONGEST_PACE_S, "The pace is a number of seconds from 0 to 3600.")],
    )

    start_at = DateTimeLocalField("Begin", validators=[Optional()], format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    repeat_every_h = FloatField(
        "Hours between two rounds",
        [Optional(), NumberRange(0.1, 720, "The hours between two rounds are a number from 0.1 to 720.")],
        default=1.0,
    )
    rounds = IntegerField("More rounds", [Optional(), NumberRange(0, 100, "The number of further rounds is one from 0 to 100.")], default=0)

    @property
    def schedule(self) -> Schedule:
        """When to begin and how often to repeat."""
        begin = times.from_local(self.start_at.data) if self.start_at.data else None
        rounds = self.rounds.data or 0
        return Schedule(begin, (self.repeat_every_h.data or 1.0) if rounds else 0.0, rounds)

    @property
    def problems(self) -> list[str]:
        """What is wrong with it, in sentences."""
        plain = {
            "pace_s": "The pace is a number of seconds from 0 to 3600.",
            "start_at": "The time to begin at is a date and a time, or empty for at once.",
            "repeat_every_h": "The hours between two rounds are a number from 0.1 to 720.",
            "rounds": "The number of further rounds is one from 0 to 100.",
        }
        rest = [str(text) for name, texts in self.errors.items() if name not in plain for text in texts]
        return [sentence for name, sentence in plain.items() if name in self.errors] + rest
