"""Setting up the first admin, and signing in."""

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from panel.models.admin import MIN_PASSWORD_LENGTH

LONGEST = 1000


class SignInForm(FlaskForm):
    """E-mail and password."""

    email = EmailField("E-mail", [InputRequired("Type your e-mail."), Length(max=255)])
    password = PasswordField("Password", [InputRequired("Type your password."), Length(max=LONGEST)])


class CodeForm(FlaskForm):
    """A code of the second factor."""

    code = StringField("Code", [InputRequired("Type the code."), Length(max=60)])


class SetUpForm(FlaskForm):
    """The first admin."""

    email = EmailField("Your e-mail", [InputRequired("Type your e-mail."), Length(max=255)])
    password = PasswordField(
        f"Password, at least {MIN_PASSWORD_LENGTH} characters",
        [
            InputRequired("Choose a password."),
            Length(min=MIN_PASSWORD_LENGTH, max=LONGEST, message=f"The password needs at least {MIN_PASSWORD_LENGTH} characters."),
        ],
    )
    again = PasswordField("The same password again", [EqualTo("password", "The two passwords differ.")])
