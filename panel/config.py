"""What an installation is told by its environment, checked when it starts: a wrong value stops the program with a sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from panel import var
from panel.environment import ConfigError, Reader

__all__ = ["PLATFORMS", "ROOT", "Config", "ConfigError"]

ROOT = Path(__file__).resolve().parent.parent
PLATFORMS = ("plex", "emby", "jellyfin")
SECRETS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PANEL_ENCRYPTION_KEYS")


@dataclass(frozen=True)
class Config:
    """The settings of one installation. Secrets and addresses that may carry passwords are never in `repr`."""

    var: Path
    database_url: str = field(repr=False)
    external_redis_url: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    public_url: str = ""
    platforms: tuple[str, ...] = PLATFORMS
    max_servers: int | None = None
    plex_tv_url: str = ""
    workers: int = 2
    side_by_side: int = 2
    outage_waits_s: tuple[float, ...] = (5.0, 15.0, 45.0, 120.0, 300.0)
    retry_waits_s: tuple[float, ...] = (1.0, 3.0, 9.0)
    lease_s: float = 20.0
    trusted_proxies: int = 0
    log_json: bool = False
    metrics_token: str = field(default="", repr=False)
    redis_password: str = field(default="", repr=False)
    redis_socket: Path | None = None
    plex_client_id: str = ""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Reads the environment (`os.environ` by default) and touches no file but those named by `*_FILE`. Raises `ConfigError`."""
        read = Reader(os.environ if environ is None else environ)
        folder = Path(read.text("PANEL_VAR", str(ROOT / "var"))).expanduser().absolute()
        return cls(
            var=folder,
            # Where everything is kept: sqlite:///file or postgresql://user:password@host/name. DATABASE_URL_FILE names a file with it.
            database_url=read.database("DATABASE_URL", f"sqlite:///{folder}/streamferry.db"),
            # An existing Redis or Valkey; empty: an embedded one under PANEL_VAR. Also REDIS_URL_FILE.
            external_redis_url=read.url("REDIS_URL", ("redis", "rediss", "unix")),
            # Signs sessions and links; made on the first start when empty. Also SECRET_KEY_FILE.
            secret_key=read.secret("SECRET_KEY"),
            # Fernet keys, comma separated: the first encrypts, all decrypt; made when empty. Also PANEL_ENCRYPTION_KEYS_FILE.
            encryption_keys=read.fernet_keys("PANEL_ENCRYPTION_KEYS"),
            # How people reach the panel, for links in e-mails; empty: as the browser asked.
            public_url=read.url("PANEL_PUBLIC_URL", ("http", "https")).rstrip("/"),
            # Platforms this installation may have, out of plex,emby,jellyfin; empty: all.
            platforms=read.choices("PANEL_PLATFORMS", PLATFORMS),
            # How many media servers this installation may have; empty: no limit.
            max_servers=read.limit("PANEL_MAX_SERVERS"),
            # Another host that answers as plex.tv (tests, demo); empty: the real one.
            plex_tv_url=read.url("PLEX_TV_URL", ("http", "https")).rstrip("/"),
            # How many jobs run at the same time.
            workers=read.count("PANEL_WORKERS", cls.workers),
            # How many users move at the same time where no pace applies; media servers do not like many writers.
            side_by_side=read.count("PANEL_SIDE_BY_SIDE", cls.side_by_side),
            # Seconds to wait, one after the other, while a media server is away.
            outage_waits_s=read.waits("PANEL_OUTAGE_WAITS_S", cls.outage_waits_s),
            # Seconds to wait before each new try of a step that failed.
            retry_waits_s=read.waits("PANEL_RETRY_WAITS_S", cls.retry_waits_s),
            # Seconds after which work whose worker fell silent may be taken by another.
            lease_s=read.seconds("PANEL_LEASE_S", cls.lease_s),
            # How many reverse proxies of your own stand before the panel: they say who asks, and whether by https.
            trusted_proxies=read.limit("PANEL_TRUSTED_PROXIES") or 0,
            # One JSON object per line of the log, for programs that collect logs.
            log_json=read.flag("PANEL_LOG_JSON"),
            # Who sends it as a bearer token may read /metrics; empty: admins alone. Also PANEL_METRICS_TOKEN_FILE.
            metrics_token=read.secret("PANEL_METRICS_TOKEN"),
            environ=dict(read.environ),
        )

    def ensure(self) -> Config:
        """The same settings with what was not given filled in from PANEL_VAR, which is made, with its secrets, on the first start.

        Processes that start together agree; what exists is never overwritten. Raises `ConfigError` when the folder cannot be used.
        """
        try:
            var.make_private(self.var)
            return replace(
                self,
                secret_key=self.secret_key or var.secret(self.var, "secret_key", var.random_text),
                encryption_keys=self.encryption_keys or tuple(var.secret(self.var, "encryption_key", var.fernet_key).split()),
                plex_client_id=var.secret(self.var, "plex_client_id", var.client_identifier),
                redis_password="" if self.external_redis_url else var.secret(self.var, "redis_password", var.random_text),
                redis_socket=None if self.external_redis_url else var.socket_path(self.var),
            )
        except OSError as error:
            raise ConfigError(f"PANEL_VAR: {self.var} cannot be used ({error.strerror or error}): make it a folder of your own.") from error

    @property
    def redis_url(self) -> str:
        """The Redis to talk to: the one given, or the embedded one's socket (after `ensure`)."""
        if self.external_redis_url or self.redis_socket is None:
            return self.external_redis_url
        return f"unix://:{quote(self.redis_password, safe='')}@{quote(str(self.redis_socket))}"

    @property
    def embeds_redis(self) -> bool:
        """Whether this installation brings its own Redis."""
        return not self.external_redis_url

    def child_environ(self) -> dict[str, str]:
        """The environment for this installation's other processes: the settings this one read, and the way to its modules."""
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        here = {
            "PANEL_VAR": str(self.var),
            "DATABASE_URL": self.database_url,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
        }
        inherited = {**{name: value for name, value in os.environ.items() if not is_setting(name)}, **self.environ}
        inherited.pop("DATABASE_URL_FILE", None)
        return {**inherited, **here}


def is_setting(name: str) -> bool:
    """Whether a variable is one that `Config.from_env` reads."""
    return name.startswith(("PANEL_", "PLEX_TV_URL")) or name.removesuffix("_FILE") in SECRETS
