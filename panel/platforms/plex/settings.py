"""A person's sharing settings on a Plex account: what has to be sent so that whoever is restricted stays restricted.

They belong to the person, not to one server: what is sent with one share holds for all servers of that account.
"""

from __future__ import annotations

from collections.abc import Mapping

from panel.platforms.base import Access
from panel.platforms.plex.fields import sharing_settings


def settings_to_send(access: Access, current: Mapping[str, object]) -> dict[str, object]:
    """The complete settings for `access`, given the person's `current` ones on the target account (empty when unknown).

    The source's values are copied as they are, but an empty filter never wipes one that is set on the account now: that would open
    other servers of the same account to a restricted person. `access.downloads` decides about `allowSync`; undecided, the source
    does, then the present value, then no.
    """
    wanted = sharing_settings(current)
    for name, value in sharing_settings(access.settings).items():
        if not (_is_filter(name) and not value and wanted.get(name)):
            wanted[name] = value
    if access.downloads is not None:
        wanted["allowSync"] = access.downloads
    wanted.setdefault("allowSync", False)
    return wanted


def differ(wanted: Mapping[str, object], current: Mapping[str, object]) -> bool:
    """Whether sending `wanted` would change anything; an unset filter is the same as an empty one, an unset permission as no."""
    now = sharing_settings(current)
    return any((value or "") != (now.get(name) or "") for name, value in wanted.items())


def replaces_filters(wanted: Mapping[str, object], current: Mapping[str, object]) -> bool:
    """Whether a restriction that is set now would give way to another one."""
    return any(_is_filter(name) and value and value != wanted.get(name) for name, value in current.items())


def as_v1(settings: Mapping[str, object]) -> dict[str, str]:
    """In the form of the v1 API and of `/api/v2/sharings`: everything text, yes and no as 1 and 0."""
    return {name: _as_word(value) for name, value in settings.items()}


def _as_word(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, int) else ""


def _is_filter(name: str) -> bool:
    return name.startswith("filter")
