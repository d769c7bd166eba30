"""What the rules look at: one user, and the pair of servers the run is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from panel.domain.libraries import GroupedLibrary, Offer
from panel.domain.platform import Platform
from panel.domain.subscriptions import Period, PlanTerms, plan_in_force


class TargetAccess(StrEnum):
    """What the person has on the target already: nothing, an account or share to be edited, exactly the right access, or the right
    invite still waiting to be accepted."""

    NONE = "none"
    OTHER = "other"
    RIGHT = "right"
    WAITING = "waiting"


@dataclass(frozen=True)
class Candidate:
    """One user as the rules see them. `source_group_ids`: groups of the libraries they see on the source; `on_account`: whether the Plex
    account that owns the target counts them already; `closed_there`: whether their account on the target is disabled, so that it takes no
    place there; `unreadable`: whether one of the servers describes them in a way that cannot be read; `restrictions`: the source's own
    settings for them, where they mean something on the target."""

    id: int
    name: str
    permanent: bool = False
    must_change_plex_account: bool = False
    plex_email: str = ""
    emby_email: str = ""
    periods: tuple[Period, ...] = ()
    shares_source: bool = True
    is_owner: bool = False
    source_group_ids: frozenset[int] = frozenset()
    target_access: TargetAccess = TargetAccess.NONE
    name_is_taken: bool = False
    on_account: bool = False
    closed_there: bool = False
    unreadable: bool = False
    restrictions: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)

    @property
    def needs_place(self) -> bool:
        """Whether moving them makes one more person on the target."""
        return self.target_access is TargetAccess.NONE or self.closed_there


@dataclass(frozen=True)
class Pair:
    """Source and target of a run at one moment. `room`: how many more people fit on the target, `account_room`: how many more people
    its Plex account may have (`None`: no limit)."""

    source: Platform
    target: Platform
    now: datetime
    offer: Offer = field(default_factory=Offer)
    room: int | None = None
    account_room: int | None = None

    @property
    def platforms(self) -> frozenset[Platform]:
        """Both platforms."""
        return frozenset({self.source, self.target})

    @property
    def is_heterogeneous(self) -> bool:
        """Whether people change the platform."""
        return self.source is not self.target


def plan_of(candidate: Candidate, pair: Pair) -> PlanTerms | None:
    """The plan in force for this user now, if any."""
    return plan_in_force(candidate.periods, pair.now)


def libraries_for(candidate: Candidate, pair: Pair) -> tuple[GroupedLibrary, ...]:
    """Exactly the target's libraries this user is to see: those in the groups of the plan in force; for a permanent user without one,
    those in the groups of the libraries shared on the source."""
    plan = plan_of(candidate, pair)
    return pair.offer.in_groups(plan.group_ids if plan else candidate.source_group_ids)
