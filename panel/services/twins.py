"""Users who may be one person: asked when a sync finds somebody new, answered by an admin, never merged in silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.orm import joinedload

from panel.domain.names import fold
from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Payment, PossibleTwin, Server, User
from panel.models.types import utc_now

#: With more namesakes than this, the name says nothing.
MOST_NAMESAKES = 3


def ask(server: Server, newcomers: Iterable[User], known: Iterable[User], present: Iterable[User]) -> int:
    """Write a question for each newcomer of a sync who has the name of a user known before; flushed, at most 1 statement. `present`: users
    who have another account on this very server and so are somebody else. Answers how many."""
    here = {user.id for user in present}
    by_name: dict[str, list[User]] = {}
    for user in known:
        by_name.setdefault(fold(user.name), []).append(user)
    rows = [
        {"user_id": newcomer.id, "other_id": user.id, "why": f"{server.name} lists somebody with the same name.", "created_at": utc_now()}
        for newcomer in newcomers
        for user in _namesakes(by_name.get(fold(newcomer.name), []), here, server)
    ]
    if rows:
        db.session.execute(insert(PossibleTwin), rows)
    return len(rows)


def open_questions() -> Select[Any]:
    """Those nobody has answered, with both users and their payments."""
    return (
        select(PossibleTwin)
        .where(PossibleTwin.answered_at.is_(None))
        .options(
            joinedload(PossibleTwin.user).selectinload(User.payments).joinedload(Payment.plan),
            joinedload(PossibleTwin.other).selectinload(User.payments).joinedload(Payment.plan),
        )
    )


def answer_different(question: PossibleTwin) -> None:
    """They are two people: never asked again. Flushed."""
    question.answered_at = utc_now()
    db.session.flush()


def _namesakes(users: Sequence[User], here: set[int], server: Server) -> list[User]:
    # Another plex.tv id is another account: it would have been recognised.
    left = [user for user in users if user.id not in here and not (server.platform is Platform.PLEX and user.plex_id)]
    return left if len(left) <= MOST_NAMESAKES else []
