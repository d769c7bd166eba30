"""What leads from an empty installation to its first migration, and how far that has come."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, or_, select

from panel.domain.statuses import MigrationStatus
from panel.extensions import config, db
from panel.models import Library, Migration, Payment, Plan, PlexAccount, Server, Setting, Share, User
from panel.models.types import utc_now

WHY_USERS = (
    "Only people with a payment that covers today, or permanent ones, move. “Change all” below the list gives payments to many at once."
)
WHY_ADDRESS = "E-mails link to it: that is where people choose the password of a new Emby or Jellyfin account."


@dataclass(frozen=True)
class FirstStep:
    """One step: what to do, why, where (an endpoint), and whether it is done."""

    label: str
    why: str
    endpoint: str
    done: bool


def is_over() -> bool:
    """Whether a migration has finished: nobody needs to be led any more."""
    return bool(db.session.scalar(select(exists().where(Migration.status == MigrationStatus.FINISHED))))


def first_steps() -> list[FirstStep]:
    """All steps in order."""
    # Looking makes no row.
    now, setting = utc_now(), db.session.get(Setting, 1) or Setting()
    paying = exists().where(Payment.user_id == User.id, Payment.start_at <= now, Payment.end_at >= now)
    moves = select(Share.id).join(User, User.id == Share.user_id).where(Share.is_owner.is_(False), or_(User.permanent.is_(True), paying))
    servers = select(func.count()).select_from(Server).scalar_subquery()
    # One that is switched off takes no part, and may be gone for good.
    unknown = exists().where(Server.enabled.is_(True), Server.synced_at.is_(None))
    known = exists().where(Server.synced_at.is_not(None)) & ~unknown
    row = db.session.execute(
        select(
            servers,
            known,
            exists(select(PlexAccount.id)),
            _all_grouped(),
            exists(select(Plan.id)),
            exists(moves),
            exists(select(Migration.id).where(Migration.status == MigrationStatus.FINISHED)),
        )
    ).one()
    count, synced, accounts, grouped, plans, users, moved = row
    return [
        FirstStep("Add two servers", _why_servers(count, accounts), "server_forms.new", count > 1),
        FirstStep("Sync them", "Streamferry reads libraries, people and what they share.", "servers.index", count > 1 and synced),
        FirstStep(
            "Put libraries into groups", "A group says which libraries of both servers answer to each other.", "libraries.index", grouped
        ),
        FirstStep("Make the plans", "A plan includes groups: it decides what a person gets on the new server.", "plans.index", plans),
        FirstStep("Look through the users", WHY_USERS, "users.index", users),
        FirstStep("Set up mail", _why_mail(setting), "smtp.index", setting.mail_works),
        FirstStep("Say where the panel is reached", WHY_ADDRESS, "settings.index", bool(setting.public_url or config().public_url)),
        FirstStep("Migrate", "You see who moves and who does not before anything happens.", "migrations.new", moved),
    ]


def _all_grouped() -> ColumnElement[bool]:
    """Whether every server that takes part has a library in a group: with those of one side alone nothing can be moved."""
    in_group = exists().where(Library.server_id == Server.id, Library.group_id.is_not(None), Library.remote_id != "")
    takes_part = (Server.enabled.is_(True), Server.synced_at.is_not(None))
    return exists().where(*takes_part) & ~exists().where(*takes_part, ~in_group)


def _why_mail(setting: Setting) -> str:
    if setting.smtp_host and not setting.mail_works:
        return "A mail server is set; send a test mail to see whether it takes one."
    return "People hear that they have moved, and you what became of the run."


def _why_servers(count: int, has_account: bool) -> str:
    if count == 1:
        return "The one people are on is here or the one they move to; add the other."
    if has_account:
        return "The Plex account is here; choose its servers, or add an Emby or Jellyfin server by address and key."
    return "Plex servers come with the Plex account that owns them; Emby and Jellyfin servers by address and key."
