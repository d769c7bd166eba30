"""Passwords and tokens on their way to a server: what shows values, such as a debugger or a traceback with them, does not show these."""

from __future__ import annotations


class Masked(str):
    """A text that does not tell itself: it is sent as any other, but its `repr` is that of no text, inside of a dictionary too."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Not what it holds."""
        return "'…'"
