"""One's own sign-in."""

from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired

from panel.models.admin import MIN_PASSWORD_LENGTH
from panel.web.forms.auth import LONGEST
from panel.web.forms.kinds import AtMost, PasswordLength


class OwnPasswordForm(FlaskForm):
    """Whoever sits at this browser has to know the password."""

    current = PasswordField("Your password now", [InputRequired("Type the password you have now."), AtMost(LONGEST)])


class ChangePasswordForm(OwnPasswordForm):
    """Another one, typed twice."""

    password = PasswordField(
        f"New password, at least {MIN_PASSWORD_LENGTH} characters",
        [
            InputRequired("Choose a password."),
            PasswordLength(MIN_PASSWORD_LENGTH, LONGEST),
        ],
    )
    again = PasswordField("The new password again", [EqualTo("password", "The two passwords differ.")])


class ConfirmForm(FlaskForm):
    """A code that proves that the app has the secret."""

    code = StringField("The code your app shows", [InputRequired("Type the code your app shows."), AtMost(20)])


class SwitchOffForm(OwnPasswordForm):
    """Password and code."""

    code = StringField("A code of your app, or a recovery code", [InputRequired("Type a code."), AtMost(60)])
