"""Where an estate file contradicts itself: things that are there twice, and values that do not go together."""

from __future__ import annotations

from collections.abc import Iterator

from panel.domain.platform import Platform
from panel.services.estate.entries import EstateFile, UserEntry
from panel.services.estate.text import Path


def contradictions_in(file: EstateFile) -> Iterator[tuple[Path, str]]:
    """Each place, and what is wrong there."""
    yield from _repeats("plex_accounts", "email", [(account.email,) for account in file.plex_accounts])
    yield from _repeats("servers", "name", [(server.name,) for server in file.servers])
    yield from _repeats("library_groups", "", [(name,) for name in file.library_groups])
    yield from _repeats("libraries", "name", [(library.server, library.name) for library in file.libraries])
    yield from _repeats("plans", "name", [(plan.name,) for plan in file.plans])
    yield from _second_default(file)
    yield from _wrong_secrets(file)
    yield from _same_people(file)
    for number, user in enumerate(file.users):
        yield from _wrong_payments(user, ("users", number, "payments"))


def _repeats(section: str, key: str, names: list[tuple[str, ...]]) -> Iterator[tuple[Path, str]]:
    seen: dict[tuple[str, ...], int] = {}
    for number, name in enumerate(names):
        first = seen.setdefault(tuple(part.casefold() for part in name), number)
        if first != number:
            yield (section, number, *([key] if key else [])), f"is the same as in {section}[{first}]"


def _second_default(file: EstateFile) -> Iterator[tuple[Path, str]]:
    defaults = [number for number, plan in enumerate(file.plans) if plan.default]
    for number in defaults[1:]:
        yield ("plans", number, "default"), f"plans[{defaults[0]}] is the default plan already, and there is one only"


def _wrong_secrets(file: EstateFile) -> Iterator[tuple[Path, str]]:
    for number, server in enumerate(file.servers):
        if server.platform is Platform.PLEX and server.token is not None:
            yield ("servers", number, "token"), "a Plex server takes its token from its plex_account"
        if server.platform is not Platform.PLEX and server.plex_account is not None:
            yield ("servers", number, "plex_account"), f"a server of {server.platform.label} has a token instead"


def _same_people(file: EstateFile) -> Iterator[tuple[Path, str]]:
    seen: dict[str, int] = {}
    nameless: dict[str, int] = {}
    for number, user in enumerate(file.users):
        for email, key in user.emails.items():
            if seen.setdefault(email, number) != number:
                yield ("users", number, key), f"users[{seen[email]}] has the same e-mail address"
        # With an address two people may have one name; without, nothing would tell them apart.
        if not user.emails and nameless.setdefault(user.name.casefold(), number) != number:
            yield ("users", number, "name"), f"users[{nameless[user.name.casefold()]}] has the same name, and neither has an e-mail address"


def _wrong_payments(user: UserEntry, path: Path) -> Iterator[tuple[Path, str]]:
    seen: dict[tuple[str, object], int] = {}
    for number, payment in enumerate(user.payments):
        if payment.end < payment.start:
            yield (*path, number, "end"), "lies before the start"
        first = seen.setdefault((payment.plan.casefold(), payment.start), number)
        if first != number:
            yield (*path, number, "start"), f"is the same as in payments[{first}], on the same plan"
