"""What the texts of notifications may use, and made-up values to show and try them with."""

from __future__ import annotations

from typing import Any

from panel.services.notices import ACCOUNT_MOVED, SYSTEM_MESSAGE

#: For each event its variables and what they mean.
VARIABLES = {
    SYSTEM_MESSAGE: {
        "source": "name of the server people moved from",
        "target": "name of the server they moved to",
        "run.id": "number of the migration",
        "run.status": "finished, cancelled or failed",
        "run.note": "what is worth knowing about it; may be empty",
        "run.problem": "what stopped it; empty unless it failed",
        "counts.total": "users in all; also counts.moved, invited, skipped, failed, cancelled",
        "run.undoes": "number of the migration this one takes back; 0 else",
        "stayed": "list of those who did not move: name, status, why",
        "not_shared": "list of names of those who had no access to the source",
        "invited": "list of names of those who have still to accept",
        "remarks": "list of remarks: name, what",
        "link": "address of the migration’s page; empty without a public address",
    },
    ACCOUNT_MOVED: {
        "name": "the person’s name",
        "server": "name of the server they moved to",
        "platform": "Plex, Emby or Jellyfin",
        "is_plex": "whether an invitation of Plex waits for them",
        "server_url": "where they sign in",
        "account_name": "name of the account made for them",
        "claim_link": "where they choose a password; empty on Plex and without a public address",
    },
}

_RUN: dict[str, Any] = {
    "run": {"id": 12, "status": "finished", "note": "Oak was not reached; its last sync counted.", "problem": "", "undoes": 0},
    "source": "Oak",
    "target": "Birch",
    "counts": {"total": 40, "moved": 35, "invited": 2, "skipped": 2, "failed": 1, "cancelled": 0, "pending": 0},
    "stayed": [
        {"name": "Sam Sample", "status": "skipped", "why": "Has no active subscription. Add or extend a payment."},
        {"name": "<Kim>", "status": "failed", "why": "Birch did not answer."},
    ],
    "not_shared": ["Charlie", "Jo"],
    "invited": ["Alex Example", "Robin"],
    "remarks": [{"name": "Robin", "what": "Stream limit set to 2."}],
    "link": "https://panel.example/migrations/12",
}
_MOVED: dict[str, Any] = {
    "name": "Sam Sample",
    "server": "Birch",
    "platform": "Jellyfin",
    "is_plex": False,
    "server_url": "https://birch.example",
    "account_name": "sam",
    "claim_link": "https://panel.example/claim/sample",
}
#: For each event the situations a text has to work in; the first is the one shown.
SAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    SYSTEM_MESSAGE: (
        _RUN,
        {**_RUN, "run": {**_RUN["run"], "status": "failed", "problem": "Birch refused the key."}, "link": ""},
        {**_RUN, "run": {**_RUN["run"], "status": "cancelled", "note": ""}, "stayed": [], "not_shared": [], "invited": [], "remarks": []},
    ),
    ACCOUNT_MOVED: (
        _MOVED,
        {**_MOVED, "claim_link": ""},
        {**_MOVED, "platform": "Plex", "is_plex": True, "server_url": "https://app.plex.tv", "claim_link": ""},
    ),
}
