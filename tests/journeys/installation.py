"""A panel that `flask up` runs, empty at first, and the world around it: plex.tv, media servers, a mail server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from panel.config import ROOT, Config
from panel.demo.inbox import Inbox
from panel.demo.received import Mail
from panel.simulators.http import Simulator
from panel.simulators.plex_tv import PlexTv
from tests.fixtures import QUICK
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
        self.log = folder / "up.log"
        self.config = Config.from_env({"PANEL_VAR": str(folder / "var"), "PLEX_TV_URL": self.tv.url, **QUICK})
        self.process = self._started()
        stack.callback(self._stop)

    def opened(self, host: Simulator) -> Simulator:
        """A simulated host that answers until the installation ends."""
        self.stack.enter_context(host.running())
        return host

    @property
    def setup_link(self) -> str:
        """The link for the first admin, as `flask up` prints it; waits for it."""
        wait_until(lambda: "/setup/" in self._said() or self.process.poll() is not None, PATIENCE_S)
        found = re.search(r"Create the first admin .*: (http://\S+/setup/\S+)", self._said())
        assert found is not None, self._said()
        return found[1]

    def mail(self, to: str, subject: str) -> Mail:
        """The newest mail to somebody whose subject begins like this; waits for it."""

        def newest() -> Mail | None:
            return next((mail for mail in self.inbox.mails[::-1] if to in mail.recipients and mail.subject.startswith(subject)), None)

        wait_until(newest, PATIENCE_S)
        found = newest()
        assert found is not None
        return found

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "flask", "up", "--port", "0"],
                cwd=ROOT,
                env=self.config.child_environ(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _stop(self) -> None:
        # How a tree ends in good order is told elsewhere; its parts do not outlive it.
        self.process.kill()
        self.process.wait()


@contextmanager
def empty_installation(folder: Path) -> Iterator[Installation]:
    """Nothing in it but what ships."""
    with ExitStack() as stack:
        yield Installation(folder, stack)
