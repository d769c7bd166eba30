"""Set-up stops with one sentence when something is missing, and leaves the exact browser files behind."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from panel import assets

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("streamferry_setup", ROOT / "scripts" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_refuses_an_old_python(script: ModuleType) -> None:
    with pytest.raises(script.SetupError, match="Python 3.11 or newer"):
        script.require_python((3, 10))


def test_names_the_package_to_install_where_python_has_no_venv(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object())
    with pytest.raises(script.SetupError, match=r"install the package python3\.12-venv"):
        script.require_python((3, 12))


def test_changes_its_fingerprint_with_the_requirements(script: ModuleType, tmp_path: Path) -> None:
    for name in script.INPUTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    before = script.fingerprint(tmp_path)
    assert script.fingerprint(tmp_path) == before
    (tmp_path / "requirements.txt").write_text("Flask==0\n")
    assert script.fingerprint(tmp_path) != before


def test_is_not_current_before_it_ran(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "STAMP", tmp_path / "stamp")
    assert not script.is_current()


def test_a_venv_that_was_moved_is_not_at_home(script: ModuleType, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    (before / "bin").mkdir(parents=True)
    (before / "bin" / "pip").write_text(f"#!{before}/bin/python3\nimport pip\n")
    assert script.is_at_home(before)
    before.rename(after)
    assert not script.is_at_home(after)


def test_refuses_an_htmx_of_another_content(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install_a_changed_wheel(*arguments: str) -> None:
        file = Path(arguments[arguments.index("--target") + 1]) / assets.HTMX_IN_WHEEL
        file.parent.mkdir(parents=True)
        file.write_text("changed")

    static = tmp_path / "static"
    monkeypatch.setattr(script, "ROOT", tmp_path)
    (tmp_path / "panel").mkdir()
    (tmp_path / "panel" / "assets.py").write_bytes((ROOT / "panel" / "assets.py").read_bytes())
    monkeypatch.setattr(script, "pip", install_a_changed_wheel)
    with pytest.raises(script.SetupError, match="nothing was installed"):
        script.install_htmx()
    assert not list(static.rglob("*.js"))


def test_has_installed_exactly_the_htmx_that_the_pages_name(script: ModuleType) -> None:
    installed = assets.local_htmx()
    if installed is None:
        pytest.skip("set-up has not run in this checkout (make setup)")
    assert script.integrity(installed) == assets.HTMX_INTEGRITY
    assert f'version:"{assets.HTMX_VERSION}"' in installed.read_text(encoding="utf-8")


def test_pins_every_requirement_to_one_version() -> None:
    lines = [line for name in ("requirements.txt", "requirements-dev.txt") for line in (ROOT / name).read_text().splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert len(wanted) > 40
    assert [line for line in wanted if "==" not in line] == []


def test_can_be_read_by_set_up_before_anything_is_installed() -> None:
    assert runpy.run_path(str(ROOT / "panel" / "assets.py"))["HTMX_INTEGRITY"] == assets.HTMX_INTEGRITY


def test_lists_what_make_offers() -> None:
    text = subprocess.check_output(["make", "--no-print-directory", "help"], cwd=ROOT, text=True)
    offered = ["help", "setup", "demo", "run", "test", "test-all", "test-faults", "test-cuts", "lint", "bench", "bench-load"]
    assert [line.split()[0] for line in text.splitlines()] == offered
