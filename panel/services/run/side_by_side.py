"""A few users at a time: requests run in threads, everything that is stored is stored by the one thread that has the run in hand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from panel import logs
from panel.models import Move
from panel.platforms.base import PlatformError
from panel.services.run.lease import LeaseLost

log = logging.getLogger(__name__)

#: Seconds that somebody who is done waits for company.
TOGETHER_S = 0.005


class OfOneUser(Protocol):
    """What is performed for one user of a run."""

    @property
    def move(self) -> Move:
        """The user's row."""


Task = TypeVar("Task", bound=OfOneUser)
Result = TypeVar("Result")


def side_by_side(
    width: int, more: Callable[[int], list[Task]], perform: Callable[[Task], Result]
) -> Iterator[list[tuple[Task, Result | PlatformError]]]:
    """Perform tasks with at most `width` at once, asking `more(n)` for up to n further ones whenever some are done.

    Yields what has just been done, results or errors; while the caller is busy with it nothing new begins. Raises `LeaseLost`.
    """
    with ThreadPoolExecutor(max_workers=width, thread_name_prefix="move") as pool:
        under_way: dict[Future[Result], Task] = {}
        while True:
            for task in more(width - len(under_way)):
                under_way[pool.submit(perform, task)] = task
            if not under_way:
                return
            wait(under_way, return_when=FIRST_COMPLETED)
            # Whoever is about to be done is waited for: what is stored together costs one write to the disk.
            done, _ = wait(under_way, timeout=TOGETHER_S if width > 1 else 0.0)
            tasks = [(under_way.pop(future), future.result) for future in done]
            yield [(task, outcome_of(task, result)) for task, result in tasks]


def outcome_of(task: OfOneUser, result: Callable[[], Result]) -> Result | PlatformError:
    """The result, or the error as a value; an error is logged with whom it is about. Raises `LeaseLost`, and what the database does."""
    with logs.about_user(task.move.user_id):
        return _told(result)


def _told(result: Callable[[], Result]) -> Result | PlatformError:
    try:
        return result()
    except (LeaseLost, SQLAlchemyError):
        # A turn could not be waited for: nobody's step has failed by that.
        raise
    except PlatformError as error:
        log.warning("A step failed: %s", error)
        return error
    except Exception as error:  # The edge of one user's step: an answer nobody foresaw fails that user, never the run.
        log.exception("A step failed in a way nobody foresaw.")
        return UnforeseenAnswer(f"The server's answer could not be understood ({type(error).__name__}); nothing more was sent.")


class UnforeseenAnswer(PlatformError):
    """Something in an answer that the client did not expect: this user fails, with a sentence, and the log has the rest."""
