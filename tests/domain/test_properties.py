"""What holds for every user, pair and moment: the rules of the product under made-up facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panel.domain import eligibility, pacing, statuses
from panel.domain.compatibility import BLOCKERS, PairFacts, Side, blockers_of
from panel.domain.eligibility import RULES, Candidate, Pair, TargetAccess, judge, judge_all, libraries_for, plan_of
from panel.domain.libraries import PRIVATE, GroupedLibrary, Offer
from panel.domain.platform import Platform
from panel.domain.reasons import REASON_WORDS, Blocker, Reason, Refusal
from panel.domain.statuses import MOVE_TRANSITIONS, OPEN, MigrationStatus, MoveStatus, Removal
from panel.domain.subscriptions import Period, PlanTerms
from panel.domain.suggestions import NamedLibrary, suggestions

quick = settings(derandomize=True, deadline=None, max_examples=70)

Status = TypeVar("Status")
NOW = datetime(2026, 5, 1, tzinfo=UTC)
GROUPS = st.frozensets(st.integers(1, 5), max_size=4)
platforms = st.sampled_from(Platform)
plans = st.builds(PlanTerms, st.integers(1, 4), st.just("Plan"), GROUPS, st.booleans())
days = st.integers(-40, 40).map(lambda day: NOW + timedelta(days=day))
periods = st.builds(lambda plan, one, other: Period(plan, min(one, other), max(one, other)), plans, days, days)
emails = st.sampled_from(["", "a@example.test"])
candidates = st.builds(
    Candidate,
    id=st.integers(1, 99),
    name=st.just("Somebody"),
    permanent=st.booleans(),
    must_change_plex_account=st.booleans(),
    plex_email=emails,
    emby_email=emails,
    periods=st.lists(periods, max_size=3).map(tuple),
    shares_source=st.booleans(),
    is_owner=st.booleans(),
    source_group_ids=GROUPS,
    target_access=st.sampled_from(TargetAccess),
    name_is_taken=st.booleans(),
)
libraries = st.builds(GroupedLibrary, st.integers(1, 99), st.text(max_size=3), st.text(max_size=5), st.none() | st.integers(1, 5))
offers = st.lists(libraries, max_size=6).map(lambda rows: Offer(tuple(rows)))
pairs = st.builds(Pair, platforms, platforms, st.just(NOW), offers, st.none() | st.integers(-1, 3))
sides = st.builds(Side, st.integers(1, 3), st.sampled_from(["A", "B"]), platforms, st.booleans(), st.booleans(), st.booleans(), offers)
facts = st.builds(
    PairFacts,
    sides,
    sides,
    st.lists(plans, max_size=3).map(tuple),
    st.dictionaries(st.integers(1, 5), st.text(max_size=5)),
    st.frozensets(platforms),
    st.lists(st.just("A"), max_size=1).map(tuple),
    st.lists(st.just(Refusal(Blocker.WRONG_SERVER, "Another one.")), max_size=1).map(tuple),
)


@quick
@given(candidates, pairs)
def test_nobody_moves_with_a_reason_to_stay_and_all_reasons_are_told(candidate: Candidate, pair: Pair) -> None:
    verdict = judge(candidate, pair)
    told = {reason for rule in RULES if (reason := rule(candidate, pair))}
    assert verdict.moves is not bool(told)
    assert told <= set(verdict.reasons) and set(verdict.reasons) - told <= {Reason.ALREADY_THERE}
    assert len(set(verdict.reasons)) == len(verdict.reasons)
    assert not told or Reason.ALREADY_THERE not in verdict.reasons
    assert judge(candidate, pair) == verdict


@quick
@given(candidates, pairs)
def test_nobody_gets_more_than_the_groups_they_are_entitled_to(candidate: Candidate, pair: Pair) -> None:
    plan = plan_of(candidate, pair)
    entitled = plan.group_ids if plan else candidate.source_group_ids
    given_libraries = libraries_for(candidate, pair)
    assert {library.group_id for library in given_libraries} <= entitled
    assert set(given_libraries) == {library for library in pair.offer.libraries if library.group_id in entitled}
    if judge(candidate, pair).moves:
        assert given_libraries, "an empty list of libraries is never given"
        assert plan or candidate.permanent, "nobody moves without a claim"
        assert candidate.shares_source and not candidate.is_owner


@quick
@given(candidates, pairs)
def test_a_plan_in_force_covers_the_moment_and_none_lasts_longer(candidate: Candidate, pair: Pair) -> None:
    current = [period for period in candidate.periods if period.start <= NOW <= period.end]
    plan = plan_of(candidate, pair)
    assert (plan is None) is (not current)
    if current:
        assert plan in [period.plan for period in current if period.end == max(one.end for one in current)]


@quick
@given(candidates, pairs, st.sampled_from(["is_owner", "must_change_plex_account", "name_is_taken"]))
def test_one_thing_more_against_somebody_never_lets_them_move(candidate: Candidate, pair: Pair, flaw: str) -> None:
    worse = judge(replace(candidate, **{flaw: True}), pair)
    better = judge(replace(candidate, **{flaw: False}), pair)
    assert better.moves or not worse.moves
    assert {*better.reasons} - {Reason.ALREADY_THERE} <= {*worse.reasons}


@quick
@given(st.lists(candidates, max_size=6), pairs)
def test_no_more_newcomers_move_than_there_is_room(people: list[Candidate], pair: Pair) -> None:
    verdicts = judge_all(people, pair)
    assert [verdict.candidate for verdict in verdicts] == people
    newcomers = [verdict for verdict in verdicts if verdict.moves and verdict.candidate.target_access is TargetAccess.NONE]
    assert pair.room is None or len(newcomers) <= max(0, pair.room)


@quick
@given(facts)
def test_every_blocker_of_a_pair_is_told_with_a_sentence(pair: PairFacts) -> None:
    told = blockers_of(pair)
    assert told == [refusal for blocker in BLOCKERS for refusal in blocker(pair)] + list(pair.problems)
    assert all(len(refusal.message) > 10 for refusal in told)
    codes = {refusal.code for refusal in told}
    assert (Blocker.SAME_SERVER in codes) is (pair.source.id == pair.target.id)
    assert (Blocker.TARGET_DISABLED in codes) is (not pair.target.enabled)
    assert (Blocker.PLATFORM_NOT_ALLOWED in codes) is bool({pair.source.platform, pair.target.platform} - pair.platforms_allowed)
    if not codes and pair.plans:
        # Whoever may see something by a plan in use finds an equal on the other side.
        groups = frozenset().union(*(plan.group_ids for plan in pair.plans))
        assert groups & pair.source.offer.group_ids == groups & pair.target.offer.group_ids
        downloads = any(plan.allow_downloads for plan in pair.plans)
        licensed = all(side.has_downloads_licence for side in pair.sides if side.platform is not Platform.JELLYFIN)
        assert licensed or not downloads


moments = st.integers(-(10**6), 10**6).map(lambda seconds: NOW + timedelta(seconds=seconds))
seconds = st.floats(0, 10**5)


@quick
@given(moments, st.none() | moments, seconds, st.none() | moments)
def test_a_turn_never_comes_early(now: datetime, last: datetime | None, interval: float, not_before: datetime | None) -> None:
    turn = pacing.next_turn(now, last, interval, not_before)
    assert turn >= now
    assert last is None or turn >= last + timedelta(seconds=interval)
    assert not_before is None or turn >= not_before
    assert turn in (now, not_before, last + timedelta(seconds=interval) if last else now), "and not later than it has to"


@quick
@given(st.integers(-5, 10**6), st.none() | st.floats(-10, 10**9), st.floats(0, 1))
def test_a_cool_down_is_neither_endless_nor_shorter_than_asked(times: int, asked: float | None, chance: float) -> None:
    wait, jitter = pacing.cool_down_s(times, asked, chance), pacing.LONGEST_COOL_DOWN_S * pacing.JITTER
    assert 1 <= wait <= max(pacing.LONGEST_COOL_DOWN_S, min(asked or 0, pacing.LONGEST_ASKED_S)) + jitter
    assert asked is None or wait >= min(asked, 24 * 3600)
    assert pacing.cool_down_s(times + 1, asked, chance) >= wait


@pytest.mark.parametrize("asked", [0.0, -5.0, 7.0])
def test_what_is_asked_for_too_shortly_again_and_again_is_no_reason_to_keep_asking(asked: float) -> None:
    waits = [pacing.cool_down_s(times, asked) for times in range(1, 13)]
    assert waits[0] == max(asked, 1.0), "the first time it is taken at its word"
    assert waits[1:4] == [30.0, 60.0, 120.0] and waits[-1] == pacing.LONGEST_COOL_DOWN_S


def test_hours_that_are_asked_for_are_waited_and_a_time_that_is_nonsense_is_a_day() -> None:
    assert [pacing.cool_down_s(1, asked) for asked in (7200.0, 1e9)] == [7200.0, 86400.0]


@quick
@given(st.lists(st.booleans(), max_size=60))
def test_an_account_is_never_asked_faster_than_its_pace_and_gets_back_to_it(refused: list[bool]) -> None:
    slowness = 1.0
    for bad in refused:
        slowness = pacing.slower(slowness) if bad else pacing.faster(slowness)
        assert 1.0 <= slowness <= pacing.SLOWEST
    for _ in range(30):
        slowness = pacing.faster(slowness)
    assert slowness == 1.0


@quick
@given(platforms, platforms, st.sampled_from(Removal), st.floats(0, 600), st.integers(0, 5000))
def test_everybody_takes_a_turn_and_the_estimate_counts_it(
    source: Platform, target: Platform, removal: Removal, pace: float, users: int
) -> None:
    gives = pacing.paced_at_give(source, target, removal)
    takes = pacing.paced_at_take(source) and removal is not Removal.KEEP
    assert gives or takes
    least = max(0, users - 1) * pace
    assert pacing.duration_s(users, source, target, removal, pace) >= least
    assert pacing.duration_s(users + 1, source, target, removal, pace) >= pacing.duration_s(users, source, target, removal, pace)


def test_every_status_of_a_run_is_reached_and_only_a_retry_leaves_an_end() -> None:
    ends = {MigrationStatus.FINISHED, MigrationStatus.CANCELLED, MigrationStatus.FAILED}
    assert reached(MigrationStatus.QUEUED, statuses.MIGRATION_TRANSITIONS) == set(MigrationStatus)
    assert set(statuses.ACTIVE) | ends == set(MigrationStatus) and not set(statuses.ACTIVE) & ends
    assert all(statuses.MIGRATION_TRANSITIONS[end] <= {MigrationStatus.RUNNING} for end in ends)
    assert all(ends & reached(status, statuses.MIGRATION_TRANSITIONS) for status in MigrationStatus), "every run can come to an end"
    assert all(status not in after for status, after in statuses.MIGRATION_TRANSITIONS.items())


def test_every_status_of_a_user_is_reached_and_ends_are_ends() -> None:
    assert reached(MoveStatus.PENDING, MOVE_TRANSITIONS) == set(MoveStatus)
    for end in (MoveStatus.MOVED, MoveStatus.SKIPPED, MoveStatus.CANCELLED):
        assert not MOVE_TRANSITIONS[end]
    assert all(MOVE_TRANSITIONS[status] for status in OPEN)
    settled = set(MoveStatus) - set(OPEN)
    assert all(settled & ({status} | reached(status, MOVE_TRANSITIONS)) for status in MoveStatus)


@quick
@given(st.sampled_from(MigrationStatus), st.sampled_from(MigrationStatus))
def test_what_may_come_before_is_what_may_be_followed(one: MigrationStatus, other: MigrationStatus) -> None:
    assert (one in statuses.before(other)) is statuses.may_follow(one, other)


def reached(start: Status, table: Mapping[Status, frozenset[Status]]) -> set[Status]:
    """Every status that can be got to, the start included."""
    found, open_ends = {start}, [start]
    while open_ends:
        for following in table[open_ends.pop()] - found:
            found.add(following)
            open_ends.append(following)
    return found


known_groups = st.frozensets(st.sampled_from(["Standard", "Private", "Premium 4K", "Own"]))
named = st.builds(
    NamedLibrary,
    st.integers(1, 50),
    st.integers(1, 3),
    st.sampled_from(["Films", "Movies", "Home Videos", "Films 4K", "文件", ""]) | st.text(max_size=6),
    st.sampled_from(["movies", "shows", "photos"]),
    st.sampled_from(["", "", "Standard", "Private", "Own"]),
)


@quick
@given(
    st.lists(named, max_size=8, unique_by=lambda one: one.id), st.frozensets(st.sampled_from(["Standard", "Private", "Premium 4K", "Own"]))
)
def test_groups_are_suggested_only_where_there_is_none_and_only_such_that_exist(rows: list[NamedLibrary], groups: frozenset[str]) -> None:
    found = suggestions(rows, groups)
    assert set(found.values()) <= groups
    assert set(found) <= {row.id for row in rows if not row.group}
    assert all(found[row.id] == PRIVATE for row in rows if row.kind == "photos" and row.id in found and alone(row, rows))


def alone(row: NamedLibrary, rows: list[NamedLibrary]) -> bool:
    """Whether no other server has a grouped library."""
    return not any(other.group and other.server_id != row.server_id for other in rows)


def test_every_reason_has_a_sentence_and_a_rule_of_its_own() -> None:
    assert set(REASON_WORDS) == set(Reason)
    assert {rule.__name__ for rule in eligibility.RULES} == {reason.value for reason in Reason} - {"already_there"}
