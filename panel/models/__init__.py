"""What is stored. One class, or a parent and its lines, per file."""

from panel.models.admin import Admin, OneTimeLink, RecoveryCode, Role
from panel.models.audit import AuditEntry
from panel.models.email import Email, EmailStatus, EmailTemplate
from panel.models.library import Library, LibraryGroup
from panel.models.migration import Migration, Move
from panel.models.plan import Plan
from panel.models.plex_account import Pacemaker, PaceWaiter, PlexAccount
from panel.models.possible_twin import PossibleTwin
from panel.models.sent_request import SentRequest
from panel.models.server import Server
from panel.models.setting import Setting, SmtpSecurity
from panel.models.share import Account, Evidence, Share
from panel.models.user import Payment, User

__all__ = [
    "Account",
    "Admin",
    "AuditEntry",
    "Email",
    "EmailStatus",
    "EmailTemplate",
    "Evidence",
    "Library",
    "LibraryGroup",
    "Migration",
    "Move",
    "OneTimeLink",
    "PaceWaiter",
    "Pacemaker",
    "Payment",
    "Plan",
    "PlexAccount",
    "PossibleTwin",
    "RecoveryCode",
    "Role",
    "SentRequest",
    "Server",
    "Setting",
    "Share",
    "SmtpSecurity",
    "User",
]
