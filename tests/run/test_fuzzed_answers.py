"""Whole runs whose servers answer nonsense: one field of a true answer missing, null, of another type or huge, once, or each time somebody
is spoken of.

A run goes on, fails that user with a sentence, and moves the others; nobody loses anything by it. What is bent where follows from numbers
or names, so that a failure can be repeated. Clients alone: `test_fuzzed_clients`.
"""

from __future__ import annotations

import logging

import pytest

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, Move, User
from tests.run.bending import KINDS, Bend, Bender, at_random, of_one, once
from tests.scene import Scene, Side

PAIRS = [("plex", "emby"), ("emby", "jellyfin"), ("jellyfin", "plex"), ("plex", "plex")]
PEOPLE = ("ada", "ben")

#: What a server says of somebody.
ACCOUNT = (
    "Id", "Name", "ServerId", "HasPassword", "Policy", "Policy.IsAdministrator", "Policy.IsDisabled", "Policy.EnableAllFolders",
    "Policy.EnabledFolders", "Policy.EnabledFolders.0", "Policy.MaxParentalRating", "Policy.BlockedTags", "Policy.AccessSchedules",
    "Policy.RemoteClientBitrateLimit", "Policy.EnableAllDevices", "Policy.EnableContentDownloading",
)  # fmt: skip
FIELDS = {
    "emby": ACCOUNT,
    "jellyfin": (*ACCOUNT, "Policy.BlockedMediaFolders", "Policy.AuthenticationProviderId"),
    "plex": (
        "id", "machineIdentifier", "accepted", "acceptedAt", "invitedAt", "invitedId", "invitedEmail", "invited", "invited.id",
        "invited.username", "invited.email", "invited.restricted", "allLibraries", "libraries", "libraries.0", "libraries.0.id",
        "sharingSettings", "sharingSettings.allowSync", "deletedAt", "leftAt",
    ),
}  # fmt: skip
#: The same for a plex.tv that has only its first generation of calls.
ROW_V1 = ("id", "userID", "username", "email", "acceptedAt", "invitedAt", "allLibraries", "allowSync", "filterMovies")
#: Without which nobody can be read, and how they are wrong then.
ENTRY = {
    "Id": KINDS, "Name": ("missing", "null", "wrong type"), "Policy": KINDS, "Policy.IsAdministrator": KINDS, "Policy.IsDisabled": KINDS,
    "Policy.EnableAllFolders": KINDS, "Policy.EnabledFolders": ("wrong type",), "Policy.EnabledFolders.0": ("null", "wrong type"),
}  # fmt: skip
NEEDED: dict[str, dict[str, tuple[str, ...]]] = {
    "emby": ENTRY,
    "jellyfin": {**ENTRY, "Policy.BlockedMediaFolders": ("wrong type",)},
    "plex": {
        "id": KINDS, "machineIdentifier": ("missing", "null"), "libraries": ("missing", "null", "wrong type"),
        "libraries.0": ("null", "wrong type", "huge"), "libraries.0.id": KINDS,
    },
}  # fmt: skip
#: Which of them are in every `make test`, and how.
SAMPLE = {
    "emby": (("Id", "missing"), ("Policy", "null"), ("Policy.EnabledFolders", "wrong type"), ("Name", "huge")),
    "jellyfin": (("Id", "wrong type"), ("Policy", "missing"), ("Policy.IsDisabled", "huge"), ("Name", "null")),
    "plex": (("id", "null"), ("machineIdentifier", "missing"), ("libraries", "wrong type"), ("invited", "huge")),
}
#: The other server of a run in which one of these answers oddly.
BESIDE = {"emby": "jellyfin", "jellyfin": "emby", "plex": "plex"}


def set_up(scene: Scene, source: str, target: str) -> Migration:
    """Two servers and a run of two people that is ready to go."""
    for kind, name in ((source, "Old"), (target, "New")):
        scene.add_server(kind, name)
    for name in PEOPLE:
        scene.person(name, settings={"filterMovies": "contentRating=PG"} if source == "plex" else {"MaxParentalRating": 7})
    return scene.start()


def finish_with(scene: Scene, run: Migration, bend: Bend, hosts: tuple[object, ...], caplog: pytest.LogCaptureFixture) -> str:
    """Work the run off while these hosts answer so; answers what was bent. The run has ended, nobody was harmed, and nothing happened that
    nobody foresaw."""
    bender = Bender(bend)
    with bender.around(*hosts), caplog.at_level(logging.ERROR):
        scene.finish(run)
    where = f"{bender.bent[:10]} {run.problem} {[(move.name, move.status.value, move.detail) for move in run.moves]}"
    assert bender.bent, "something was bent"
    assert "nobody foresaw" not in caplog.text, where + caplog.text[-3000:]
    assert run.ended_at is not None, where
    for move in run.moves:
        assert_unharmed(scene, move, where)
    return where


