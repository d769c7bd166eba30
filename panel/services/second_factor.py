"""The second factor of a sign-in: codes of an authenticator app (TOTP, RFC 6238), and recovery codes that stand in for it once."""

from __future__ import annotations

import hashlib
import secrets

import pyotp
import segno
from sqlalchemy import delete, func, select, update

from panel.extensions import db, execute
from panel.models import Admin, RecoveryCode
from panel.models.types import utc_now

ISSUER = "Streamferry"
STEP_S = 30
#: How many time steps the clocks may differ, either way.
DRIFT = 1
RECOVERY_CODES = 10
#: Without letters and digits that look alike.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_secret() -> str:
    """A fresh secret, in base32 as apps take it."""
    return pyotp.random_base32()


def qr_code(email: str, secret: str) -> str:
    """The secret for an app's camera: an inline SVG, dark on light so that it can be read in both themes."""
    uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)
    code = segno.make(uri, error="m", micro=False)
    return str(code.svg_inline(dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None))


def switch_on(admin: Admin, secret: str, code: str) -> list[str] | None:
    """Wanted from now on, once `code` proves that an app has the secret: fresh recovery codes, or `None` for a wrong code. Flushed."""
    step = step_of(secret, code)
    if step is None:
        return None
    admin.totp_secret, admin.totp_used = secret, step
    return new_recovery_codes(admin)


def switch_off(admin: Admin) -> None:
    """E-mail and password are enough again; flushed."""
    admin.totp_secret, admin.totp_used = None, 0
    forget_recovery_codes(admin)
    db.session.flush()


def accept(admin: Admin, code: str) -> str:
    """Use up a code: `app` or `recovery` says what it was, empty that it is wrong or was used before. Flushed."""
    step = step_of(admin.totp_secret or "", code) if admin.totp_secret else None
    if step is not None:
        later = update(Admin).where(Admin.id == admin.id, Admin.totp_used < step).values(totp_used=step)
        return "app" if execute(later) == 1 else ""
    unused = update(RecoveryCode).where(
        RecoveryCode.admin_id == admin.id, RecoveryCode.code_hash == _hash(admin, code), RecoveryCode.used_at.is_(None)
    )
    return "recovery" if execute(unused.values(used_at=utc_now())) == 1 else ""


def step_now() -> int:
    """The time step of this moment."""
    return int(utc_now().timestamp()) // STEP_S


def step_of(secret: str, code: str) -> int | None:
    """The time step a code of the app belongs to, when that is now or next to it."""
    digits = "".join(code.split())
    current = step_now()
    # All are compared, whichever fits, so that the time taken says nothing.
    fitting = [step for step in range(current - DRIFT, current + DRIFT + 1) if _is_code(secret, step, digits)]
    return fitting[0] if fitting else None


def new_recovery_codes(admin: Admin) -> list[str]:
    """Ten fresh codes in place of all earlier ones; only their hashes are kept. Flushed."""
    forget_recovery_codes(admin)
    codes = ["-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4)) for _ in range(RECOVERY_CODES)]
    db.session.add_all(RecoveryCode(admin_id=admin.id, code_hash=_hash(admin, code)) for code in codes)
    db.session.flush()
    return codes


def recovery_codes_left(admin: Admin) -> int:
    """How many have not been used."""
    unused = select(func.count()).where(RecoveryCode.admin_id == admin.id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(unused) or 0


def forget_recovery_codes(admin: Admin) -> None:
    """None of them works any more; flushed."""
    execute(delete(RecoveryCode).where(RecoveryCode.admin_id == admin.id))


def _is_code(secret: str, step: int, digits: str) -> bool:
    return pyotp.utils.strings_equal(pyotp.TOTP(secret).generate_otp(step), digits)


def _hash(admin: Admin, code: str) -> str:
    letters = "".join(character for character in code.casefold() if character.isalnum())
    return hashlib.sha256(f"{admin.id}:{letters}".encode()).hexdigest()
