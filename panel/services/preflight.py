"""The judgement before a run: can the pair start, who moves, who stays and why. Nothing is changed on any server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import selectinload

from panel.domain.compatibility import PairFacts, Side, blockers_of
from panel.domain.eligibility import Candidate, Pair, Verdict, judge_all, plan_of
from panel.domain.libraries import Offer
from panel.domain.pacing import DEFAULT_PLEX_PACE_S, duration_s, pace_of_pair
from panel.domain.platform import Platform
from panel.domain.reasons import Blocker, Reason, Refusal
from panel.domain.statuses import Removal
from panel.domain.subscriptions import PlanTerms
from panel.extensions import config, db
from panel.models import LibraryGroup, Payment, Plan, Server, Setting, Share
from panel.models.share import share_libraries
from panel.models.types import utc_now
from panel.platforms.base import TooManyRequests
from panel.services.candidates import apart, beside_target, candidate_of, offer_of, offers_of
from panel.services.claims.closed_for_a_moment import as_open, closed_for_a_moment
from panel.services.room import Room, room_on
from panel.services.roster import Roster, roster_now, roster_remembered
from panel.services.servers import HURRIED, Look, connected_to, look
from panel.services.throttling import slow_down
from panel.services.user_facts import UserFacts, all_users, terms_of


@dataclass(frozen=True)
class Preflight:
    """What a run would do. `duration_s`: about so long; `source_reached`: whether the source answered (else the last sync counts);
    `slowed_down`: why one of the servers was not asked, in a sentence: its last sync counts now, and a run asks it before it begins."""

    source: Server
    target: Server
    removal: Removal
    pace_s: float
    pair: Pair
    blockers: tuple[Refusal, ...]
    verdicts: tuple[Verdict, ...]
    users: dict[int, UserFacts]
    source_roster: Roster
    target_roster: Roster
    source_reached: bool = True
    slowed_down: str = ""

    @property
    def moving(self) -> list[Verdict]:
        """Who moves."""
        return [verdict for verdict in self.verdicts if verdict.moves]

    @property
    def staying(self) -> list[Verdict]:
        """Who stays."""
        return [verdict for verdict in self.verdicts if not verdict.moves]

    @property
    def duration_s(self) -> float:
        """How long the run takes at least."""
        return duration_s(len(self.moving), self.pair.source, self.pair.target, self.removal, self.pace_s)

    @property
    def note(self) -> str:
        """What the judgement goes by where the source did not answer; empty when it did."""
        if self.source_reached:
            return ""
        return f"{self.source.name} could not be reached: the run goes by the last sync, and nothing is removed there."

    def by_reason(self) -> dict[Reason, list[Verdict]]:
        """Who stays, by reason; someone with two reasons stands in both lists."""
        groups: dict[Reason, list[Verdict]] = {}
        for verdict in self.staying:
            for reason in verdict.reasons:
                groups.setdefault(reason, []).append(verdict)
        return groups


def assess(
    source: Server,
    target: Server,
    *,
    removal: Removal = Removal.WHEN_ACTIVE,
    pace_s: float | None = None,
    looks: tuple[Look, Look] | None = None,
    held_by: int | None = None,
) -> Preflight:
    """Judge the pair and every user.

    `looks`: what source and target have just answered; without them the last sync counts, and members come without their settings.
    `held_by`: the run that asks, whose own hold on the servers is no blocker.
    """
    source_look, target_look = looks or (Look(), Look())
    if looks is not None:
        looks = source_look, target_look = as_open(source_look, closed_for_a_moment(source.id)), target_look
    users = all_users()
    rosters = source_roster, target_roster = _rosters(source, target, looks, users)
    source_offer, target_offer = offer_of(source), offer_of(target, target_look.libraries if looks and not target_look.refusal else None)
    room = room_on(target, (target_roster, source_roster), users, target_look.connected)
    pair = Pair(source.platform, target.platform, utc_now(), target_offer, room.server, room.account)
    candidates = _candidates(source, target, users, rosters, source_offer, pair, room)
    sides = _side(source, source_offer), _side(target, target_offer)
    busy, problems = _busy(source, target, held_by), _problems(source, target, source_look, target_look)
    facts = _facts(*sides, _plans_among(candidates, pair), _group_names(), busy, problems)
    return Preflight(
        source=source,
        target=target,
        removal=removal,
        pace_s=pace_of_pair(source.platform, target.platform, pace_s, default_pace_s()),
        pair=pair,
        blockers=tuple(blockers_of(facts)),
        verdicts=tuple(judge_all(candidates, pair)),
        users={user.id: user for user in users},
        source_roster=source_roster,
        target_roster=target_roster,
        source_reached=looks is None or source_look.refusal is None or _is_slowed_down(source_look),
        slowed_down=_why_slowed_down(source_look, target_look),
    )


def _candidates(
    source: Server,
    target: Server,
    users: list[UserFacts],
    rosters: tuple[Roster, Roster],
    offer: Offer,
    pair: Pair,
    room: Room,
) -> list[Candidate]:
    """Everyone, with what they have on both servers. `rosters`: source and target; `offer`: the source's libraries."""
    source_roster, target_roster = rosters
    found = [beside_target(candidate_of(user, source, target, source_roster, offer), user, target_roster, pair) for user in users]
    return [replace(one, on_account=True) if one.id in room.on_account else one for one in apart(found, users, pair)]


