"""Whether a run between two servers can start at all: one small function per blocker, all of them collected."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from panel.domain.libraries import Offer
from panel.domain.platform import Platform
from panel.domain.reasons import Blocker, Refusal
from panel.domain.subscriptions import PlanTerms


@dataclass(frozen=True)
class Side:
    """One server of the pair. `has_downloads_licence`: *Has Plex Pass* of its account or *Has Emby Premiere*; true on Jellyfin."""

    id: int
    name: str
    platform: Platform
    enabled: bool = True
    allows_new: bool = True
    has_downloads_licence: bool = True
    offer: Offer = field(default_factory=Offer)


@dataclass(frozen=True)
class PairFacts:
    """What the blockers look at. `plans`: the plans in force among those who share the source; `group_names`: by id;
    `busy`: names of servers another run holds; `problems`: what asking the servers themselves brought to light."""

    source: Side
    target: Side
    plans: tuple[PlanTerms, ...] = ()
    group_names: dict[int, str] = field(default_factory=dict)
    platforms_allowed: frozenset[Platform] = frozenset(Platform)
    busy: tuple[str, ...] = ()
    problems: tuple[Refusal, ...] = ()

    @property
    def sides(self) -> tuple[Side, Side]:
        """Source, then target."""
        return self.source, self.target


def same_server(pair: PairFacts) -> Iterable[Refusal]:
    """Source and target must differ."""
    if pair.source.id == pair.target.id:
        yield Refusal(Blocker.SAME_SERVER, f"{pair.source.name} is both source and target. Choose another target.")


def target_disabled(pair: PairFacts) -> Iterable[Refusal]:
    """The target must be enabled."""
    if not pair.target.enabled:
        yield Refusal(Blocker.TARGET_DISABLED, f"{pair.target.name} is switched off. Turn on “Enabled” for it.", pair.target.id)


def target_closed(pair: PairFacts) -> Iterable[Refusal]:
    """The target must allow new subscriptions."""
    if not pair.target.allows_new:
        yield Refusal(
            Blocker.TARGET_CLOSED, f"{pair.target.name} takes no new users. Turn on “Allow new subscriptions” for it.", pair.target.id
        )


def platform_not_allowed(pair: PairFacts) -> Iterable[Refusal]:
    """Both platforms must be allowed on this installation."""
    for platform in sorted({side.platform for side in pair.sides} - pair.platforms_allowed):
        yield Refusal(
            Blocker.PLATFORM_NOT_ALLOWED,
            f"This installation does not allow {platform.label} servers. Add “{platform}” to PANEL_PLATFORMS.",
        )


def no_libraries_in_groups(pair: PairFacts) -> Iterable[Refusal]:
    """Both servers must be synchronised and their libraries put into groups."""
    for side in _distinct(pair):
        if not side.offer.group_ids:
            yield Refusal(
                Blocker.NO_LIBRARIES_IN_GROUPS,
                f"No library of {side.name} is in a library group. Sync it, then put its libraries into groups.",
                side.id,
            )


def missing_library_group(pair: PairFacts) -> Iterable[Refusal]:
    """A group that a plan in use includes must not be offered by one of the servers only."""
    source, target = pair.source.offer.group_ids, pair.target.offer.group_ids
    if not source or not target:
        return
    for plan in pair.plans:
        for group in sorted(plan.group_ids & (source ^ target), key=lambda group: pair.group_names.get(group, "")):
            lacking = pair.target if group in source else pair.source
            name = pair.group_names.get(group, "?")
            yield Refusal(
                Blocker.MISSING_LIBRARY_GROUP,
                f"Plan “{plan.name}” includes the library group “{name}”, but {lacking.name} has no library in it. "
                f"Put a library of {lacking.name} into “{name}”, or take the group out of the plan.",
                lacking.id,
            )


def plex_pass_missing(pair: PairFacts) -> Iterable[Refusal]:
    """Plans with downloads need Plex Pass on the account of each Plex server of the pair."""
    yield from _licence_missing(pair, Platform.PLEX, Blocker.PLEX_PASS_MISSING, "the Plex account of {} is not marked “Has Plex Pass”")


def emby_premiere_missing(pair: PairFacts) -> Iterable[Refusal]:
    """Plans with downloads need Emby Premiere on each Emby server of the pair."""
    yield from _licence_missing(pair, Platform.EMBY, Blocker.EMBY_PREMIERE_MISSING, "{} is not marked “Has Emby Premiere”")


def migration_running(pair: PairFacts) -> Iterable[Refusal]:
    """A server takes part in one run at a time."""
    if pair.busy:
        names = " and ".join(pair.busy)
        yield Refusal(Blocker.MIGRATION_RUNNING, f"A migration or a sync is using {names}. Wait until it ends, or cancel the migration.")


BLOCKERS: tuple[Callable[[PairFacts], Iterable[Refusal]], ...] = (
    same_server,
    target_disabled,
    target_closed,
    platform_not_allowed,
    no_libraries_in_groups,
    missing_library_group,
    plex_pass_missing,
    emby_premiere_missing,
    migration_running,
)


def blockers_of(pair: PairFacts) -> list[Refusal]:
    """Everything that keeps the run from starting, what the servers themselves said last."""
    return [refusal for blocker in BLOCKERS for refusal in blocker(pair)] + list(pair.problems)


def _licence_missing(pair: PairFacts, platform: Platform, code: Blocker, what: str) -> Iterable[Refusal]:
    plans = sorted(plan.name for plan in pair.plans if plan.allow_downloads)
    for side in _distinct(pair):
        if plans and side.platform is platform and not side.has_downloads_licence:
            lacking = f"Plan “{plans[0]}” allows downloads, but {what.format(side.name)}."
            yield Refusal(code, f"{lacking} Mark it, or switch downloads off.", side.id)


def _distinct(pair: PairFacts) -> tuple[Side, ...]:
    return (pair.source,) if pair.source.id == pair.target.id else pair.sides
