"""The simulated hosts of the demo, made from the cast. Made twice they are the same: ids and tokens come from names and numbers."""

from __future__ import annotations

from panel.demo.cast import CAST, NAMESAKES, PREMIUM, Cast, Person, Place
from panel.simulators.connect import ConnectAccount
from panel.simulators.emby import Emby
from panel.simulators.http import Fault, Simulator
from panel.simulators.jellyfin import Jellyfin
from panel.simulators.plex_people import Settings
from panel.simulators.plex_tv import PlexPerson, PlexServer, PlexTv, Share

PLEX_TV = "plex.tv"
SLOW_DOWN_S = 3
SHARE = "/api/v2/shared_servers"


class World:
    """All hosts by name, plex.tv among them; nothing listens yet."""

    def __init__(self, cast: Cast = CAST) -> None:
        self.cast = cast
        self.tv = PlexTv()
        self.owners = {
            owner.username: self.tv.add_account(owner.username, owner.email, plex_pass=owner.has_plex_pass) for owner in cast.owners
        }
        self.hosts: dict[str, Simulator] = {PLEX_TV: self.tv}
        for place in cast.places:
            if place.reachable:
                self.hosts[place.name] = self._host(place)
        self.accounts = {person.login: self._plex_account(person) for person in cast.people if person.state != "stranger"}
        for person in cast.people:
            for number, name in enumerate(person.on, start=1):
                self._put(person, cast.place(name), last=number == len(person.on))
        for name, account in NAMESAKES:
            self._media_browser(name).add_user(account, "a password of their own", libraries=[])

    def secret_of(self, place: Place) -> str:
        """The token or API key of a server; a made-up one where there is no server."""
        if place.platform == "plex":
            return self.owners[place.account].token
        return self._media_browser(place.name).api_key if place.reachable else "no-such-key"

    def _host(self, place: Place) -> Simulator:
        libraries = [(name, kind) for name, kind, _ in place.libraries]
        if place.platform == "plex":
            return self.tv.add_server(self.owners[place.account], place.name, libraries)
        server = Emby(place.name, libraries=libraries) if place.platform == "emby" else Jellyfin(place.name, libraries=libraries)
        for account in server.users.values():
            account.name = f"{place.name} administrator"
        return server

    def _plex_account(self, person: Person) -> PlexPerson:
        if person.state == "managed":
            return self.tv.add_managed_user(self.owners["olive"], person.name)
        found = self.owners.get(person.login)
        account = found or self.tv.add_account(person.login, person.email, title=person.name)
        if person.friend_of:
            self.tv.befriend(self.owners[person.friend_of], account)
        return account

    def _put(self, person: Person, place: Place, *, last: bool) -> None:
        everything = person.sees_all and last
        if place.platform == "plex":
            groups = tuple(group for _, _, group in place.libraries) if everything else person.groups
            self._share(person, self._plex_server(place.name), place.names_in(groups))
        else:
            self._account(person, place, "all" if everything else place.names_in(person.groups))

    def _share(self, person: Person, server: PlexServer, titles: list[str]) -> None:
        settings: Settings = {"allowSync": True} if person.plan == PREMIUM and server.owner.plex_pass else {}
        accepted = person.state not in ("pending", "withdrawn")
        share = self.tv.share(server, self.accounts[person.login], titles, accepted=accepted, settings=settings)
        share.orphan = person.state == "withdrawn"
        if person.fault:
            self.tv.faults.append(_fault(person.fault, share))

    def _account(self, person: Person, place: Place, libraries: str | list[str]) -> None:
        server = self._media_browser(place.name)
        address = person.emby_address if isinstance(server, Emby) else ""
        if isinstance(server, Emby) and address:
            server.connect_accounts[address] = ConnectAccount(address, address)
        server.add_user(
            person.account,
            f"{person.login}-password",
            libraries=libraries,
            admin=person.state == "administrator",
            disabled=person.state == "disabled",
            connect_email=address or None,
            EnableContentDownloading=person.plan == PREMIUM,
        )

    def _plex_server(self, name: str) -> PlexServer:
        found = self.hosts[name]
        assert isinstance(found, PlexServer)
        return found

    def _media_browser(self, name: str) -> Emby | Jellyfin:
        found = self.hosts[name]
        assert isinstance(found, (Emby, Jellyfin))
        return found


def _fault(kind: str, share: Share) -> Fault:
    """What goes wrong, once, when this share is deleted."""
    path = f"{SHARE}/{share.id}$"
    if kind == "slow_down":
        return Fault("DELETE", path, status=429, headers={"Retry-After": str(SLOW_DOWN_S)})
    if kind == "lost":
        return Fault("DELETE", path, effect=True, drop=True)
    words = '{"errors": [{"code": 1004, "message": "You may not change this share right now"}]}'
    return Fault("DELETE", path, status=403, body=words, content_type="application/json")
