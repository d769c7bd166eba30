"""The folder an installation writes to (PANEL_VAR): private, with secrets that are made once and never overwritten."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import stat
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

# sockaddr_un takes 108 bytes on Linux and 104 on macOS, the closing zero included.
LONGEST_SOCKET_PATH = 103


def make_private(folder: Path) -> None:
    """Makes the folder, and its parents, and closes it to other users. Raises `OSError` when that is not possible."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)


def make_own(folder: Path) -> None:
    """`make_private` in a place everybody may write to: a folder or link someone else put there first raises `OSError`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{folder} was made by someone else")


def secret(folder: Path, name: str, make: Callable[[], str]) -> str:
    """The secret of this name under `folder/secrets` (mode 0600), made on the first call of the first process."""
    path = folder / "secrets" / name
    make_private(path.parent)
    if not path.exists():
        write_once(path, make())
    return path.read_text(encoding="utf-8").strip()


def write_once(path: Path, text: str) -> None:
    """Creates the file complete or not at all; whoever comes second leaves what is there."""
    handle, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails when the name is taken: two first starts at once agree on one secret.
        os.link(half, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(half)


def random_text() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def fernet_key() -> str:
    """A new Fernet key."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def client_identifier() -> str:
    """What plex.tv knows this installation by, for good: a new one would appear there as another device."""
    return str(uuid.uuid4())


def socket_path(folder: Path) -> Path:
    """Where the embedded Redis listens: `folder/redis/redis.sock`, or, where that is too long for a socket, a short private place.

    The short place is remembered in `folder/redis/socket-folder`, so that a process with another TMPDIR finds the same.
    """
    home = folder / "redis"
    make_private(home)
    path = home / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    memory = home / "socket-folder"
    if not memory.exists():
        tag = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        write_once(memory, str(Path(tempfile.gettempdir()) / f"streamferry-{os.getuid()}-{tag}"))
    short = Path(memory.read_text(encoding="utf-8").strip())
    make_own(short)
    return short / "redis.sock"
