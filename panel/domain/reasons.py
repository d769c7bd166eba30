"""The one vocabulary of refusals. Codes are a contract and never change; the sentences may."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a user stays where they are; `already_there` is no refusal."""

    NOT_SHARED = "not_shared"
    NO_ACTIVE_SUBSCRIPTION = "no_active_subscription"
    PLEX_EMAIL_MISSING = "plex_email_missing"
    EMBY_EMAIL_MISSING = "emby_email_missing"
    MUST_CHANGE_PLEX_ACCOUNT = "must_change_plex_account"
    PLAN_NOT_OFFERED = "plan_not_offered"
    TARGET_FULL = "target_full"
    IS_OWNER = "is_owner"
    NAME_TAKEN = "name_taken"
    ALREADY_THERE = "already_there"

    @property
    def sentence(self) -> str:
        """What it means and what to do, for people."""
        return REASON_SENTENCES[self]


REASON_SENTENCES: dict[Reason, str] = {
    Reason.NOT_SHARED: "Does not use the source server now, so there is nothing to move.",
    Reason.NO_ACTIVE_SUBSCRIPTION: "Has no active subscription. Add or extend a payment, or make the user permanent.",
    Reason.PLEX_EMAIL_MISSING: "The Plex e-mail is missing. Fill it in on the user.",
    Reason.EMBY_EMAIL_MISSING: "The Emby e-mail is missing. Fill it in on the user.",
    Reason.MUST_CHANGE_PLEX_ACCOUNT: "Must change the Plex account first; the flag on the user says so.",
    Reason.PLAN_NOT_OFFERED: "The target offers no library of this user's plan or groups. Put its libraries into groups.",
    Reason.TARGET_FULL: "The target server has no room left. Raise its maximum or choose another server.",
    Reason.IS_OWNER: "Is the owner or an administrator of one of the servers; such accounts are never touched.",
    Reason.NAME_TAKEN: "Somebody else on the target already has this account name. Give the user another name.",
    Reason.ALREADY_THERE: "Has the right access on the target already; nothing needs to be sent.",
}


class Blocker(StrEnum):
    """Why a run between two servers cannot start."""

    SAME_SERVER = "same_server"
    TARGET_DISABLED = "target_disabled"
    TARGET_CLOSED = "target_closed"
    PLATFORM_NOT_ALLOWED = "platform_not_allowed"
    NO_LIBRARIES_IN_GROUPS = "no_libraries_in_groups"
    MISSING_LIBRARY_GROUP = "missing_library_group"
    PLEX_PASS_MISSING = "plex_pass_missing"
    EMBY_PREMIERE_MISSING = "emby_premiere_missing"
    SERVER_UNREACHABLE = "server_unreachable"
    CREDENTIALS_REFUSED = "credentials_refused"
    WRONG_SERVER = "wrong_server"
    MIGRATION_RUNNING = "migration_running"


@dataclass(frozen=True)
class Refusal:
    """A blocker and the sentence that says what to do about it."""

    code: Blocker
    message: str
