"""Which libraries of the target answer to what a person may see: always by group, never by guess."""

from collections.abc import Iterable
from dataclasses import dataclass

#: Ships with the product, locked, and is never opened to anybody by a plan or a move.
PRIVATE = "Private"
#: Ships with the product, locked.
STANDARD = "Standard"
#: Ships with the product.
PREMIUM_4K = "Premium 4K"


@dataclass(frozen=True)
class GroupedLibrary:
    """A library a sync has found on a server, and the group it was put into (`None`: none yet)."""

    id: int
    remote_id: str
    name: str
    group_id: int | None


@dataclass(frozen=True)
class Offer:
    """What one server offers: its grouped libraries, those in the Private group left out."""

    libraries: tuple[GroupedLibrary, ...] = ()

    @property
    def group_ids(self) -> frozenset[int]:
        """The groups with at least one library here."""
        return frozenset(library.group_id for library in self.libraries if library.group_id is not None)

    def in_groups(self, group_ids: Iterable[int]) -> tuple[GroupedLibrary, ...]:
        """The libraries in these groups: exactly what someone entitled to the groups may see here."""
        wanted = set(group_ids)
        return tuple(library for library in self.libraries if library.group_id in wanted)
