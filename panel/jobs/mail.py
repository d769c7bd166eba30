"""The job that sends one mail of the outbox."""

from panel.services import mail


def send(email_id: int) -> None:
    """Claim and send it; harmless when somebody else has."""
    mail.send(email_id)
