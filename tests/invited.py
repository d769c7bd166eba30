"""People who were invited to a Plex server of another account, and the days after which they are reminded."""

from __future__ import annotations

from panel.domain.statuses import Removal
from panel.models import Migration, Setting
from tests.scene import Scene


def two_invited(scene: Scene, removal: Removal = Removal.WHEN_ACTIVE) -> Migration:
    """A run from a Jellyfin server that has invited ada and ben; neither has accepted."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    for name in ("ada", "ben"):
        scene.person(name)
    run = scene.move(removal=removal)
    assert scene.outcome(run) == {"ada": "invited", "ben": "invited"}
    return run


def remind_after(days: int) -> None:
    """Mails can be sent from now on, and reminders are, so many days after the invite. Not committed."""
    setting = Setting.current()
    setting.smtp_host, setting.remind_after_d = "mail.example.test", days
