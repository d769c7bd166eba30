"""Who moves and who stays. Each rule stands in a file named after its reason; all that apply are collected."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from panel.domain.eligibility.candidate import Candidate, Pair, TargetAccess, libraries_for, plan_of
from panel.domain.eligibility.emby_email_missing import emby_email_missing
from panel.domain.eligibility.is_owner import is_owner
from panel.domain.eligibility.must_change_plex_account import must_change_plex_account
from panel.domain.eligibility.name_taken import name_taken
from panel.domain.eligibility.no_active_subscription import no_active_subscription
from panel.domain.eligibility.not_shared import not_shared
from panel.domain.eligibility.plan_not_offered import plan_not_offered
from panel.domain.eligibility.plex_email_missing import plex_email_missing
from panel.domain.eligibility.target_full import target_full, with_place_taken
from panel.domain.eligibility.unreadable import unreadable
from panel.domain.reasons import Reason

__all__ = ["RULES", "Candidate", "Pair", "TargetAccess", "Verdict", "judge", "judge_all", "libraries_for", "plan_of"]

Rule = Callable[[Candidate, Pair], Reason | None]

RULES: tuple[Rule, ...] = (
    not_shared,
    is_owner,
    no_active_subscription,
    plex_email_missing,
    emby_email_missing,
    must_change_plex_account,
    plan_not_offered,
    name_taken,
    unreadable,
    target_full,
)


@dataclass(frozen=True)
class Verdict:
    """The judgement on one user: every reason to stay, or `already_there` alone for one who moves without anything being sent."""

    candidate: Candidate
    reasons: tuple[Reason, ...]

    @property
    def moves(self) -> bool:
        """Whether the run takes this user."""
        return all(reason is Reason.ALREADY_THERE for reason in self.reasons)


def judge(candidate: Candidate, pair: Pair) -> Verdict:
    """All rules on one user."""
    refusals = tuple(reason for rule in RULES if (reason := rule(candidate, pair)))
    settled = candidate.target_access in (TargetAccess.RIGHT, TargetAccess.WAITING)
    return Verdict(candidate, refusals or ((Reason.ALREADY_THERE,) if settled else ()))


def judge_all(candidates: Iterable[Candidate], pair: Pair) -> list[Verdict]:
    """All users in the given order; each newcomer who moves takes one place of the room."""
    verdicts = []
    for candidate in candidates:
        verdict = judge(candidate, pair)
        verdicts.append(verdict)
        if verdict.moves:
            pair = with_place_taken(candidate, pair)
    return verdicts
