"""Creating or updating a whole estate from a file: idempotent, all or nothing, and without asking any server."""

from __future__ import annotations

from sqlalchemy import select

from panel.extensions import db
from panel.models import EmailTemplate, Library, LibraryGroup, Plan, PlexAccount, Server, Setting
from panel.services import notices
from panel.services.basics import ensure_basics
from panel.services.estate.checks import mistakes_in, stored
from panel.services.estate.entries import EstateFile, SettingsEntry
from panel.services.estate.file import Estate, EstateError, Mistake, load
from panel.services.estate.names import Names
from panel.services.estate.rows import Summary, write
from panel.services.estate.users import write_users

__all__ = ["Estate", "EstateError", "Mistake", "Summary", "apply", "load"]

ACCOUNT_COLUMNS = {key: key for key in ("token", "has_plex_pass")}
SERVER_COLUMNS = {key: key for key in ("platform", "url", "token", "enabled", "allow_new_subscriptions", "has_emby_premiere", "max_users")}
PLAN_COLUMNS = {"allow_downloads": "allow_downloads", "duration_days": "duration_days", "default": "is_default"}
SETTING_COLUMNS = {key: key for key in ("admin_email", "pace_s", "import_as_permanent")}
SMTP_COLUMNS = {key: f"smtp_{key}" for key in ("host", "port", "security", "username", "password", "sender")}


def apply(estate: Estate) -> Summary:
    """Write the file into the database, flushed, not committed: what it names is created or updated, everything else stays.

    Raises `EstateError` when it does not fit what is there; then, and on any other error, the transaction is rolled back.
    """
    try:
        ensure_basics()
        if mistakes := mistakes_in(estate):
            raise EstateError(mistakes)
        summary = _write(estate.file)
        db.session.flush()
    except BaseException:
        db.session.rollback()
        raise
    return summary


def _write(file: EstateFile) -> Summary:
    summary = Summary()
    _write_servers(file, _write_accounts(file, summary), summary)
    groups = _write_groups(file, summary)
    _write_libraries(file, groups, summary)
    write_users(file.users, _write_plans(file, groups, summary), summary)
    if file.settings is not None:
        _write_settings(file.settings, summary)
    return summary


def _write_accounts(file: EstateFile, summary: Summary) -> Names[PlexAccount]:
    accounts: Names[PlexAccount] = stored("email", PlexAccount)
    for entry in file.plex_accounts:
        row = known = accounts.find(entry.email)
        if row is None:
            row = PlexAccount(email=entry.email, has_plex_pass=False)
            db.session.add(row)
            accounts.add(entry.email, row)
        summary.note("Plex account", is_new=known is None, changed=write(row, entry, ACCOUNT_COLUMNS))
    return accounts


def _write_servers(file: EstateFile, accounts: Names[PlexAccount], summary: Summary) -> None:
    servers: Names[Server] = stored("name", Server)
    for entry in file.servers:
        row = known = servers.find(entry.name)
        if row is None:
            row = Server(name=entry.name)
            db.session.add(row)
        # The machine id stays: should another server answer at a new URL, it is noticed.
        changed = write(row, entry, SERVER_COLUMNS)
        if entry.plex_account is not None and row.plex_account is not (account := accounts.find(entry.plex_account)):
            row.plex_account, changed = account, True
        summary.note("server", is_new=known is None, changed=changed)
    db.session.flush()


def _write_groups(file: EstateFile, summary: Summary) -> Names[LibraryGroup]:
    groups: Names[LibraryGroup] = stored("name", LibraryGroup)
    for name in file.library_groups:
        if groups.find(name) is None:
            row = LibraryGroup(name=name, locked=False)
            db.session.add(row)
            groups.add(name, row)
            summary.note("library group", is_new=True, changed=True)
    db.session.flush()
    return groups


def _write_libraries(file: EstateFile, groups: Names[LibraryGroup], summary: Summary) -> None:
    servers: Names[Server] = stored("name", Server)
    known: dict[tuple[int, str], list[Library]] = {}
    for row in db.session.scalars(select(Library).order_by(Library.id)):
        known.setdefault((row.server_id, row.name.casefold()), []).append(row)
    for entry in file.libraries:
        server = servers.find(entry.server)
        assert server is not None
        rows = known.get((server.id, entry.name.casefold()), [])
        group = groups.find(entry.group) if entry.group is not None else None
        group_id = group.id if group else None
        if not rows:
            db.session.add(Library(server_id=server.id, name=entry.name, group_id=group_id))
        regrouped = [row for row in rows if "group" in entry.model_fields_set and row.group_id != group_id]
        for row in regrouped:
            row.group_id = group_id
        summary.note("library", is_new=not rows, changed=bool(regrouped))


def _write_plans(file: EstateFile, groups: Names[LibraryGroup], summary: Summary) -> Names[Plan]:
    plans: Names[Plan] = stored("name", Plan)
    for entry in file.plans:
        row = known = plans.find(entry.name)
        if row is None:
            row = Plan(name=entry.name, allow_downloads=False, duration_days=30, is_default=False)
            db.session.add(row)
            plans.add(entry.name, row)
        changed = write(row, entry, PLAN_COLUMNS)
        wanted = {group.id: group for name in entry.library_groups if (group := groups.find(name)) is not None}
        if "library_groups" in entry.model_fields_set and {group.id for group in row.groups} != set(wanted):
            row.groups, changed = list(wanted.values()), True
        summary.note("plan", is_new=known is None, changed=changed)
        if entry.default:
            _make_only_default(row)
    db.session.flush()
    return plans


def _make_only_default(plan: Plan) -> None:
    db.session.flush()
    for other in db.session.scalars(select(Plan).where(Plan.is_default, Plan.id != plan.id)):
        other.is_default = False


def _write_settings(entry: SettingsEntry, summary: Summary) -> None:
    setting = Setting.current()
    changed = write(setting, entry, SETTING_COLUMNS)
    if entry.smtp is not None:
        changed = write(setting, entry.smtp, SMTP_COLUMNS) or changed
    if "system_message_enabled" in entry.model_fields_set:
        changed = _switch_template(entry.system_message_enabled) or changed
    summary.note("setting", is_new=False, changed=changed)


def _switch_template(enabled: bool) -> bool:
    if notices.is_enabled(notices.SYSTEM_MESSAGE) is enabled:
        return False
    template = db.session.get(EmailTemplate, notices.SYSTEM_MESSAGE)
    if template is None:
        template = EmailTemplate(event=notices.SYSTEM_MESSAGE)
        db.session.add(template)
    template.enabled = enabled
    return True
