"""Passwords are kept as hashes that are slow to guess (the tests' own are quick, see tests/compiled.py)."""

from __future__ import annotations

import pytest
import werkzeug.security

from panel.models import Admin, admin
from panel.web.auth import NOBODYS_HASH
from tests.compiled import quick_password_hash

PASSWORD = "a long enough password"


@pytest.fixture
def ada(monkeypatch: pytest.MonkeyPatch) -> Admin:
    monkeypatch.setattr(admin, "generate_password_hash", werkzeug.security.generate_password_hash)
    ada = Admin(email="ada@example.test")
    ada.set_password(PASSWORD)
    return ada


def work(password_hash: str) -> str:
    """How much work a hash is: its method with its parameters."""
    return password_hash.partition("$")[0]


def test_are_kept_as_salted_scrypt_hashes_of_full_strength(ada: Admin) -> None:
    assert work(ada.password_hash) == "scrypt:32768:8:1"
    first = ada.password_hash
    ada.set_password(PASSWORD)
    assert ada.password_hash != first
    assert ada.has_password(PASSWORD) and not ada.has_password(PASSWORD.upper())


def test_take_as_long_to_compare_for_an_email_that_nobody_has(ada: Admin) -> None:
    assert work(NOBODYS_HASH) == work(ada.password_hash)
    assert [len(part) for part in NOBODYS_HASH.split("$")] == [len(part) for part in ada.password_hash.split("$")]
    assert not werkzeug.security.check_password_hash(NOBODYS_HASH, "")


def test_of_tests_are_hashes_of_the_same_kind() -> None:
    ada = Admin(email="ada@example.test")
    ada.password_hash = quick_password_hash(PASSWORD)
    assert ada.password_hash.startswith("scrypt:")
    assert ada.has_password(PASSWORD) and not ada.has_password(PASSWORD.upper())
