"""The demo's people: between them they show everything that can keep a user of servers in order, and most that can keep a pair."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from panel import create_app
from panel.config import Config
from panel.demo.estate import estate
from panel.demo.guests import Guests
from panel.demo.world import World
from panel.domain.reasons import Blocker, Reason
from panel.extensions import db
from panel.models import Server
from panel.services import database, sync
from panel.services import estate as importing
from panel.services.preflight import Preflight, ask_both, assess

#: Blockers that only a fault, another installation or a run at work would show.
NOT_ON_SHOW = {
    Blocker.PLATFORM_NOT_ALLOWED,
    Blocker.ASKED_TO_SLOW_DOWN,
    Blocker.CREDENTIALS_REFUSED,
    Blocker.WRONG_SERVER,
    Blocker.MIGRATION_RUNNING,
}
#: A reason that only a server shows whose answers are at fault: the demo's servers are in order.
FAULT_OF_A_SERVER = {Reason.UNREADABLE}

Flights = dict[tuple[str, str], Preflight]


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flights]:
    """Every ordered pair of the demo's servers, judged by what the servers answer."""
    world = World()
    folder: Path = tmp_path_factory.mktemp("cast")
    with ExitStack() as stack:
        for host in world.hosts.values():
            stack.enter_context(host.running())
        app = create_app(Config.from_env({"PANEL_VAR": str(folder / "var"), "PLEX_TV_URL": world.tv.url}))
        stack.enter_context(app.app_context())
        database.ensure()
        ports = {name: host.port for name, host in world.hosts.items()} | {"smtp": 2525}
        importing.apply(importing.load(json.dumps(estate(world, ports, pace_s=1.0)), {}))
        db.session.commit()
        results = sync.sync_servers([place.name for place in world.cast.places if place.reachable])
        assert [result.problem for result in results if result.problem] == []
        servers = list(db.session.scalars(db.select(Server)))
        yield {
            (source.name, target.name): assess(source, target, looks=ask_both(source, target))
            for source, target in itertools.product(servers, servers)
        }
        db.session.remove()
        db.engine.dispose()


def reasons_of(flight: Preflight, name: str) -> set[Reason]:
    (verdict,) = [verdict for verdict in flight.verdicts if verdict.candidate.name.startswith(name)]
    return set(verdict.reasons)


def test_shows_every_reason_that_can_keep_a_user(flights: Flights) -> None:
    between_two = [flight for (source, target), flight in flights.items() if source != target]
    shown = {reason for flight in between_two for verdict in flight.verdicts for reason in verdict.reasons}
    assert set(Reason) - shown == FAULT_OF_A_SERVER


def test_shows_the_blockers_of_a_pair(flights: Flights) -> None:
    shown = {refusal.code for flight in flights.values() for refusal in flight.blockers}
    assert set(Blocker) - shown == NOT_ON_SHOW


@pytest.mark.parametrize(
    ("pair", "name", "reasons"),
    [
        (("Oak", "Birch"), "Erik (subscription ended)", {Reason.NO_ACTIVE_SUBSCRIPTION}),
        (("Oak", "Birch"), "Ines (invite not accepted)", {Reason.NOT_SHARED}),
        (("Oak", "Birch"), "Jonas (invite withdrawn)", {Reason.NOT_SHARED}),
        (("Oak", "Birch"), "Kim (managed user", {Reason.PLEX_EMAIL_MISSING}),
        (("Oak", "Birch"), "Olga (name taken on Birch)", {Reason.NAME_TAKEN}),
        (("Oak", "Birch"), "Hugo (permanent, sees only Private)", {Reason.PLAN_NOT_OFFERED}),
        (("Oak", "Birch"), "Gita (permanent, without plan)", set()),
        (("Oak", "Cedar"), "Nils (name taken on Cedar)", {Reason.NAME_TAKEN}),
        (("Oak", "Cedar"), "Mia (no Emby e-mail)", {Reason.EMBY_EMAIL_MISSING}),
        (("Oak", "Cedar"), "Sam (already on Cedar)", {Reason.ALREADY_THERE}),
        (("Oak", "Elm"), "Lars (must change Plex account)", {Reason.MUST_CHANGE_PLEX_ACCOUNT}),
        (("Oak", "Elm"), "Quinn (already on Elm)", {Reason.ALREADY_THERE}),
        (("Oak", "Elm"), "Rosa (sees too much on Elm)", set()),
        (("Oak", "Elm"), "Templeton", set()),
        (("Oak", "Elm"), "Zara (no room on Elm)", {Reason.TARGET_FULL}),
        (("Oak", "Elm"), "Zoltan (no room on Elm)", {Reason.TARGET_FULL}),
        (("Oak", "Ash"), "Piet (owns Ash)", {Reason.IS_OWNER}),
        (("Birch", "Cedar"), "Adam (administrator of Birch)", {Reason.IS_OWNER}),
        (("Cedar", "Oak"), "Finn (on Cedar, no Plex e-mail)", {Reason.PLEX_EMAIL_MISSING}),
        (("Cedar", "Birch"), "Greta (on Cedar, disabled)", {Reason.NOT_SHARED}),
    ],
)
def test_gives_people_names_that_say_their_case(flights: Flights, pair: tuple[str, str], name: str, reasons: set[Reason]) -> None:
    assert reasons_of(flights[pair], name) == reasons


def test_moves_everybody_on_ash_to_elm(flights: Flights) -> None:
    flight = flights["Ash", "Elm"]
    assert flight.blockers == ()
    assert len(flight.moving) == 3


def test_makes_the_same_world_each_time() -> None:
    one, two = World(), World()
    assert [one.secret_of(place) for place in one.cast.places] == [two.secret_of(place) for place in two.cast.places]
    assert [share.token for share in one.tv.shares.values()] == [share.token for share in two.tv.shares.values()]


def test_lets_people_accept_their_invites_after_a_while_but_for_those_who_never_do() -> None:
    world = World()
    elm, cora, ada = world.hosts["Elm"], world.accounts["cora"], world.accounts["ada"]
    invited = [world.tv.share(elm, person, ["Movies"], accepted=False) for person in (ada, cora)]  # type: ignore[arg-type]
    Guests(world, after_s=3600).look()
    assert [share.accepted for share in invited] == [False, False]
    Guests(world, after_s=0).look()
    assert [share.accepted for share in invited] == [True, False]
