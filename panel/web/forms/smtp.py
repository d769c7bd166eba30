"""The mail server."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import Field, IntegerField, PasswordField, RadioField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from panel.models import Setting, SmtpSecurity
from panel.services.estate.kinds import Addresses, OptionalText, Sender
from panel.web.forms.kinds import AtMost, Between, OfKind

PORT_WRONG = "The port is a number from 1 to 65535, mostly 587 or 465."
SECURITIES = [
    SelectChoice(SmtpSecurity.STARTTLS.value, "STARTTLS (mostly port 587)"),
    SelectChoice(SmtpSecurity.TLS.value, "TLS (mostly port 465)"),
    SelectChoice(SmtpSecurity.NONE.value, "None (only within your own network)"),
]


class SmtpForm(FlaskForm):
    """How mail is sent. An empty password keeps the stored one, but never for another server or user name."""

    smtp_host = StringField("Host", [OfKind(OptionalText)], filters=[lambda value: (value or "").strip()])
    smtp_port = IntegerField("Port", [InputRequired(PORT_WRONG), Between(1, 65535, PORT_WRONG)])
    smtp_security = RadioField("Security", choices=SECURITIES)
    smtp_username = StringField("User name", [OfKind(OptionalText)], filters=[lambda value: (value or "").strip()])
    smtp_password = PasswordField("Password", [AtMost(1000)])
    smtp_sender = StringField("Sender", [OfKind(Sender)])
    test_to = StringField("Send the test mail to", [OfKind(Addresses)])

    def validate_smtp_host(self, field: Field) -> None:
        """A name or an address, not a URL."""
        if any(character in field.data for character in "/@ ") or field.data.count(":") == 1:
            raise ValidationError("It is the host alone, such as mail.example.org, without scheme and port.")

    def validate_smtp_password(self, field: Field) -> None:
        """A stored password is not shown to a server or sent for a user it was not typed for."""
        stored = Setting.current()
        if field.data or not self.smtp_username.data or not stored.smtp_password:
            return
        if (self.smtp_host.data, self.smtp_username.data) != (stored.smtp_host, stored.smtp_username) or self._is_weaker(stored):
            raise ValidationError("Server, user or security have changed: type the password again.")

    def fill(self, setting: Setting, stored_password: str | None) -> None:
        """Write what was typed into a row; the stored password goes along where none was typed."""
        for name in ("smtp_host", "smtp_port", "smtp_username", "smtp_sender"):
            setattr(setting, name, self[name].data)
        setting.smtp_security = SmtpSecurity(self.smtp_security.data)
        setting.smtp_password = (self.smtp_password.data or stored_password) if self.smtp_username.data else None

    def _is_weaker(self, stored: Setting) -> bool:
        return self.smtp_security.data == SmtpSecurity.NONE.value and stored.smtp_security is not SmtpSecurity.NONE
