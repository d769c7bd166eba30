"""The users of an estate file: which of them are known already, what is written about them, and their payments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from panel.extensions import db
from panel.models import Payment, Plan, User
from panel.services.estate.entries import PaymentEntry, UserEntry
from panel.services.estate.names import Names
from panel.services.estate.rows import Summary, write

#: By which names an entry meets a user, one after the other.
NAMES: tuple[Callable[[UserEntry | User], str], ...] = (
    lambda one: one.name,
    lambda one: one.name.casefold(),
    lambda one: one.jellyfin_name.casefold(),
)
COLUMNS = ("name", "email", "plex_email", "emby_email", "jellyfin_name", "permanent", "must_change_plex_account")


def write_users(entries: Sequence[UserEntry], plans: Names[Plan], summary: Summary) -> None:
    """Create or update them all; flushed by the caller."""
    users = list(db.session.scalars(select(User).order_by(User.id).options(selectinload(User.payments))))
    for entry, met in zip(entries, meet(entries, users), strict=True):
        user = met or User(name=entry.name)
        if met is None:
            db.session.add(user)
        changed = write(user, entry, {key: key for key in COLUMNS})
        changed = not user.imported or changed
        user.imported = True
        changed = _write_payments(user, entry.payments, plans) or changed
        summary.note("user", is_new=met is None, changed=changed)


def meet(entries: Sequence[UserEntry], users: Iterable[User]) -> list[User | None]:
    """For each entry the user it is about: by e-mail (any of the three, case-folded), then by name where exactly one has it."""
    by_email: dict[str, User] = {}
    for user in users:
        for email in user.emails:
            by_email.setdefault(email, user)
    found = [_by_email(entry, by_email) for entry in entries]
    taken: set[int] = set()
    for number, met in enumerate(found):
        if met is not None and met.id in taken:
            found[number] = None
        elif met is not None:
            taken.add(met.id)
    left = [user for user in users if user.id not in taken]
    return _by_name(entries, found, left)


def _by_email(entry: UserEntry, by_email: dict[str, User]) -> User | None:
    # The person's own address first, then the ones the platforms know.
    given = (entry.email, entry.plex_email, entry.emby_email)
    return next((by_email[email.casefold()] for email in given if email and email.casefold() in by_email), None)


def _by_name(entries: Sequence[UserEntry], found: list[User | None], users: list[User]) -> list[User | None]:
    """Fills in by name those not met by e-mail; a name that several entries or several users have decides nothing."""
    result = list(found)
    for name_of in NAMES:
        alike: defaultdict[str, list[User]] = defaultdict(list)
        asking: defaultdict[str, list[int]] = defaultdict(list)
        taken = {user.id for user in result if user is not None}
        for user in users:
            if user.id not in taken:
                alike[name_of(user)].append(user)
        for number, entry in enumerate(entries):
            if result[number] is None and name_of(entry):
                asking[name_of(entry)].append(number)
        for name, numbers in asking.items():
            if len(numbers) == 1 and len(alike[name]) == 1 and _may_be(entries[numbers[0]], alike[name][0]):
                result[numbers[0]] = alike[name][0]
    return result


def _may_be(entry: UserEntry, user: User) -> bool:
    """Whether the addresses do not speak against it: one that plex.tv gave for this very account is never another person's."""
    return not (user.plex_id and user.plex_email and entry.plex_email and user.plex_email.casefold() != entry.plex_email.casefold())


def _write_payments(user: User, entries: Iterable[PaymentEntry], plans: Names[Plan]) -> bool:
    """Payments are the same when plan and start are; those the file does not name stay. Answers whether any was written."""
    known = {(payment.plan_id, payment.start_at): payment for payment in user.payments}
    changed = False
    for entry in entries:
        plan = plans.find(entry.plan)
        assert plan is not None
        payment = known.get((plan.id, entry.start))
        if payment is None:
            user.payments.append(Payment(plan=plan, start_at=entry.start, end_at=entry.end))
            changed = True
        elif payment.end_at != entry.end:
            payment.end_at, changed = entry.end, True
    return changed
