"""Setting up the first admin, and signing in."""

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired

from panel.models.admin import MIN_PASSWORD_LENGTH
from panel.services.estate.kinds import Address
from panel.web.forms.kinds import AtMost, OfKind, PasswordLength

LONGEST = 1000


class SignInForm(FlaskForm):
    """E-mail and password."""

    email = EmailField("E-mail", [InputRequired("Type your e-mail."), AtMost(255)])
    password = PasswordField("Password", [InputRequired("Type your password."), AtMost(LONGEST)])


class CodeForm(FlaskForm):
    """A code of the second factor."""

    code = StringField("Code", [InputRequired("Type the code."), AtMost(60)])


class SetUpForm(FlaskForm):
    """The first admin."""

    email = EmailField("Your e-mail", [InputRequired("Type your e-mail."), AtMost(255), OfKind(Address)])
    password = PasswordField(
        f"Password, at least {MIN_PASSWORD_LENGTH} characters",
        [
            InputRequired("Choose a password."),
            PasswordLength(MIN_PASSWORD_LENGTH, LONGEST),
        ],
    )
    again = PasswordField("The same password again", [EqualTo("password", "The two passwords differ.")])
