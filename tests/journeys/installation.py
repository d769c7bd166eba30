"""A panel that `flask up` runs, empty at first, and the world around it: plex.tv, media servers, a mail server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from panel.config import Config
from panel.demo.inbox import Inbox
from panel.demo.received import Mail
from panel.simulators.http import Simulator
from panel.simulators.plex_tv import PlexTv
from tests.fixtures import QUICK
from tests.flask_up import flask_up, power_cut
from tests.processes import wait_until

#: How long anything that takes a moment may take on a busy machine.
PATIENCE_S = 60.0


class Installation:
    """A running `flask up` of its own. `tv` is its plex.tv, `inbox` takes the mails in at `smtp_port`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stack = stack
        self.tv = PlexTv()
        self.inbox = Inbox()
        self.smtp_port = self.inbox.receive()
        stack.callback(self.inbox.stop)
        self.opened(self.tv)
        config = Config.from_env({"PANEL_VAR": str(folder / "var"), "PLEX_TV_URL": self.tv.url, **QUICK})
        # How a tree ends in good order is told elsewhere.
        self.up = stack.enter_context(flask_up(config, folder / "up.log", end=power_cut))

    def opened(self, host: Simulator) -> Simulator:
        """A simulated host that answers until the installation ends."""
        self.stack.enter_context(host.running())
        return host

    @property
    def setup_link(self) -> str:
        """The link for the first admin, as `flask up` prints it; waits for it."""
        return self.up.told(r"Create the first admin .*: (http://\S+/setup/\S+)")

    def mail(self, to: str, subject: str) -> Mail:
        """The newest mail to somebody whose subject begins like this; waits for it."""

        def newest() -> Mail | None:
            return next((mail for mail in self.inbox.mails[::-1] if to in mail.recipients and mail.subject.startswith(subject)), None)

        wait_until(newest, PATIENCE_S)
        found = newest()
        assert found is not None
        return found


@contextmanager
def empty_installation(folder: Path) -> Iterator[Installation]:
    """Nothing in it but what ships."""
    with ExitStack() as stack:
        yield Installation(folder, stack)