def assert_unharmed(scene: Scene, move: Move, where: str) -> None:
    """Who has lost the source has the target; who was not moved is told why."""
    if not works(scene, move.name, scene.source):
        assert works(scene, move.name, scene.target), where
    if move.status.value in ("failed", "skipped", "cancelled"):
        assert move.detail or move.reasons or move.migration.problem, where
    assert db.session.get(User, move.user_id) is not None


def works(scene: Scene, name: str, side: Side) -> bool:
    """Whether somebody can watch there, or has an invite that waits for them."""
    if side.kind.value == "plex":
        return side.sim.share_of(f"{name.lower()}@example.test") is not None
    return bool(scene.opened(name, side))


def everywhere(scene: Scene) -> tuple[object, ...]:
    """All that answers, each once."""
    return tuple({id(host): host for host in (scene.tv, *(side.sim for side in scene.sides))}.values())


def one_answer(scene: Scene, source: str, target: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """A run in which one answer is bent somewhere."""
    run = set_up(scene, source, target)
    finish_with(scene, run, once(seed % 9, at_random(seed)), everywhere(scene), caplog)


def one_user(scene: Scene, pair: tuple[str, str], odd: int, path: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A run in which one of the two servers says something of Ada wrongly in every answer: Ben is moved all the same, and she is not where
    nobody can be read without that."""
    run = set_up(scene, *pair)
    side = scene.sides[odd]
    hosts = (scene.tv, side.sim) if side.kind.value == "plex" else (side.sim,)
    where = finish_with(scene, run, of_one("ada", path, kind), hosts, caplog)
    ada, ben = sorted(run.moves, key=lambda move: move.name)
    assert ben.status in (MoveStatus.MOVED, MoveStatus.INVITED), where
    assert works(scene, "ben", scene.target), where
    assert ben.status is not MoveStatus.MOVED or not works(scene, "ben", scene.source), f"the source was asked for naught {where}"
    if scene.target.kind.value != "plex" and path != "Id":
        assert not scene.target.sim.can_sign_in("ada", ""), f"nobody's account is left open {where}"
    if kind in NEEDED[side.kind.value].get(path, ()):
        assert_left_with_a_reason(scene, ada, side, where)
    if ada.status not in (MoveStatus.MOVED, MoveStatus.INVITED):
        assert ada.detail.endswith((".", "?", "!")) or ada.reasons, where


def assert_left_with_a_reason(scene: Scene, move: Move, side: Side, where: str) -> None:
    """Who cannot be read is not moved, keeps what they had, and reads which server says so, by its name here where nothing was begun."""
    assert move.status in (MoveStatus.SKIPPED, MoveStatus.FAILED), where
    assert works(scene, move.name, scene.source), where
    teller = "plex.tv" if side.kind.value == "plex" else side.sim.url.removeprefix("http://")
    assert f"{teller} describes" in move.detail and "in a way that cannot be read." in move.detail, where
    # plex.tv speaks of both servers alike, of the source first.
    assert move.status is MoveStatus.FAILED or move.detail.startswith(f"{scene.source.row.name}: "), where


def pair_with(platform: str, odd: int) -> tuple[str, str]:
    """Source and target of which the odd one is this."""
    return (platform, BESIDE[platform]) if odd == 0 else (BESIDE[platform], platform)


@pytest.mark.parametrize(("source", "target", "seed"), [(*PAIRS[number % 4], seed) for number, seed in enumerate((3, 13, 22, 31, 40, 50))])
def test_a_run_survives_nonsense(scene: Scene, source: str, target: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    one_answer(scene, source, target, seed, caplog)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(100, 130))
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_run_survives_any_nonsense(scene: Scene, source: str, target: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    one_answer(scene, source, target, seed, caplog)


@pytest.mark.parametrize("odd", [0, 1], ids=["source", "target"])
@pytest.mark.parametrize(("platform", "path", "kind"), [(platform, *one) for platform, wrongs in SAMPLE.items() for one in wrongs])
def test_of_whom_a_server_speaks_oddly_keeps_nobody_else_from_being_moved(
    scene: Scene, platform: str, path: str, kind: str, odd: int, caplog: pytest.LogCaptureFixture
) -> None:
    one_user(scene, pair_with(platform, odd), odd, path, kind, caplog)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", [0, 1], ids=["source", "target"])
@pytest.mark.parametrize(("platform", "path"), [(platform, path) for platform, paths in FIELDS.items() for path in paths])
def test_of_whom_a_server_speaks_oddly_in_any_way_keeps_nobody_else_from_being_moved(
    scene: Scene, platform: str, path: str, kind: str, odd: int, caplog: pytest.LogCaptureFixture
) -> None:
    one_user(scene, pair_with(platform, odd), odd, path, kind, caplog)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", [0, 1], ids=["source", "target"])
@pytest.mark.parametrize("path", ROW_V1)
def test_of_whom_an_old_plex_tv_speaks_oddly_keeps_nobody_else_from_being_moved(
    scene: Scene, path: str, kind: str, odd: int, caplog: pytest.LogCaptureFixture
) -> None:
    scene.tv.v2_shares_gone = True
    one_user(scene, ("plex", "plex"), odd, path, kind, caplog)
