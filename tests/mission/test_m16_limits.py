"""M16: an installation's platforms and number of servers can be limited; adding past it is refused with a sentence. No limit by default."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from flask import Flask

from panel import create_app
from panel.config import Config, ConfigError
from panel.extensions import db
from panel.models import PlexAccount, Server
from tests.mission.stage import cli, codes, document, set_up
from tests.scene import KINDS, Scene


def estate(*kinds: str) -> str:
    """An estate file with a server of each of these platforms."""
    servers = [
        {"name": f"{kind} {number}", "platform": kind, "url": f"http://{kind}{number}.example.test:8096"}
        | ({"plex_account": "olga@example.test"} if kind == "plex" else {"token": "0123456789abcdef"})
        for number, kind in enumerate(kinds)
    ]
    accounts = [{"email": "olga@example.test", "token": "a-token"}] if "plex" in kinds else []
    return yaml.safe_dump({"plex_accounts": accounts, "servers": servers})


def with_limits(config: Config, **limits: str) -> Flask:
    """The same installation, limited."""
    return create_app(Config.from_env({**config.environ, **limits}))


def stored() -> list[str]:
    """Names of the servers there are."""
    return list(db.session.scalars(db.select(Server.name).order_by(Server.id)))


# M16
def test_there_is_no_limit_by_default(app: Flask) -> None:
    result = cli(app, "import", "-", input=estate(*KINDS * 4))
    assert result.exit_code == 0, result.stderr
    assert len(stored()) == 12


# M16
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_of_a_platform_that_is_not_allowed_is_refused_with_a_sentence(app: Flask, config: Config, kind: str) -> None:
    others = [other for other in KINDS if other != kind]
    limited = with_limits(config, PANEL_PLATFORMS=",".join(others))
    result = cli(limited, "import", "-", input=estate(*others, kind))
    assert result.exit_code == 1
    assert f"does not allow {kind.capitalize()} servers" in result.stderr and "PANEL_PLATFORMS" in result.stderr
    assert stored() == [], "a file that is refused changes nothing"
    assert db.session.query(PlexAccount).count() == 0
    assert cli(limited, "import", "-", input=estate(*others)).exit_code == 0
    assert len(stored()) == 2


# M16
def test_a_server_too_many_is_refused_with_a_sentence_and_those_there_can_still_be_changed(app: Flask, config: Config) -> None:
    limited = with_limits(config, PANEL_MAX_SERVERS="2")
    assert cli(limited, "import", "-", input=estate("emby", "jellyfin")).exit_code == 0
    result = cli(limited, "import", "-", input=estate("emby", "jellyfin", "emby"))
    assert result.exit_code == 1
    assert "2 servers at most" in result.stderr and "PANEL_MAX_SERVERS" in result.stderr
    assert stored() == ["emby 0", "jellyfin 1"]
    again = cli(limited, "import", "-", input=estate("emby", "jellyfin").replace("emby0.example", "new.example"))
    assert again.exit_code == 0, again.stderr
    assert db.session.scalar(db.select(Server.url).where(Server.name == "emby 0")) == "http://new.example.test:8096"


# M16
@pytest.mark.parametrize("allowed", ["plex", "emby"])
def test_a_heterogeneous_pair_needs_both_platforms_allowed(app: Flask, config: Config, scene: Scene, allowed: str) -> None:
    set_up(scene, "plex", "emby", people=("ada",))
    assert codes(scene.preflight()) == []
    result = cli(with_limits(config, PANEL_PLATFORMS=allowed), "preflight", "Old", "New", "--json")
    (blocker,) = document(result)["blockers"]
    assert blocker["code"] == "platform_not_allowed"
    assert ("Emby" if allowed == "plex" else "Plex") in blocker["message"] and "PANEL_PLATFORMS" in blocker["message"]


# M16
def test_a_wrong_limit_stops_the_program_with_a_sentence(tmp_path: Path) -> None:
    for name, value in (("PANEL_PLATFORMS", "kodi"), ("PANEL_MAX_SERVERS", "many")):
        with pytest.raises(ConfigError, match=name):
            Config.from_env({"PANEL_VAR": str(tmp_path), name: value})
