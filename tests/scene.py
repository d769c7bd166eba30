"""A stage for runs: two simulated servers of any platforms, known to the panel as a sync would have left them, and people on the source."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from panel.domain.platform import Platform
from panel.domain.statuses import Removal
from panel.extensions import db
from panel.models import Account, Evidence, Library, LibraryGroup, Migration, Payment, Plan, PlexAccount, Server, Share, User
from panel.models.types import utc_now
from panel.services import run as running
from panel.services import servers
from panel.services.preflight import Preflight, ask_both, assess
from panel.services.run.start import start
from panel.simulators.emby import Emby
from panel.simulators.http import Entry, Simulator
from panel.simulators.jellyfin import Jellyfin
from panel.simulators.plex_tv import PlexTv

#: A run that waits for longer has nothing left to do now.
WORTH_WAITING = timedelta(seconds=10)
KINDS = ("plex", "emby", "jellyfin")
PAIRS = [(source, target) for source in KINDS for target in KINDS]
LIBRARIES = {
    "Films": ("movie", "movies"),
    "Shows": ("show", "tvshows"),
    "Films 4K": ("movie", "movies"),
    "Home videos": ("movie", "movies"),
}
GROUPS = {"Films": "Standard", "Shows": "Standard", "Films 4K": "Premium 4K", "Home videos": "Private"}


@dataclass
class Side:
    """One server: its row, its simulator, and for Plex the account that owns it."""

    row: Server
    sim: Any
    owner: Any = None

    @property
    def kind(self) -> Platform:
        """Its platform."""
        return self.row.platform


@dataclass
class Scene:
    """The stage. `cloud_url` has to be PLEX_TV_URL of the app."""

    tv: PlexTv
    stack: ExitStack
    sides: list[Side] = field(default_factory=list)
    plans: dict[str, Plan] = field(default_factory=dict)

    @property
    def source(self) -> Side:
        """The first server added."""
        return self.sides[0]

    @property
    def target(self) -> Side:
        """The second server added."""
        return self.sides[1]

    def add_server(self, kind: str, name: str, *, owner: Any = None, libraries: tuple[str, ...] = tuple(LIBRARIES), **options: Any) -> Side:
        """Start a simulated server and store it with its libraries in their groups."""
        platform = Platform(kind)
        if platform is Platform.PLEX:
            owner = owner or self.tv.add_account(f"owner-{name.lower()}", f"owner-{name.lower()}@example.test", plex_pass=True)
            sim: Any = self.tv.add_server(owner, name, [(title, LIBRARIES[title][0]) for title in libraries])
        else:
            make = Emby if platform is Platform.EMBY else Jellyfin
            sim = make(name, libraries=[(title, LIBRARIES[title][1]) for title in libraries], **options)
        self.stack.enter_context(sim.running())
        row = Server(name=name, platform=platform, url=sim.url, has_emby_premiere=True)
        if platform is Platform.PLEX:
            row.plex_account = self._plex_account(owner)
        else:
            row.token = sim.api_key
        db.session.add(row)
        db.session.flush()
        self._store_libraries(row)
        row.synced_at = utc_now()
        db.session.commit()
        side = Side(row, sim, owner)
        self.sides.append(side)
        return side

    def person(
        self,
        name: str,
        *,
        on: Side | None = None,
        libraries: tuple[str, ...] = ("Films",),
        plan: str | None = "Basic",
        accepted: bool = True,
        days: tuple[int, int] = (-10, 20),
        settings: dict[str, Any] | None = None,
        **columns: Any,
    ) -> User:
        """Somebody on the source (or `on`), stored as a sync would have left them, paying for `plan` from `days[0]` to `days[1]`."""
        side = on or self.source
        address = f"{name.lower().replace(' ', '.')}@example.test"
        columns = {"email": address, "plex_email": address, "emby_email": address, **columns}
        user = User(name=name, **columns)
        db.session.add(user)
        db.session.flush()
        if plan:
            db.session.add(self.payment(user, plan, days))
        self.place(user, side, libraries, accepted=accepted, settings=settings)
        db.session.commit()
        return user

    def payment(self, user: User, plan: str, days: tuple[int, int]) -> Payment:
        """A payment around now."""
        now = utc_now()
        return Payment(user_id=user.id, plan=self.plan(plan), start_at=now + timedelta(days=days[0]), end_at=now + timedelta(days=days[1]))

    def place(
        self, user: User, side: Side, libraries: tuple[str, ...], *, accepted: bool = True, settings: dict[str, Any] | None = None
    ) -> None:
        """Give a stored user access on a server and store the share."""
        rows = [library for library in side.row.libraries if library.name in libraries]
        if side.kind is Platform.PLEX:
            person = self.tv.find(user.plex_email) or self.tv.add_account(user.name, user.plex_email)
            share = self.tv.share(side.sim, person, list(libraries), accepted=accepted, settings=settings)
            user.plex_id, remote_id, kept = str(person.id), str(share.id), dict(share.relation.settings)
        else:
            account = side.sim.add_user(user.name, "their own", libraries=list(libraries), **(settings or {}))
            remote_id, kept = account.id, dict(account.policy)
            db.session.add(Account(user_id=user.id, server_id=side.row.id, remote_id=remote_id, name=user.name, known_by=Evidence.FOUND))
        now = utc_now()
        db.session.add(
            Share(
                user_id=user.id,
                server_id=side.row.id,
                remote_id=remote_id,
                account_name=user.name,
                invited_at=now,
                accepted_at=now if accepted else None,
                libraries=rows,
                settings=kept,
            )
        )
        db.session.flush()

    def group(self, name: str) -> LibraryGroup:
        """A library group, made when first asked for."""
        found = db.session.scalar(db.select(LibraryGroup).where(LibraryGroup.name == name))
        if found is None:
            found = LibraryGroup(name=name, locked=name in ("Private", "Standard"))
            db.session.add(found)
            db.session.flush()
        return found

    def plan(self, name: str, groups: tuple[str, ...] = ("Standard",), *, allow_downloads: bool = False) -> Plan:
        """A plan, made when first asked for."""
        if name not in self.plans:
            rows = [self.group(group) for group in groups]
            self.plans[name] = Plan(name=name, groups=rows, allow_downloads=allow_downloads, is_default=not self.plans)
            db.session.add(self.plans[name])
            db.session.flush()
        return self.plans[name]

    def preflight(self, **options: Any) -> Preflight:
        """Ask both servers and judge."""
        flight = assess(self.source.row, self.target.row, looks=ask_both(self.source.row, self.target.row), **options)
        db.session.commit()
        return flight

    def start(self, *, removal: Removal = Removal.WHEN_ACTIVE, pace_s: float = 0.0) -> Migration:
        """Begin a run, committed."""
        run = start(self.preflight(removal=removal, pace_s=pace_s))
        db.session.commit()
        return run

    def finish(self, run: Migration) -> Migration:
        """Work in this process until nothing is left to do now."""
        idle = 0
        for _ in range(1000):
            left = running.work(run.id)
            db.session.refresh(run)
            # On a busy machine a hold may be lost in the middle: what is still due is gone on with, as a worker would.
            idle = idle + 1 if left.wake_at is None and not left.more else 0
            is_far = left.wake_at is not None and left.wake_at > utc_now() + WORTH_WAITING
            if run.ended_at is not None or is_far or (idle and (idle > 3 or run.id not in running.due())):
                break
        db.session.expire_all()
        return run

    def move(self, **options: Any) -> Migration:
        """Start a run and work it off."""
        return self.finish(self.start(**options))

    def outcome(self, run: Migration) -> dict[str, str]:
        """Name → status."""
        return {move.name: move.status.value for move in run.moves}

    def opened(self, name: str, side: Side | None = None) -> set[str] | None:
        """The libraries this person really sees on a server (the target by default); `None` without access."""
        side = side or self.target
        if side.kind is Platform.PLEX:
            share = side.sim.share_of(f"{name.lower().replace(' ', '.')}@example.test")
            if share is None or not share.accepted:
                return None
            return {section.title for section in side.sim.sections if section.id in share.section_ids}
        account = side.sim.user(name)
        if account is None or account.policy["IsDisabled"]:
            return None
        return set(side.sim.visible(account))

    def changes(self, side: Side) -> list[Entry]:
        """The changing requests a server was sent (for Plex: plex.tv was sent about all servers)."""
        sim: Simulator = self.tv if side.kind is Platform.PLEX else side.sim
        return sim.calls(changes=True)

    def _plex_account(self, owner: Any) -> PlexAccount:
        account = db.session.scalar(db.select(PlexAccount).where(PlexAccount.email == owner.email))
        return account or PlexAccount(
            email=owner.email, token=owner.token, has_plex_pass=True, plex_id=str(owner.id), username=owner.username
        )

    def _store_libraries(self, row: Server) -> None:
        found = servers.look(row)
        assert found.refusal is None, found.refusal
        for library in found.libraries:
            group = self.group(GROUPS[library.name]) if library.name in GROUPS else None
            row.libraries.append(Library(remote_id=library.id, name=library.name, kind=library.kind, group_id=group.id if group else None))
        db.session.flush()
