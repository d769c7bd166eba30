"""Library groups: their names."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

from panel.services.estate.kinds import Name
from panel.web.forms.kinds import OfKind


class GroupForm(FlaskForm):
    """A group."""

    name = StringField("Name", [InputRequired("Give the group a name."), OfKind(Name)])
