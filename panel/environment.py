"""Takes values out of environment variables, strictly: each is checked, and a secret may come from a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class ConfigError(Exception):
    """A setting that cannot be used. `str(error)` names the variable and says what it should be, never its value where that is secret."""


@dataclass(frozen=True)
class Reader:
    """Takes values out of an environment, each checked. Every method raises `ConfigError` with the variable's name."""

    environ: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        """The value without surrounding space; empty counts as not given."""
        return self.environ.get(name, "").strip() or default

    def secret(self, name: str) -> str:
        """The value, or the content of the file that `NAME_FILE` names."""
        path = self.text(f"{name}_FILE")
        if not path:
            return self.text(name)
        if self.text(name):
            raise ConfigError(f"{name} and {name}_FILE are both set: keep one of them.")
        try:
            content = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}_FILE names {path}, which cannot be read: {error}.") from error
        if not content:
            raise ConfigError(f"{name}_FILE names {path}, which is empty.")
        return content

    def url(self, name: str, schemes: tuple[str, ...]) -> str:
        """An address with one of these schemes, or empty."""
        value = self.secret(name)
        if value and not is_url(value, schemes):
            raise ConfigError(f"{name} has to be a complete address that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
        return value

    def database(self, name: str, default: str) -> str:
        """A database address in SQLAlchemy's spelling; relative SQLite paths count from the current folder."""
        value = self.secret(name) or default
        scheme, _, rest = value.partition("://")
        if scheme in ("postgres", "postgresql", "postgresql+psycopg"):
            if not is_url(value, (scheme,)):
                raise ConfigError(f"{name} has to look like postgresql://user:password@host/database.")
            return f"postgresql+psycopg://{rest}"
        if scheme != "sqlite":
            raise ConfigError(f"{name} has to start with sqlite:/// or postgresql://.")
        path, mark, query = rest.removeprefix("/").partition("?")
        if not path or path == ":memory:":
            raise ConfigError(f"{name} has to name a file (sqlite:///panel.db): a database in memory is not shared by web and worker.")
        return f"sqlite:///{Path(path).absolute()}{mark}{query}"

    def fernet_keys(self, name: str) -> tuple[str, ...]:
        """Comma separated Fernet keys: 32 bytes each, in URL-safe base64."""
        keys = tuple(self.secret(name).replace(",", " ").split())
        if not all(is_fernet_key(key) for key in keys):
            raise ConfigError(f"{name} has to hold Fernet keys (32 bytes in URL-safe base64, 44 characters), separated by commas.")
        return keys

    def choices(self, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
        """A comma list out of `known`, in the order of `known`; empty means all."""
        wanted = set(self.text(name).lower().replace(",", " ").split())
        if strange := sorted(wanted - set(known)):
            raise ConfigError(f"{name} knows {', '.join(known)}, not {', '.join(strange)}.")
        return tuple(choice for choice in known if choice in wanted) or known

    def count(self, name: str, default: int) -> int:
        """A whole number from 1 up."""
        return int(self._number(name, default, 1, whole=True))

    def limit(self, name: str) -> int | None:
        """A whole number from 0 up, or `None` when not given."""
        return int(self._number(name, 0, 0, whole=True)) if self.text(name) else None

    def flag(self, name: str) -> bool:
        """Whether something is switched on: 1 or 0, in a few spellings; not given counts as 0."""
        value = self.text(name, "0").lower()
        if value not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            raise ConfigError(f"{name} has to be 1 or 0, not {value!r}.")
        return value in ("1", "true", "yes", "on")

    def seconds(self, name: str, default: float) -> float:
        """A duration of at least a second."""
        return self._number(name, default, 1, whole=False)

    def _number(self, name: str, default: float, least: int, *, whole: bool) -> float:
        value = self.text(name)
        if not value:
            return default
        number = parse_number(value, whole)
        if number is None or number < least:
            raise ConfigError(f"{name} has to be a {'whole ' if whole else ''}number from {least} up, not {value!r}.")
        return number

    def waits(self, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """A comma list of seconds, at least one, none negative."""
        value = self.text(name)
        if not value:
            return default
        numbers = [parse_number(part.strip(), whole=False) for part in value.split(",")]
        waits = tuple(number for number in numbers if number is not None and number >= 0)
        if len(waits) != len(numbers):
            raise ConfigError(f"{name} has to be seconds separated by commas, such as 1,3,9, not {value!r}.")
        return waits


def is_url(value: str, schemes: tuple[str, ...]) -> bool:
    """Whether this is a complete address with one of these schemes."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.netloc or parts.path)


def is_fernet_key(key: str) -> bool:
    """Whether this decodes to the 32 bytes of a Fernet key."""
    try:
        return len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def parse_number(value: str, whole: bool) -> float | None:
    """The number, or `None` for anything that is not a finite one."""
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e9 else None
