"""What is set for the whole installation: one row."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import String, Text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from panel.extensions import Model, db
from panel.models.types import EnumText, Secret


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Setting(Model):
    """The one row of settings, made with its defaults when first read."""

    __tablename__ = "settings"

    id: Mapped[int] = mapped_column(primary_key=True)
    admin_email: Mapped[str] = mapped_column(String(500), default="")
    pace_s: Mapped[float | None]
    "Seconds between two users where Plex is on either side; empty: 30."
    import_as_permanent: Mapped[bool] = mapped_column(default=False)
    sync_every_h: Mapped[float] = mapped_column(default=1.0)
    "Hours between two syncs of a server; 0: only by hand."
    remind_after_d: Mapped[int] = mapped_column(default=7)
    "Days after which somebody who has not accepted an invite is reminded by mail, once; 0: never."
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    public_url: Mapped[str] = mapped_column(String(500), default="")
    "The address people reach the panel at; `PANEL_PUBLIC_URL` goes before it."
    smtp_host: Mapped[str] = mapped_column(String(255), default="")
    smtp_port: Mapped[int] = mapped_column(default=587)
    smtp_security: Mapped[SmtpSecurity] = mapped_column(EnumText(SmtpSecurity), default=SmtpSecurity.STARTTLS)
    smtp_username: Mapped[str] = mapped_column(String(255), default="")
    smtp_password: Mapped[str | None] = mapped_column(Secret)
    smtp_sender: Mapped[str] = mapped_column(String(255), default="")
    smtp_proved: Mapped[str] = mapped_column(Text, default="")
    "`smtp_settings` when a mail server last took a mail."

    @property
    def smtp_settings(self) -> str:
        """How mail is sent, without the password, as one text to be compared."""
        return f"{self.smtp_security}://{self.smtp_username}@{self.smtp_host}:{self.smtp_port} {self.smtp_sender}"

    @property
    def mail_works(self) -> bool:
        """Whether a mail server has taken a mail with these settings."""
        return bool(self.smtp_host) and self.smtp_proved == self.smtp_settings

    @classmethod
    def current(cls) -> Setting:
        """The row; flushed, not committed, when it had to be made."""
        row = db.session.get(cls, 1)
        if row is not None:
            return row
        try:
            with db.session.begin_nested():
                db.session.add(cls(id=1))
        except IntegrityError:
            pass  # Another process has made it at the same moment.
        return db.session.get_one(cls, 1)
