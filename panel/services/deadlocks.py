"""PostgreSQL ends one of two transactions that wait for each other in a circle; SQLite has one writer at a time, and no such circles."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from panel.extensions import db

Given = ParamSpec("Given")
Result = TypeVar("Result")


def is_deadlock(error: Exception) -> bool:
    """Whether this is what the one of the two that was ended is told, or came of it while that was cleared up: nothing of it was done."""
    told: BaseException | None = error
    while told is not None:
        if isinstance(told, OperationalError) and getattr(told.orig, "sqlstate", None) == "40P01":
            return True
        told = told.__context__
    return False


def once_more(change: Callable[Given, Result]) -> Callable[Given, Result]:
    """What begins a transaction of its own is done once more where another one had to go first: by then that is over. What was pending is
    rolled back with the first try."""

    @wraps(change)
    def tried(*args: Given.args, **options: Given.kwargs) -> Result:
        try:
            return change(*args, **options)
        except SQLAlchemyError as error:
            if not is_deadlock(error):
                raise
            db.session.rollback()
            return change(*args, **options)

    return tried
