"""Every single request of a run goes wrong once, in each way in which requests do: the run ends as if nothing had been, or those it could
not move have failed with a sentence, and a retry moves them. Nobody is doubled, left open, or loses what they had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from panel.domain.statuses import MigrationStatus, MoveStatus
from panel.extensions import db
from panel.platforms.http import HttpDoor
from panel.services import pace
from panel.services.run import steer
from panel.simulators.http import Call, Fault
from tests.faults.stage import Stage, stage
from tests.faults.state import differences, end_state, without_link, wrongs
from tests.faults.whose import unproved
from tests.scene import PAIRS

#: Seconds a client waits for an answer here, and how long one takes that comes too late.
READ_S, TOO_LATE_S = 0.4, 0.55
PAGE = "<html><body>Bad Gateway</body></html>"

KINDS = {
    "answer lost": {"drop": True, "effect": True},
    "connection cut before": {"drop": True},
    "500": {"status": 500},
    "500 after the effect": {"status": 500, "effect": True},
    "502": {"status": 502, "body": PAGE, "content_type": "text/html"},
    "429": {"status": 429},
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "7"}},
    "no answer in time": {"drop": True, "delay_s": TOO_LATE_S},
    "no answer in time, after the effect": {"drop": True, "delay_s": TOO_LATE_S, "effect": True},
    "half a body": {"half": True},
    "a page instead of data": {"html": True},
    "a page after the effect": {"html": True, "effect": True},
}
#: How many requests after it may be lost: after half of an empty body, which is whole, the client learns only by the next one that the
#: connection is closed.
LOST = {"half a body": 1}


class Watch:
    """Looks whether anybody loses the source before they have the target, and remembers which request was hit."""

    def __init__(self, on: Stage, fault: Fault, nth: int) -> None:
        self.on, self.fault, self.nth = on, fault, nth
        self.lost: list[str] = []
        self.hit = ""

    def on_call(self, call: Call, moment: str) -> None:
        """Hooked into every simulator: at no moment may somebody have nothing."""
        if moment == "after" and self.fault.seen == self.nth and not self.hit:
            self.hit = call.path
        if moment == "after" and call.method != "GET":
            self.lost += [wrong for wrong in wrongs(self.on) if "nowhere" in wrong]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short patience, and cool-downs a small part as long."""
    made, cool = HttpDoor.__init__, pace.cool_down_s

    def hasty(self: HttpDoor, *args: object, **how: object) -> None:
        made(self, *args, **{**how, "timeouts": (READ_S, READ_S)})  # type: ignore[arg-type]

    monkeypatch.setattr(HttpDoor, "__init__", hasty)
    monkeypatch.setattr(pace, "cool_down_s", lambda *how: cool(*how) / 300)
    yield


def undisturbed(on: Stage) -> tuple[dict[str, object], int]:
    """The end state of a run nobody disturbs, and how many requests it takes."""
    on.reset()
    on.labour()
    assert not wrongs(on) + unproved(on)
    assert on.scene.outcome(on.run) == {"ada": "moved", "ben": "moved"}
    return end_state(on), sum(len(sim.journal) for sim in on.sims)


def one_bad_answer(on: Stage, expected: dict[str, object], nth: int, kind: str) -> list[str]:
    """A run whose nth request goes wrong; answers what is wrong with its end."""
    on.reset()
    fault = Fault(skip=nth - 1, **KINDS[kind])  # type: ignore[arg-type]
    watch = Watch(on, fault, nth)
    for sim in on.sims:
        sim.faults.append(fault)
    on.hook(watch.on_call)
    on.labour()
    found = [] if fault.seen >= nth else ["the request never came"]
    found += watch.lost + wrongs(on)
    run = on.run
    if any(move.status is MoveStatus.FAILED for move in run.moves):
        found += unexplained(on)
        steer.retry(run)
        db.session.commit()
        on.labour()
        found += wrongs(on)
    found += unproved(on, lost=LOST.get(kind, 0))
    ended = end_state(on)
    if watch.hit.endswith("/Connect/Link") and not (fault.effect or fault.half):
        # A link may send the person an e-mail and is asked for once: who is moved without it is named.
        unlinked = [move for move in on.run.moves if "Emby Connect" in move.remark]
        found += [] if len(unlinked) == 1 else [f"{[move.name for move in unlinked]} are named as not linked"]
        names = {move.name for move in unlinked}
        expected, ended = (without_link(state, on.run.target.name, names) for state in (expected, ended))
    return found + differences(expected, ended)


def unexplained(on: Stage) -> list[str]:
    """Who failed without a sentence, or without a way to be tried again."""
    failed = [move for move in on.run.moves if move.status is MoveStatus.FAILED]
    found = [f"{move.name} failed without a sentence" for move in failed if not move.detail.endswith(".")]
    found += [f"{move.name} cannot be tried again: {move.detail}" for move in failed if not move.retryable]
    if on.run.status is MigrationStatus.FAILED and not on.run.problem:
        found.append("the run failed without a sentence")
    return found


def run_all(source: str, target: str, kind: str, *, which: slice = slice(None), **staged: Any) -> None:
    """Every request of this pair's run."""
    failed = {}
    with stage(source, target, **staged) as on:
        expected, count = undisturbed(on)
        for nth in range(1, count + 1)[which]:
            if found := one_bad_answer(on, expected, nth, kind):
                failed[nth] = found
    assert not failed, "\n".join(f"request {nth}: {'; '.join(found)}" for nth, found in failed.items())


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_one_bad_answer_to_any_request_harms_nobody(source: str, target: str, kind: str) -> None:
    run_all(source, target, kind)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_answer_to_any_request_within_one_plex_account_harms_nobody(kind: str) -> None:
    run_all("plex", "plex", kind, same_account=True)


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["answer lost", "500 after the effect", "429 with Retry-After", "no answer in time"])
@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("plex", "plex")])
def test_one_bad_answer_to_a_third_of_the_requests_harms_nobody_on_postgresql(source: str, target: str, kind: str) -> None:
    run_all(source, target, kind, which=slice(1, None, 3), database="postgresql")


@pytest.mark.parametrize("kind", ["answer lost", "500 after the effect"])
def test_one_bad_answer_to_some_of_the_requests_harms_nobody(kind: str) -> None:
    run_all("jellyfin", "emby", kind, which=slice(2, None, 4))
