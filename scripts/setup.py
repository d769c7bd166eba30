"""Makes `.venv` and the browser files ready. Standard library only, safe to run again, quick when nothing changed."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "streamferry-setup"
INPUTS = ("requirements.txt", "requirements-dev.txt", "scripts/setup.py", "panel/assets.py")


class SetupError(Exception):
    """Something a person has to do first; the text says what."""


def fingerprint(root: Path = ROOT) -> str:
    """Changes whenever an installation made before may differ: requirements, this script, the interpreter, the checkout's place."""
    digest = hashlib.sha256(f"{sys.version}\n{sys.base_prefix}\n{root}\n".encode())
    for name in INPUTS:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def is_current() -> bool:
    """Whether an earlier run finished and nothing it depends on changed since."""
    htmx = ROOT / "static" / runpy.run_path(str(ROOT / "panel" / "assets.py"))["HTMX_STATIC"]
    return STAMP.is_file() and STAMP.read_text() == fingerprint() and htmx.is_file() and python_in(VENV).exists()


def require_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Raises `SetupError` below Python 3.11 or where the interpreter cannot make virtual environments."""
    if version < (3, 11):
        raise SetupError(
            f"Python 3.11 or newer is needed, this is {version[0]}.{version[1]}: install one and run `make PYTHON=python3.11 …`."
        )
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        package = f"python{version[0]}.{version[1]}-venv"
        raise SetupError(f"This Python cannot make virtual environments: install the package {package} (apt-get install {package}).")


def python_in(venv: Path) -> Path:
    """The interpreter inside a virtual environment."""
    return venv / "bin" / "python"


def make_venv() -> None:
    """Makes `.venv`; one that is broken, half made or was moved here is replaced, a good one is kept."""
    if python_in(VENV).exists() and quiet(python_in(VENV), "-m", "pip", "--version") and is_at_home(VENV):
        return
    say("Making .venv …")
    if not quiet(Path(sys.executable), "-m", "venv", "--clear", str(VENV)):
        raise SetupError(f"`{sys.executable} -m venv {VENV}` failed: install the package python3-venv, then run this again.")


def is_at_home(venv: Path) -> bool:
    """Whether the commands in it still start: they name the folder they were installed in."""
    first = next(iter(sorted((venv / "bin").glob("pip*"))), None)
    return first is None or str(venv / "bin").encode() in first.read_bytes()[:1000]


def install_packages() -> None:
    """Installs the pinned requirements, development ones included. Raises `SetupError` when pip fails."""
    say("Installing the Python packages …")
    pip("install", "--requirement", str(ROOT / "requirements-dev.txt"))


def install_htmx() -> None:
    """Takes htmx out of its wheel to `static/vendor/`. Raises `SetupError` when the file is not exactly the expected one."""
    assets = runpy.run_path(str(ROOT / "panel" / "assets.py"))
    target = ROOT / "static" / assets["HTMX_STATIC"]
    if target.is_file() and integrity(target) == assets["HTMX_INTEGRITY"]:
        return
    say(f"Installing htmx {assets['HTMX_VERSION']} …")
    with tempfile.TemporaryDirectory() as folder:
        pip("install", "--no-deps", "--target", folder, assets["HTMX_WHEEL"])
        source = Path(folder) / assets["HTMX_IN_WHEEL"]
        if integrity(source) != assets["HTMX_INTEGRITY"]:
            raise SetupError(f"{assets['HTMX_WHEEL']} does not carry the expected htmx {assets['HTMX_VERSION']}: nothing was installed.")
        put(source, target)


def integrity(path: Path) -> str:
    """The file's Subresource Integrity value (sha384)."""
    return "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()


def put(source: Path, target: Path) -> None:
    """Copies in one step, so that a browser or a second set-up never meets half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, half)
    half.replace(target)


def pip(*arguments: str) -> None:
    """Runs the pip of `.venv`, showing only its warnings and errors."""
    command = [str(python_in(VENV)), "-m", "pip", "--disable-pip-version-check", "--no-input", arguments[0], "--quiet", *arguments[1:]]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise SetupError("pip could not install what is needed (its own words are above): check the network and run this again.")


def quiet(program: Path, *arguments: str) -> bool:
    """Runs a program without showing its output; whether it succeeded."""
    return subprocess.run([str(program), *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def say(sentence: str) -> None:
    """Progress for whoever watches."""
    print(sentence, flush=True)


def main() -> int:
    """Exit code 0: everything is in place; 1: the sentence on standard error says what is missing."""
    try:
        if is_current():
            return 0
        require_python()
        make_venv()
        install_packages()
        install_htmx()
    except SetupError as error:
        print(f"Set-up stopped: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(fingerprint())
    say("Set-up is complete.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
