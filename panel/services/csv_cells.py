"""Cells of tables that are opened in a spreadsheet: names and answers of strangers must not be executed there."""

from __future__ import annotations

import re

#: What a formula begins with, also in the widths and heights that a program may take for the plain one.
FORMULA_SIGNS = "=+@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−-"
#: What shows as nothing: blanks, control characters, and marks of direction, joining and form.
UNSEEN = (
    r"[\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
LINE_ENDS = re.compile("[\t-\r\x1c-\x1e\x85\u2028\u2029]")
FORMULA = re.compile(rf"{UNSEEN}*[{FORMULA_SIGNS}]")
#: Where cells are parted by semicolons, a new one begins inside of ours.
FORMULA_INSIDE = re.compile(rf"([;,](?:{UNSEEN}|\")*)(?=[{FORMULA_SIGNS}])")


def disarmed(cell: str) -> str:
    """A cell on one line that no spreadsheet will execute, whatever stands unseen before the sign it goes by, and in whichever width."""
    line = FORMULA_INSIDE.sub(r"\1'", LINE_ENDS.sub(" ", cell))
    return f"'{line}" if FORMULA.match(line) else line
