"""The estate file: what it may hold, checked as far as that goes without the database, every mistake named by line and field."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from panel.domain.platform import Platform
from panel.models import SmtpSecurity
from panel.services.estate_kinds import (
    Address,
    Addresses,
    Count,
    Days,
    EndMoment,
    ListOrNothing,
    Name,
    OptionalAddress,
    OptionalText,
    Pace,
    Port,
    SecretText,
    Sender,
    StartMoment,
    Url,
)
from panel.services.estate_text import Lines, Path, Unreadable, read

MOST_SHOWN = 10


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong, and where."""

    line: int
    path: str
    what: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.path}: {self.what}." if self.path else f"line {self.line}: {self.what}."


class EstateError(ValueError):
    """The file cannot be taken; nothing was changed. `str(error)` has a line for each of the first ten mistakes, `mistakes` all."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.line)
        shown = [str(mistake) for mistake in self.mistakes[:MOST_SHOWN]]
        left = len(self.mistakes) - len(shown)
        super().__init__("\n".join([*shown, *([f"… and {left} more."] if left else [])]))


class Entry(BaseModel):
    """A mapping of the file. Only the keys that were given (`model_fields_set`) change anything."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class PlexAccountEntry(Entry):
    """One of `plex_accounts`. The token may be left out for an account that is there already."""

    email: Address
    token: SecretText | None = None
    has_plex_pass: bool = False


class ServerEntry(Entry):
    """One of `servers`. Token or Plex account may be left out for a server that is there already."""

    name: Name
    platform: Annotated[Platform, Field(strict=False)]
    url: Annotated[Url, Field(max_length=255)]
    token: SecretText | None = None
    plex_account: Address | None = None
    enabled: bool = True
    allow_new_subscriptions: bool = True
    has_emby_premiere: bool = False
    max_users: Count | None = None


class LibraryEntry(Entry):
    """One of `libraries`: whether a sync has found it yet makes no difference."""

    server: Name
    name: Name
    group: Name | None = None


class PlanEntry(Entry):
    """One of `plans`."""

    name: Name
    library_groups: Annotated[list[Name], ListOrNothing] = []
    allow_downloads: bool = False
    duration_days: Days = 30
    default: bool = False


class PaymentEntry(Entry):
    """One of a user's `payments`; the end is included."""

    plan: Name
    start: StartMoment
    end: EndMoment


class UserEntry(Entry):
    """One of `users`."""

    name: Name
    email: OptionalAddress = ""
    plex_email: OptionalAddress = ""
    emby_email: OptionalAddress = ""
    jellyfin_name: OptionalText = ""
    permanent: bool = False
    must_change_plex_account: bool = False
    payments: Annotated[list[PaymentEntry], ListOrNothing] = []

    @property
    def emails(self) -> dict[str, str]:
        """The case-folded addresses, each with the first key it is given under."""
        given = [(getattr(self, key).casefold(), key) for key in ("emby_email", "plex_email", "email")]
        return {email: key for email, key in given if email}


class SmtpEntry(Entry):
    """`settings.smtp`."""

    host: OptionalText = ""
    port: Port = 587
    security: Annotated[SmtpSecurity, Field(strict=False)] = SmtpSecurity.STARTTLS
    username: OptionalText = ""
    password: SecretText | None = None
    sender: Sender = ""


class SettingsEntry(Entry):
    """`settings`."""

    admin_email: Addresses = ""
    pace_s: Pace | None = None
    smtp: SmtpEntry | None = None
    system_message_enabled: bool = True
    import_as_permanent: bool = False


class EstateFile(Entry):
    """The whole file."""

    plex_accounts: Annotated[list[PlexAccountEntry], ListOrNothing] = []
    servers: Annotated[list[ServerEntry], ListOrNothing] = []
    library_groups: Annotated[list[Name], ListOrNothing] = []
    libraries: Annotated[list[LibraryEntry], ListOrNothing] = []
    plans: Annotated[list[PlanEntry], ListOrNothing] = []
    users: Annotated[list[UserEntry], ListOrNothing] = []
    settings: SettingsEntry | None = None


@dataclass(frozen=True)
class Estate:
    """A checked file, with the lines of its values for what only the database can tell."""

    file: EstateFile
    lines: Lines

    def mistake(self, path: Path, what: str) -> Mistake:
        """A mistake at this place; what is missing is looked for where it should be."""
        return _mistake(self.lines, path, what)


def load(text: str, environ: Mapping[str, str]) -> Estate:
    """Read and check an estate file, YAML or JSON; `environ` answers for `{env: NAME}`. Raises `EstateError`."""
    try:
        document, lines = read(text)
    except Unreadable as error:
        raise EstateError([Mistake(error.line, written(error.path), str(error))]) from None
    if not isinstance(document, dict):
        what = "the file is empty" if document is None else f"an estate file is a mapping with keys such as {', '.join(EstateFile.model_fields)}"
        raise EstateError([Mistake(1, "", what)])
    try:
        file = EstateFile.model_validate(document, context=environ)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        raise EstateError(_mistake(lines, tuple(one["loc"]), _sentence(one)) for one in wrong) from None
    estate = Estate(file, lines)
    if contradictions := [estate.mistake(path, what) for path, what in _contradictions(file)]:
        raise EstateError(contradictions)
    return estate


def written(path: Path) -> str:
    """A path as people write it: users[3].payments[0].end."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _mistake(lines: Lines, path: Path, what: str) -> Mistake:
    place = path
    while place and place not in lines:
        place = place[:-1]
    return Mistake(lines.get(place, 1), written(path), what)


def _sentence(error: Any) -> str:
    context: dict[str, Any] = error.get("ctx") or {}
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return _unknown_key(tuple(error["loc"]))
    sentences = {
        "estate": str(context.get("sentence")),
        "missing": "is missing",
        "bool_type": "must be true or false",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "finite_number": "must be a number",
        "list_type": "must be a list",
        "model_type": "must be a mapping of keys to values",
        "enum": f"must be one of {str(context.get('expected', '')).replace(chr(39), '')}",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than_equal": f"must be at most {context.get('le')}",
    }
    return sentences.get(kind, str(error["msg"]))


def _unknown_key(path: Path) -> str:
    known = list(_model_at(path[:-1]).model_fields)
    near = difflib.get_close_matches(str(path[-1]).casefold(), known, 1, 0.5)
    return f"is not a known key: did you mean {near[0]}?".removesuffix("?") if near else f"is not a known key; known are {', '.join(known)}"


def _model_at(path: Path) -> type[Entry]:
    model: type[Entry] = EstateFile
    for step in path:
        if isinstance(step, str):
            model = _model_in(model.model_fields[step].annotation) or model
    return model


def _model_in(kind: Any) -> type[Entry] | None:
    if isinstance(kind, type) and issubclass(kind, Entry):
        return kind
    return next((found for part in get_args(kind) if (found := _model_in(part))), None)


def _contradictions(file: EstateFile) -> Iterator[tuple[Path, str]]:
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
