"""A worker killed at every single request of a run, before and after it: the next one leads both servers and the database to the same end
as a run that nobody disturbed; nobody is invited, made or written to twice, and no account stays open."""

from __future__ import annotations

import pytest

from tests.faults.crash import Crashed, Zygote, crash, zygote
from tests.faults.stage import Stage, stage
from tests.faults.state import differences, end_state, wrongs
from tests.scene import PAIRS

#: Seconds within which the next worker is done with what the dead one left.
RECOVERY_S = 30.0


def undisturbed(on: Stage, workers: Zygote) -> tuple[dict[str, object], int]:
    """The end state of a run nobody disturbs, and how many requests it takes."""
    on.reset()
    workers.start(here=True)
    assert workers.go() == 0
    assert not wrongs(on)
    assert on.scene.outcome(on.run) == {"ada": "moved", "ben": "moved"}
    return end_state(on), sum(len(sim.journal) for sim in on.sims)


def problems(on: Stage, expected: dict[str, object], crashed: Crashed) -> list[str]:
    """What is wrong after a crash."""
    found = wrongs(on) + differences(expected, end_state(on))
    if crashed.whole_s > RECOVERY_S:
        found.append(f"recovery took {crashed.whole_s:.1f} s")
    if crashed.open_then and not all(_closes(path) for path in crashed.first_changes):
        found.append(f"{crashed.open_then} stood open, and first came {crashed.first_changes}")
    return found


def _closes(path: str) -> bool:
    return path.endswith(("/Password", "/Policy"))


def run_all(
    source: str, target: str, moment: str, *, width: int, same_account: bool = False, which: slice = slice(None), database: str = "sqlite"
) -> None:
    """Every request of this pair's run."""
    failed = {}
    with stage(source, target, width=width, same_account=same_account, database=database) as on, zygote(on) as workers:
        expected, count = undisturbed(on, workers)
        for nth in range(1, count + 1)[which]:
            crashed = crash(on, workers, nth, moment)
            assert crashed.struck or width > 1, f"request {nth} of {count} never came"
            if found := problems(on, expected, crashed) if crashed.struck else []:
                failed[nth] = found
    assert not failed, "\n".join(f"request {nth}: {'; '.join(found)}" for nth, found in failed.items())


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
