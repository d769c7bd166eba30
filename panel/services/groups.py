"""Library groups: adding, renaming, deleting, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update

from panel.extensions import db, execute
from panel.models import Library, LibraryGroup, Plan
from panel.models.plan import plan_library_groups


class GroupRefused(ValueError):
    """A group cannot be changed like this; `str(error)` is a sentence."""


@dataclass(frozen=True)
class GroupLine:
    """A group, how many libraries are in it, and the names of the plans that include it."""

    group: LibraryGroup
    libraries: int
    plans: tuple[str, ...]

    @property
    def why_no_delete(self) -> str:
        """Why it cannot be deleted; empty when it can."""
        if self.group.locked:
            return f"{self.group.name} belongs to Streamferry and cannot be deleted."
        if self.plans:
            return f"In use by {_listed(self.plans)}. Take the group out there first."
        return ""


def all_groups() -> list[LibraryGroup]:
    """All groups by name."""
    return list(db.session.scalars(select(LibraryGroup).order_by(func.lower(LibraryGroup.name))))


def group_lines() -> list[GroupLine]:
    """All groups by name with what uses them; 3 queries."""
    counts: dict[int | None, int] = dict(db.session.execute(select(Library.group_id, func.count()).group_by(Library.group_id)).all())
    plans: dict[int, list[str]] = {}
    query = select(plan_library_groups.c.group_id, Plan.name).join(Plan, Plan.id == plan_library_groups.c.plan_id)
    for group_id, name in db.session.execute(query.order_by(func.lower(Plan.name))):
        plans.setdefault(group_id, []).append(name)
    return [GroupLine(group, counts.get(group.id, 0), tuple(plans.get(group.id, ()))) for group in all_groups()]


def line_of(group: LibraryGroup) -> GroupLine:
    """One group with what uses it."""
    return next(line for line in group_lines() if line.group.id == group.id)


def add(name: str) -> LibraryGroup:
    """A new group, flushed. Raises `GroupRefused`."""
    group = LibraryGroup(name=_free_name(name, None))
    db.session.add(group)
    db.session.flush()
    return group


def rename(group: LibraryGroup, name: str) -> None:
    """Give a group another name, flushed. Raises `GroupRefused`."""
    if group.locked:
        raise GroupRefused(f"{group.name} belongs to Streamferry and keeps its name.")
    group.name = _free_name(name, group)
    db.session.flush()


def delete(group: LibraryGroup) -> int:
    """Delete a group; its libraries are in none from then on. How many those were; flushed. Raises `GroupRefused`."""
    why_not = line_of(group).why_no_delete
    if why_not:
        raise GroupRefused(why_not)
    freed = execute(update(Library).where(Library.group_id == group.id).values(group_id=None))
    db.session.delete(group)
    db.session.flush()
    return freed


def _free_name(name: str, own: LibraryGroup | None) -> str:
    name = " ".join(name.split())
    if not name:
        raise GroupRefused("Give the group a name.")
    taken = next((group for group in all_groups() if group is not own and group.name.casefold() == name.casefold()), None)
    if taken:
        raise GroupRefused(f"There is a group {taken.name} already.")
    return name


def _listed(plans: tuple[str, ...]) -> str:
    return ("the plan " if len(plans) == 1 else "the plans ") + ", ".join(plans)
