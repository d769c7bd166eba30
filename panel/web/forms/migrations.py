"""Starting a run."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import FloatField, IntegerField, SelectField
from wtforms.validators import InputRequired, NumberRange, Optional

from panel.domain.statuses import Removal

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

    @property
    def problems(self) -> list[str]:
        """What is wrong with it, in sentences."""
        bad_pace = ["The pace is a number of seconds from 0 to 3600."] if "pace_s" in self.errors else []
        rest = [str(text) for name, texts in self.errors.items() if name != "pace_s" for text in texts]
        return bad_pace + rest
