"""Addresses filled in from a CSV: who each line is about, what it would change, and what is wrong with it, before anything is written."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import select

from panel.domain.names import fold
from panel.extensions import db
from panel.models import User
from panel.services import addresses
from panel.services.users import EMAILS

COLUMNS = ("name", *EMAILS, "jellyfin_name")
LONGEST = 255


class NoCsv(ValueError):
    """The text is no such table at all; `str(error)` says what is missing."""


@dataclass(frozen=True)
class Filled:
    """One value to be written. `line` counts from 1, the heading included."""

    line: int
    user: User
    column: str
    before: str
    after: str


@dataclass
class Preview:
    """What a CSV would do. `problems`: line and sentence; such a line changes nothing. `same`: lines that say what is known already."""

    changes: list[Filled] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    same: int = 0

    @property
    def fingerprint(self) -> str:
        """Differs as soon as anything it says does."""
        said = [(change.user.id, change.column, change.before, change.after) for change in self.changes]
        return hashlib.sha256(repr((said, self.problems)).encode()).hexdigest()[:32]

    @property
    def users(self) -> int:
        """How many users it changes."""
        return len({change.user.id for change in self.changes})


class _Known:
    """All users by the names and addresses a line may call them, and who has which address after the lines so far."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[User]] = {}
        self.by_email: dict[str, list[User]] = {}
        for user in db.session.scalars(select(User).order_by(User.id)):
            self.by_name.setdefault(fold(user.name), []).append(user)
            for email in user.emails:
                self.by_email.setdefault(email, []).append(user)

    def meet(self, row: dict[str, str]) -> User | str:
        """The user a line is about, or why nobody is."""
        alike = self.by_name.get(fold(row["name"]), []) if row["name"] else []
        if len(alike) == 1:
            return alike[0]
        emails = [row[column].casefold() for column in EMAILS if row[column]]
        owners = {user.id: user for email in emails for user in self.by_email.get(email, []) if not alike or user in alike}
        if len(owners) == 1:
            return next(iter(owners.values()))
        if len(owners) > 1:
            return "Its addresses belong to several users."
        if alike:
            return f"{len(alike)} users are called “{row['name']}”, and no address says which."
        return f"Nobody is called “{row['name']}”." if row["name"] else "No user has one of these addresses, and there is no name."


def preview(text: str) -> Preview:
    """What this CSV (columns `COLUMNS`, any of them, in any order, parted by comma, semicolon or tab) would change. Raises `NoCsv`."""
    known, found = _Known(), Preview()
    seen: dict[int, int] = {}
    for line, row in _rows(text):
        user = known.meet(row)
        if isinstance(user, str):
            found.problems.append((line, user))
        elif user.id in seen:
            found.problems.append((line, f"Line {seen[user.id]} is about {user.name} too."))
        else:
            seen[user.id] = line
            _judge(known, found, line, user, row)
    return found


def apply(shown: Preview) -> int:
    """Write what a preview of this very transaction says; flushed. Answers how many users changed."""
    for change in shown.changes:
        setattr(change.user, change.column, change.after)
    db.session.flush()
    return shown.users


def _judge(known: _Known, found: Preview, line: int, user: User, row: dict[str, str]) -> None:
    given = {column: row[column] for column in COLUMNS[1:] if row[column] and row[column] != getattr(user, column)}
    problems = [sentence for column, value in given.items() if (sentence := _why_not(known, user, column, value))]
    if problems:
        found.problems += [(line, sentence) for sentence in dict.fromkeys(problems)]
        return
    found.same += not given
    for column, value in given.items():
        found.changes.append(Filled(line, user, column, getattr(user, column), value))
        if column in EMAILS:
            known.by_email.setdefault(value.casefold(), []).append(user)


def _why_not(known: _Known, user: User, column: str, value: str) -> str:
    if len(value) > LONGEST:
        return f"The {column} is longer than {LONGEST} characters."
    if column not in EMAILS:
        return ""
    if missed := addresses.missed(value):
        return f"“{value}” is not {missed}."
    owner = next((other for other in known.by_email.get(value.casefold(), []) if other is not user), None)
    return f"{owner.name} has the address {value}." if owner else ""


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    text = text.removeprefix("\ufeff").replace("\0", "")
    heading = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    names: list[str] = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not names:
                names = _heading(cells)
                continue
            yield reader.line_num, dict.fromkeys(COLUMNS, "") | {name: cell for name, cell in zip(names, cells, strict=False) if name}
    except csv.Error as error:
        raise NoCsv(f"Line {reader.line_num} cannot be read: {error}.") from None
    if not names:
        raise NoCsv("There is nothing in it. The first line names the columns: name, email, plex_email, emby_email, jellyfin_name.")


def _heading(cells: list[str]) -> list[str]:
    names = [cell.casefold().replace("-", "_").replace(" ", "_") for cell in cells]
    if unknown := [cell for cell, name in zip(cells, names, strict=True) if name and name not in COLUMNS]:
        raise NoCsv(f"The first line has to name the columns ({', '.join(COLUMNS)}); “{unknown[0][:60]}” is none of them.")
    if len(set(names)) < len(names) or not set(names) & set(COLUMNS[1:]):
        raise NoCsv("The first line has to name each column once, and at least one address or Jellyfin name to fill in.")
    return names
