"""A moved person's own password."""

from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import EqualTo, InputRequired

from panel.services.claims.choosing import MIN_PASSWORD_LENGTH
from panel.web.forms.kinds import PasswordLength


class ClaimForm(FlaskForm):
    """Typed twice."""

    password = PasswordField(
        f"New password, at least {MIN_PASSWORD_LENGTH} characters",
        [
            InputRequired("Choose a password."),
            PasswordLength(MIN_PASSWORD_LENGTH, 200),
        ],
    )
    again = PasswordField("The same password again", [EqualTo("password", "The two passwords differ.")])
