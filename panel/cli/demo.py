"""`flask demo`: the panel with simulated media servers, to look at and to try out."""

from __future__ import annotations

import sys

import click

from panel import launcher

WELCOME = """
  Panel   {url}
  Login   {login}   password  {password}
  Inbox   {inbox}   (every mail the panel sends arrives here)

  Migration {run} from {source} to {target} has just begun: {url}/migrations/{run}

  Then try:
  1. At once: Servers → Ash → Migrate users… → Elm: two Plex accounts, so people get invites. They accept a quarter of a minute later,
     all but Cora; the panel asks every five minutes.
  2. When migration {run} has ended, “Retry” among her Actions moves Xenia, whom plex.tv refused once. Then Birch → Ash: three reasons
     why this pair cannot start, each with what to do about it.
  3. Birch → Cedar (Emby): no Plex, no pause. Open one of the claim links in the inbox and choose a password.

  Everything is simulated and forgotten at the next start. Ctrl+C ends it.
"""


@click.command("demo")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for a free one.")
@click.option("--pace", type=click.FloatRange(0, 3600), help="Seconds between two users where Plex is on either side (1; headless 0.2).")
@click.option("--headless", is_flag=True, help="Run one migration to its end, print result and mail, and exit.")
def demo(port: int, pace: float | None, headless: bool) -> None:
    """Run the panel with simulated media servers, sample users and an inbox."""
    from panel.config import ConfigError
    from panel.demo import headless as alone
    from panel.demo import ports
    from panel.demo.estate import ADMIN
    from panel.demo.stage import Stage, emptied
    from panel.tree import TreeError

    try:
        door = launcher.listen(ports.HOST, 0 if headless else port)
        stage = Stage(emptied(), door, pace if pace is not None else (0.2 if headless else 1.0))
    except (TreeError, ConfigError, OSError) as error:
        click.echo(f"The demo did not start: {error}", err=True)
        sys.exit(1)

    def when_up(url: str) -> int | None:
        if headless:
            return alone.play(stage)
        run = stage.begin()
        source, target = stage.world.cast.first_run
        words = {"login": ADMIN, "password": stage.password, "inbox": stage.inbox_url, "source": source, "target": target}
        click.echo(WELCOME.format(url=url, run=run, **words))
        return None

    sys.exit(launcher.up(stage.config(), listener=door, before=stage.set_up, when_up=when_up))


COMMANDS = [demo]