def _rosters(source: Server, target: Server, looks: tuple[Look, Look] | None, users: Sequence[UserFacts]) -> tuple[Roster, Roster]:
    """Who has access to source and target: as they have just answered, else as last synced."""
    if looks is None:
        return roster_remembered(source, users, settings=False), roster_remembered(target, users)
    source_look, target_look = looks
    return (
        roster_now(source, source_look, users) if source_look.refusal is None else roster_remembered(source, users, settings=True),
        roster_now(target, target_look, users) if target_look.refusal is None else roster_remembered(target, users),
    )


def ask_both(source: Server, target: Server) -> tuple[Look, Look]:
    """What both servers answer now; a server that is its own target is asked once. Commits where one asks to slow down."""
    # What one server has told is not written while the other is asked: nothing is locked over a request.
    with db.session.no_autoflush:
        target_look = with_connected(target, look(target))
        return (target_look if source.id == target.id else look(source)), target_look


def with_connected(target: Server, found: Look) -> Look:
    """The look at a target, with whom its Plex account counts already: 1 request more on Plex."""
    if found.refusal is not None:
        return found
    try:
        return replace(found, connected=connected_to(target, HURRIED))
    except TooManyRequests as error:
        slow_down(target, error)
        return found


def refusals_by_target(source: Server, targets: Sequence[Server]) -> dict[Server, tuple[Refusal, ...]]:
    """What keeps a run from `source` to each of these servers from starting, by the last sync; in a fixed number of queries."""
    offers, plans, names = offers_of([source, *targets]), plans_in_use(source), _group_names()
    return {
        target: tuple(
            blockers_of(_facts(_side(source, offers[source.id]), _side(target, offers[target.id]), plans, names, _busy(source, target)))
        )
        for target in targets
    }


def plans_in_use(source: Server) -> list[PlanTerms]:
    """The plans in force among those with access to this server by its last sync, by name; 2 queries. The same as `plan_of` finds user
    by user, said in a query because nobody's name is needed."""
    now = utc_now()
    longest = func.row_number().over(
        partition_by=Payment.user_id, order_by=(Payment.end_at.desc(), Payment.start_at.desc(), Payment.plan_id.desc())
    )
    sees_something = or_(Share.all_libraries, exists().where(share_libraries.c.share_id == Share.id))
    sharing = select(Share.user_id).where(Share.server_id == source.id, Share.accepted_at.is_not(None), sees_something)
    ranked = (
        select(Payment.plan_id, longest.label("place"))
        .where(Payment.start_at <= now, Payment.end_at >= now, Payment.user_id.in_(sharing))
        .subquery()
    )
    in_force = select(ranked.c.plan_id).where(ranked.c.place == 1)
    rows = db.session.scalars(select(Plan).where(Plan.id.in_(in_force)).options(selectinload(Plan.groups)))
    return sorted((terms_of(plan) for plan in rows), key=lambda plan: plan.name)


def default_pace_s() -> float:
    """Seconds between two users where Plex is on either side, as set."""
    pace = Setting.current().pace_s
    return DEFAULT_PLEX_PACE_S if pace is None else pace


def _facts(
    source: Side,
    target: Side,
    plans: Iterable[PlanTerms],
    group_names: dict[int, str],
    busy: tuple[str, ...],
    problems: tuple[Refusal, ...] = (),
) -> PairFacts:
    allowed = frozenset(Platform(name) for name in config().platforms)
    return PairFacts(source, target, tuple(plans), group_names, platforms_allowed=allowed, busy=busy, problems=problems)


def _plans_among(candidates: Iterable[Candidate], pair: Pair) -> list[PlanTerms]:
    plans = {plan.id: plan for candidate in candidates if candidate.shares_source and (plan := plan_of(candidate, pair))}
    return sorted(plans.values(), key=lambda plan: plan.name)


def _group_names() -> dict[int, str]:
    return {row[0]: row[1] for row in db.session.execute(select(LibraryGroup.id, LibraryGroup.name))}


def _busy(source: Server, target: Server, held_by: int | None = None) -> tuple[str, ...]:
    return tuple(server.name for server in {source.id: source, target.id: target}.values() if is_busy(server, held_by))


def is_busy(server: Server, held_by: int | None = None) -> bool:
    """Whether another run or a sync holds this server."""
    by_run = server.migration_id is not None and server.migration_id != held_by
    return by_run or server.syncs_now


def _side(server: Server, offer: Offer) -> Side:
    return Side(
        id=server.id,
        name=server.name,
        platform=server.platform,
        enabled=server.enabled,
        allows_new=server.allow_new_subscriptions,
        has_downloads_licence=server.has_downloads_licence,
        offer=offer,
    )


def _problems(source: Server, target: Server, source_look: Look, target_look: Look) -> tuple[Refusal, ...]:
    """The target has to answer; a source that cannot be reached is no obstacle once it was synchronised, nor is either of them that has
    asked to slow down: a run waits for that."""
    problems = [target_look.refusal] if target_look.refusal and not (_is_slowed_down(target_look) and target.synced_at) else []
    refusal = source_look.refusal
    passes = refusal is not None and refusal.code in (Blocker.SERVER_UNREACHABLE, Blocker.ASKED_TO_SLOW_DOWN)
    if refusal and refusal not in problems and not (passes and source.synced_at):
        problems.append(refusal)
    return tuple(problems)


def _is_slowed_down(found: Look) -> bool:
    return found.refusal is not None and found.refusal.code is Blocker.ASKED_TO_SLOW_DOWN


def _why_slowed_down(*looks: Look) -> str:
    sentences = dict.fromkeys(found.refusal.message for found in looks if found.refusal is not None and _is_slowed_down(found))
    return f"{' '.join(sentences)} Until then its last sync counts; a migration waits for that, then asks again." if sentences else ""
