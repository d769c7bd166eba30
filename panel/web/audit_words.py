"""How entries of the list of changes read: what was done, and the names of what was changed."""

from __future__ import annotations

import re

#: Each action that is noted, by its name in the rows.
ACTIONS = {
    "admin.added": "Administrator added",
    "admin.edited": "Administrator edited",
    "admin.removed": "Administrator removed",
    "backup.restored": "Backup restored",
    "claim-link.made": "Password link made",
    "group.added": "Library group added",
    "group.deleted": "Library group deleted",
    "group.renamed": "Library group renamed",
    "invite.reminded": "Invite reminder sent",
    "invite.withdrawal_begun": "Invite withdrawal begun",
    "invite.withdrawn": "Invite withdrawn",
    "invites.checked": "Invites checked",
    "libraries.grouped": "Libraries grouped",
    "mail.edited": "Mail server edited",
    "migration.cancelled": "Migration cancelled",
    "migration.mailed": "Migration result mailed",
    "migration.paused": "Migration paused",
    "migration.resumed": "Migration resumed",
    "migration.retried": "Migration retried",
    "migration.started": "Migration started",
    "migration.undone": "Migration undone",
    "payment.added": "Payment added",
    "payment.deleted": "Payment deleted",
    "payment.edited": "Payment edited",
    "payments.extended": "Payments extended",
    "plan.added": "Plan added",
    "plan.deleted": "Plan deleted",
    "plan.edited": "Plan edited",
    "plex_account.added": "Plex account added",
    "plex_account.edited": "Plex account edited",
    "plex_account.removed": "Plex account removed",
    "server.added": "Server added",
    "server.believed": "Server’s list believed",
    "server.disabled": "Server disabled",
    "server.edited": "Server edited",
    "server.enabled": "Server enabled",
    "server.removed": "Server removed",
    "server.synced": "Server synced",
    "settings.edited": "Settings edited",
    "share.read": "Share read from the server",
    "sign-in.done": "Signed in",
    "sign-in.edited": "Sign-in edited",
    "sign-in.failed": "Sign-in failed",
    "template.edited": "Notification edited",
    "template.reset": "Notification reset",
    "twins.different": "Noted as two people",
    "user.added": "User added",
    "user.deleted": "User deleted",
    "user.edited": "User edited",
    "user.emails_filled": "E-mails filled in",
    "user.merged": "Users merged",
    "users.edited": "Users edited",
}

#: What details call the things that can be changed.
FIELDS = {
    "admin_email": "Administrator addresses",
    "allow_new_subscriptions": "Allow new subscriptions",
    "days": "Duration in days",
    "default": "Default plan",
    "downloads": "Downloads",
    "email": "E-mail",
    "emby_email": "Emby e-mail",
    "enabled": "Enabled",
    "end": "Last day",
    "groups": "Library groups",
    "has_emby_premiere": "Has Emby Premiere",
    "import_as_permanent": "People found by a sync become permanent",
    "jellyfin_name": "Jellyfin name",
    "max_users": "Maximum users",
    "must_change_plex_account": "Must change Plex account",
    "name": "Name",
    "notes": "Notes",
    "pace_s": "Seconds between two users",
    "permanent": "Permanent",
    "plan": "Plan",
    "plex_account": "Plex account",
    "plex_email": "Plex e-mail",
    "public_url": "Public address",
    "remind_after_d": "Days until a reminder",
    "start": "First day",
    "sync_every_h": "Hours between two syncs",
    "time_zone": "Time zone",
    "url": "Address",
}
FIELD = re.compile(r"(^|; )([a-z_]+)(?=: )")


def done(action: str) -> str:
    """What was done, in words; an action of another version of the panel by its name."""
    return ACTIONS.get(action) or re.sub("[._]", " ", action).capitalize()


def told(detail: str) -> str:
    """A detail with the names people know."""
    return FIELD.sub(lambda found: found[1] + FIELDS.get(found[2], found[2]), detail)


def named(search: str) -> tuple[str, ...]:
    """The actions whose words hold what was searched for."""
    return tuple(action for action, words in ACTIONS.items() if search and search.casefold() in words.casefold())
