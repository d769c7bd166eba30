"""The one vocabulary of refusals. Codes are a contract and never change; the sentences may."""

from dataclasses import dataclass, field
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
    UNREADABLE = "unreadable"
    ALREADY_THERE = "already_there"

    @property
    def sentence(self) -> str:
        """What it means for one person and what to do, for people."""
        return f"{REASON_WORDS[self].alone} {self.advice}"

    @property
    def advice(self) -> str:
        """What to do, or why nothing is to be done."""
        return REASON_WORDS[self].advice

    def headline(self, count: int) -> str:
        """How many stay for this reason, as the heading of a list of them."""
        return f"{count} {'person stays' if count == 1 else 'people stay'}: {REASON_WORDS[self].together}"


@dataclass(frozen=True)
class Words:
    """How a reason is said: of one person (`alone`, a sentence), after how many they are (`together`), and what to do (`advice`)."""

    alone: str
    together: str
    advice: str


REASON_WORDS: dict[Reason, Words] = {
    Reason.NOT_SHARED: Words("Does not use the source server now.", "they do not use the source server now", "There is nothing to move."),
    Reason.NO_ACTIVE_SUBSCRIPTION: Words(
        "Has no active subscription.", "they have no active subscription", "Add or extend a payment, or make the user permanent."
    ),
    Reason.PLEX_EMAIL_MISSING: Words("The Plex e-mail is missing.", "their Plex e-mail is missing", "Fill it in on the user’s page."),
    Reason.EMBY_EMAIL_MISSING: Words("The Emby e-mail is missing.", "their Emby e-mail is missing", "Fill it in on the user’s page."),
    Reason.MUST_CHANGE_PLEX_ACCOUNT: Words(
        "Must change to another Plex account first.",
        "they must change to another Plex account first",
        "Once that is done, clear “Must change Plex account” on the user’s page.",
    ),
    Reason.PLAN_NOT_OFFERED: Words(
        "The target offers no library of this user’s plan or groups.",
        "the target offers no library of their plan or groups",
        "Put its libraries into groups.",
    ),
    Reason.TARGET_FULL: Words(
        "The target server has no room left.", "the target server has no room left", "Raise its maximum or choose another server."
    ),
    Reason.IS_OWNER: Words(
        "Is the owner or an administrator of one of the servers.",
        "they own or administer one of the servers",
        "Such accounts are never touched.",
    ),
    Reason.NAME_TAKEN: Words(
        "Somebody else on the target already has this account name.",
        "somebody else on the target already has their account name",
        "Give the user another name.",
    ),
    Reason.UNREADABLE: Words(
        "One of the two servers describes this user’s access in a way that cannot be read.",
        "one of the two servers describes their access in a way that cannot be read",
        "“Read again” under Shared servers says which one and what to do there, and so does the migration. Then start again.",
    ),
    Reason.ALREADY_THERE: Words(
        "Has the right access on the target already.", "they have the right access on the target already", "Nothing needs to be sent."
    ),
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
    ASKED_TO_SLOW_DOWN = "asked_to_slow_down"
    CREDENTIALS_REFUSED = "credentials_refused"
    WRONG_SERVER = "wrong_server"
    MIGRATION_RUNNING = "migration_running"


@dataclass(frozen=True)
class Refusal:
    """A blocker and the sentence that says what to do about it; `server_id`: the server it speaks of, where it is one of the two."""

    code: Blocker
    message: str
    server_id: int | None = field(default=None, compare=False)
