"""A worker killed at every single request of a run, before and after it: the next one leads both servers and the database to the same end
as a run that nobody disturbed; nobody is invited, made or written to twice, no account stays open, and what was sent is written down.

What is killed is one forked process that does a worker's work on that run, in the middle of it; queue, supervisor and work-horses are no
part of it (see `test_machine_cuts`, `test_power_cuts` and `test_orphans`). No mail is sent here: that nobody is written to twice means the
rows that wait to be sent. Mails that arrive are counted in `test_machine_cuts`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.crash import Crashed, Zygote, crash, zygote
from tests.faults.stage import Stage, stage
from tests.faults.state import differences, end_state, wrongs
from tests.faults.whose import unproved
from tests.scene import PAIRS

#: Seconds within which the next worker is done with what the dead one left.
RECOVERY_S = 30.0
#: The least part of the requests of an undisturbed run at which a worker must really have died.
MOSTLY = 0.8


def undisturbed(on: Stage, workers: Zygote) -> tuple[dict[str, object], int]:
    """The end state of a run nobody disturbs, and how many requests it takes."""
    on.reset()
    workers.start(here=True)
    assert workers.go() == 0
    assert not wrongs(on) + unproved(on)
    assert on.scene.outcome(on.run) == {"ada": "moved", "ben": "moved"}
    return end_state(on), sum(len(sim.journal) for sim in on.sims)


def problems(on: Stage, expected: dict[str, object], crashed: Crashed, width: int) -> list[str]:
    """What is wrong after a crash."""
    found = wrongs(on) + differences(expected, end_state(on)) + unproved(on) + not_closed_first(crashed, width)
    if crashed.whole_s > RECOVERY_S:
        found.append(f"recovery took {crashed.whole_s:.1f} s")
    return found


def not_closed_first(crashed: Crashed, width: int) -> list[str]:
    """Where something came before the closing of what stood open: at width 1 anything at all, else another account that was made, or
    something about somebody whom nobody had in hand."""
    found, still_open = [], set(crashed.open_then)
    for number, change in enumerate(crashed.changes):
        if not still_open:
            break
        if change.name in still_open and not change.closes:
            found.append(f"{change.name} stood open, and about them first came {change.path}")
        known = change.name in crashed.open_then | crashed.in_hand and not change.path.endswith("/New")
        if change.name not in still_open and (not known or (width == 1 and number == 0)):
            found.append(f"{sorted(still_open)} stood open, and before came {change}")
        still_open.discard(change.name)
    return found + [f"{name} stood open, and nothing was done about it" for name in sorted(still_open)]


def run_all(source: str, target: str, moment: str, *, width: int = 1, which: slice = slice(None), **staged: Any) -> None:
    """Every request of this pair's run."""
    failed, struck = {}, 0
    with stage(source, target, width=width, **staged) as on, zygote(on) as workers:
        expected, count = undisturbed(on, workers)
        for nth in range(1, count + 1)[which]:
            crashed = crash(on, workers, nth, moment)
            assert crashed.struck or width > 1, f"request {nth} of {count} never came"
            struck += crashed.struck
            if found := problems(on, expected, crashed, width) if crashed.struck else []:
                failed[nth] = found
    assert not failed, "\n".join(f"request {nth}: {'; '.join(found)}" for nth, found in failed.items())
    tried = len(range(1, count + 1)[which])
    # Side by side one list may do for two users, or not: how many requests there are differs by a few from run to run.
    assert struck >= MOSTLY * tried, f"only {struck} of {tried} requests came"


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    # On Plex one user is moved at a time, whatever is set.
    ("source", "target", "width"),
    [(*pair, width) for pair in PAIRS for width in (1, 2) if width == 1 or pair[1] != "plex"],
)
def test_a_crash_at_every_request_changes_nothing(source: str, target: str, width: int, moment: str) -> None:
    run_all(source, target, moment, width=width)


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_at_every_request_within_one_plex_account_changes_nothing(moment: str) -> None:
    run_all("plex", "plex", moment, width=1, same_account=True)


@pytest.mark.faults
@pytest.mark.parametrize(("source", "target", "moment", "width"), [("jellyfin", "emby", "after", 2), ("plex", "jellyfin", "before", 1)])
def test_a_crash_at_one_request_in_two_changes_nothing_on_postgresql(source: str, target: str, moment: str, width: int) -> None:
    run_all(source, target, moment, width=width, which=slice(0, None, 2), database="postgresql")


def test_a_crash_at_one_request_in_four_changes_nothing() -> None:
    run_all("jellyfin", "emby", "after", width=1, which=slice(1, None, 4))
