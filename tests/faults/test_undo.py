"""An undo under the faults a run has to bear: its worker killed at every request, and every request going wrong. The end is the one of an
undo that nobody disturbs, and nobody is left with less than before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults import test_bad_answers as bad
from tests.faults import test_crashes as crashes
from tests.faults.test_bad_answers import quick
from tests.scene import PAIRS

__all__ = ["quick"]


WIDTHS = [*((*pair, 1) for pair in PAIRS), ("jellyfin", "emby", 2), ("emby", "emby", 2)]
#: For each platform once what it is like to give back on it, and to withdraw from it; the others take their time in `make test-cuts`.
FIRST = [(*pair, 1) for pair in (("jellyfin", "emby"), ("emby", "jellyfin"), ("plex", "plex"), ("plex", "emby"), ("jellyfin", "plex"))]
MOST_TELLING = ["answer lost", "500 after the effect", "429 with Retry-After"]


def marked(case: Any, is_first: bool) -> Any:
    """The case as one of `make test-faults`, or of the longer `make test-cuts`."""
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.faults if is_first else pytest.mark.cuts)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("source", "target", "width"), [marked(case, case in FIRST) for case in WIDTHS])
def test_a_crash_at_every_request_of_an_undo_changes_nothing(source: str, target: str, width: int, moment: str) -> None:
    crashes.run_all(source, target, moment, width=width, undoes=True)


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_at_every_request_of_an_undo_within_one_plex_account_changes_nothing(moment: str) -> None:
    crashes.run_all("plex", "plex", moment, same_account=True, undoes=True)


@pytest.mark.cuts
@pytest.mark.parametrize(("source", "target", "moment"), [("jellyfin", "emby", "after"), ("plex", "jellyfin", "before")])
def test_a_crash_at_one_request_in_two_of_an_undo_changes_nothing_on_postgresql(source: str, target: str, moment: str) -> None:
    crashes.run_all(source, target, moment, which=slice(0, None, 2), undoes=True, database="postgresql")


@pytest.mark.parametrize("kind", [marked(kind, kind in MOST_TELLING) for kind in bad.KINDS])
@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("plex", "plex"), ("plex", "emby")])
def test_one_bad_answer_to_any_request_of_an_undo_harms_nobody(source: str, target: str, kind: str) -> None:
    bad.run_all(source, target, kind, undoes=True)


def test_a_crash_at_one_request_in_four_of_an_undo_changes_nothing() -> None:
    crashes.run_all("jellyfin", "emby", "after", which=slice(1, None, 4), undoes=True)
