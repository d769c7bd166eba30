"""What servers offer beside each other: groups, the plans they can carry, and what keeps two of them from being a pair."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload

from panel.domain.compatibility import PairFacts, Side, missing_library_group
from panel.domain.libraries import PRIVATE, GroupedLibrary, Offer
from panel.domain.platform import Platform
from panel.domain.reasons import Refusal
from panel.extensions import db
from panel.models import Library, LibraryGroup, Plan, Server
from panel.services import preflight
from panel.services.user_facts import terms_of


@dataclass(frozen=True)
class Comparison:
    """All servers, groups and plans. `counts`: how many libraries are there, by server id and group id."""

    servers: tuple[Server, ...]
    groups: tuple[LibraryGroup, ...]
    plans: tuple[Plan, ...]
    counts: dict[tuple[int, int], int]

    def count(self, server: Server, group: LibraryGroup) -> int:
        """How many libraries of this group the server has."""
        return self.counts.get((server.id, group.id), 0)

    def lacking(self, server: Server, plan: Plan) -> list[str]:
        """What this server lacks to carry the plan: names of groups, and the licence that downloads need. Empty when it can."""
        found = [group.name for group in plan.groups if not self.count(server, group)]
        if plan.allow_downloads and not server.has_downloads_licence:
            found.append("Plex Pass" if server.platform is Platform.PLEX else "Emby Premiere")
        return found


@dataclass(frozen=True)
class PairView:
    """Two servers: what keeps a migration between them from starting now, and the group gaps of plans nobody on the source is on."""

    source: Server
    target: Server
    refusals: tuple[Refusal, ...]
    later: tuple[Refusal, ...]


def comparison() -> Comparison:
    """Everything by name, in a fixed number of queries. Private comes last: it is never given."""
    servers = db.session.scalars(select(Server).options(joinedload(Server.plex_account)).order_by(func.lower(Server.name)))
    groups = db.session.scalars(select(LibraryGroup).order_by(LibraryGroup.name == PRIVATE, func.lower(LibraryGroup.name)))
    plans = db.session.scalars(select(Plan).options(selectinload(Plan.groups)).order_by(func.lower(Plan.name)))
    counts = db.session.execute(
        select(Library.server_id, Library.group_id, func.count())
        .where(Library.group_id.is_not(None), Library.remote_id != "", Library.missing_since.is_(None))
        .group_by(Library.server_id, Library.group_id)
    )
    return Comparison(tuple(servers), tuple(groups), tuple(plans), {(server, group or 0): count for server, group, count in counts})


def pair_view(compared: Comparison, source: Server, target: Server) -> PairView:
    """What stands between two servers by their last sync; no server is asked."""
    refusals = preflight.refusals_by_target(source, [target])[target]
    said = {refusal.message for refusal in refusals}
    facts = PairFacts(
        source=_side(compared, source),
        target=_side(compared, target),
        plans=tuple(terms_of(plan) for plan in compared.plans),
        group_names={group.id: group.name for group in compared.groups},
    )
    return PairView(source, target, refusals, tuple(gap for gap in missing_library_group(facts) if gap.message not in said))


def _side(compared: Comparison, server: Server) -> Side:
    given = [group for group in compared.groups if group.name != PRIVATE and compared.count(server, group)]
    offer = Offer(tuple(GroupedLibrary(0, "", "", group.id) for group in given))
    return Side(server.id, server.name, server.platform, offer=offer)
