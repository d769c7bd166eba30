"""A moved person's own password."""

from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import EqualTo, InputRequired, Length

from panel.services.claims import MIN_PASSWORD_LENGTH


class ClaimForm(FlaskForm):
    """Typed twice."""

    password = PasswordField(
        f"New password, at least {MIN_PASSWORD_LENGTH} characters",
        [
            InputRequired("Choose a password."),
            Length(min=MIN_PASSWORD_LENGTH, max=200, message=f"The password needs at least {MIN_PASSWORD_LENGTH} characters."),
        ],
    )
    again = PasswordField("The same password again", [EqualTo("password", "The two passwords differ.")])
