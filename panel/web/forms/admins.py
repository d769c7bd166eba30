"""Somebody who may sign in."""

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, RadioField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from panel.models import Role
from panel.models.admin import MIN_PASSWORD_LENGTH
from panel.services.estate.kinds import Address
from panel.web.forms.auth import LONGEST
from panel.web.forms.kinds import AtMost, OfKind, PasswordLength

ROLES = {
    Role.ADMINISTRATOR: ("Administrator", "May do everything."),
    Role.VIEWER: ("Viewer", "May look at everything, and change nothing but their own sign-in."),
}


class AdminForm(FlaskForm):
    """A new one."""

    email = EmailField("E-mail", [InputRequired("Type their e-mail."), AtMost(255), OfKind(Address)])
    role = RadioField("Role", choices=[SelectChoice(role.value, label) for role, (label, _) in ROLES.items()], default=Role.VIEWER.value)
    password = PasswordField(
        f"First password, at least {MIN_PASSWORD_LENGTH} characters",
        [
            InputRequired("Choose their first password."),
            PasswordLength(MIN_PASSWORD_LENGTH, LONGEST),
        ],
    )
