"""The power of the whole machine is cut, 200 times: every process of the installation dies at once, at any moment from its start to the end
of the run, and now and then Redis has lost everything. `flask up` alone has to put it right."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from typing import Any

import pytest

from panel.simulators.http import Fault
from tests.faults.recovery import RECOVERY_S, has_ended
from tests.faults.stage import Stage, stage
from tests.faults.state import differences, end_state, wrongs
from tests.faults.whose import unproved
from tests.flask_up import flask_up, power_cut
from tests.mission.mailbox import Mailbox, MailServer
from tests.processes import wait_until
from tests.scene import PAIRS

CUTS_EACH, SEEDS = 10, 20
#: A tree that is not cut while it starts is cut after so many requests of its own at most.
MOST_REQUESTS = 14
#: What a mail that was sent, or is on its way, leaves behind.
OF_MAILS = ("table emails", "table settings")
#: The link to the first administrator, and those in mails.
LINKS = "table one_time_links"


def requests(on: Stage) -> int:
    """How many there were since the stage was put back."""
    return sum(len(sim.journal) for sim in on.sims)


def changes(on: Stage) -> int:
    """How many of them were to change something: nobody but the run sends such ones."""
    return sum(len(sim.calls(changes=True)) for sim in on.sims)


def slow_down(on: Stage) -> None:
    """Changes take as long as they do with a server that has something to do."""
    for side in on.scene.sides:
        side.sim.faults.append(Fault(method="POST", times=None, delay_s=0.1))


def cut_once(on: Stage, chance: random.Random) -> bool:
    """A tree that dies at a random moment; whether the run was still on then."""
    nth = requests(on) + chance.randint(1, MOST_REQUESTS)
    with flask_up(on.config, end=power_cut) as up:
        if chance.random() < 0.25:
            threading.Event().wait(chance.uniform(0, 4))
        else:
            wait_until(lambda: requests(on) >= nth or has_ended(on.run_id, on.database), 120)
            threading.Event().wait(chance.uniform(0, 0.2))
        power_cut(up)
    if chance.random() < 0.3:
        shutil.rmtree(on.config.var / "redis", ignore_errors=True)
    return not has_ended(on.run_id, on.database)


def let_it_end(on: Stage) -> None:
    """The tree that is left alone: it goes on with the run soon, and to the end. Whoever was invited accepts then."""
    before, began = changes(on), time.monotonic()
    with flask_up(on.config, end=power_cut):
        wait_until(lambda: changes(on) > before or has_ended(on.run_id, on.database), 120)
        assert time.monotonic() - began < RECOVERY_S
        wait_until(lambda: has_ended(on.run_id, on.database), 120)
    on.labour()


def require_single_mails(mailbox: Mailbox) -> None:
    """Nobody is told anything twice."""
    told = Counter((str(mail["To"]), str(mail["Subject"])) for mail in mailbox.mails)
    assert not [mail for mail, times in told.items() if times > 1]


def of_run(state: dict[str, Any]) -> dict[str, Any]:
    """An end state but for what becomes of a mail that was under way; how many there are of them counts."""
    return {where: len(rows) if where in OF_MAILS else rows for where, rows in state.items() if where != LINKS}


@pytest.mark.cuts
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_power_cuts_of_the_whole_machine_change_nothing(seed: int) -> None:
    chance = random.Random(seed)
    mailbox = Mailbox()
    post = MailServer(mailbox)
    post.start()
    with stage(*PAIRS[seed % len(PAIRS)], width=2, mail_port=post.port) as on:
        on.reset()
        on.labour()
        expected = of_run(end_state(on))
        cuts = 0
        while cuts < CUTS_EACH:
            on.reset()
            slow_down(on)
            mailbox.mails.clear()
            while cuts < CUTS_EACH and cut_once(on, chance):
                cuts += 1
            let_it_end(on)
            assert not wrongs(on) + differences(expected, of_run(end_state(on))) + unproved(on), f"after {cuts} cuts"
            require_single_mails(mailbox)
    post.stop()
