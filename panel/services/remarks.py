"""The sentences of a remark: each can be added and go again without the others."""

from __future__ import annotations

from panel.platforms.sealing import SEALED

#: How a remark begins that goes once the account is closed, finished or not there. The platform's own words end it, so it stands last.
MAY_STAND_OPEN = "An account may stand open on the target and could not be closed yet"


def with_sentence(remark: str, sentence: str) -> str:
    """The remark with one more sentence, before the warning that an account may stand open."""
    kept, warning, why = remark.partition(MAY_STAND_OPEN)
    return " ".join(filter(None, (kept.rstrip(), sentence, warning + why)))


def with_sealing(remark: str) -> str:
    """The remark saying once that the account got a password that nobody knows."""
    return with_sentence(" ".join(remark.replace(SEALED, "").split()), SEALED)


def with_warning(remark: str, why: str) -> str:
    """The remark saying that an account may stand open, and why it could not be closed."""
    return " ".join(filter(None, (without_warning(remark), f"{MAY_STAND_OPEN}: {why}")))


def without_warning(remark: str) -> str:
    """A remark that no longer says an account may stand open."""
    return remark.partition(MAY_STAND_OPEN)[0].rstrip()
