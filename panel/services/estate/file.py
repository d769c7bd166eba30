"""Reading an estate file: checked as far as that goes without the database, every mistake named by line and field."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from panel.services.estate.contradictions import contradictions_in
from panel.services.estate.entries import Entry, EstateFile
from panel.services.estate.text import Lines, Path, Unreadable, read

MOST_SHOWN = 10


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong, and where."""

    line: int
    path: str
    what: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.path}: {self.what}." if self.path else f"line {self.line}: {self.what}."


class EstateError(ValueError):
    """The file cannot be taken; nothing was changed. `str(error)` has a line for each of the first ten mistakes, `mistakes` all."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.line)
        shown = [str(mistake) for mistake in self.mistakes[:MOST_SHOWN]]
        left = len(self.mistakes) - len(shown)
        super().__init__("\n".join([*shown, *([f"… and {left} more."] if left else [])]))


@dataclass(frozen=True)
class Estate:
    """A checked file, with the lines of its values for what only the database can tell."""

    file: EstateFile
    lines: Lines

    def mistake(self, path: Path, what: str) -> Mistake:
        """A mistake at this place; what is missing is looked for where it should be."""
        return _mistake(self.lines, path, what)


def load(text: str, environ: Mapping[str, str]) -> Estate:
    """Read and check an estate file, YAML or JSON; `environ` answers for `{env: NAME}`. Raises `EstateError`."""
    try:
        document, lines = read(text)
    except Unreadable as error:
        raise EstateError([Mistake(error.line, written(error.path), str(error))]) from None
    if not isinstance(document, dict):
        known = f"an estate file is a mapping with the keys {', '.join(EstateFile.model_fields)}"
        raise EstateError([Mistake(1, "", "the file is empty" if document is None else known)])
    try:
        file = EstateFile.model_validate(document, context=environ)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        raise EstateError(_mistake(lines, tuple(one["loc"]), _sentence(one)) for one in wrong) from None
    estate = Estate(file, lines)
    if contradictions := [estate.mistake(path, what) for path, what in contradictions_in(file)]:
        raise EstateError(contradictions)
    return estate


def written(path: Path) -> str:
    """A path as people write it: users[3].payments[0].end."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _mistake(lines: Lines, path: Path, what: str) -> Mistake:
    place = path
    while place and place not in lines:
        place = place[:-1]
    return Mistake(lines.get(place, 1), written(path), what)


def _sentence(error: Any) -> str:
    context: dict[str, Any] = error.get("ctx") or {}
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return _unknown_key(tuple(error["loc"]))
    sentences = {
        "estate": str(context.get("sentence")),
        "missing": "is missing",
        "bool_type": "must be true or false",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "finite_number": "must be a number",
        "list_type": "must be a list",
        "model_type": "must be a mapping of keys to values",
        "enum": f"must be one of {str(context.get('expected', '')).replace(chr(39), '')}",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than_equal": f"must be at most {context.get('le')}",
    }
    return sentences.get(kind, str(error["msg"]))


def _unknown_key(path: Path) -> str:
    known = list(_model_at(path[:-1]).model_fields)
    near = difflib.get_close_matches(str(path[-1]).casefold(), known, 1, 0.5)
    return f"is not a known key (perhaps {near[0]} was meant)" if near else f"is not a known key; known are {', '.join(known)}"


def _model_at(path: Path) -> type[Entry]:
    model: type[Entry] = EstateFile
    for step in path:
        if isinstance(step, str):
            model = _model_in(model.model_fields[step].annotation) or model
    return model


def _model_in(kind: Any) -> type[Entry] | None:
    if isinstance(kind, type) and issubclass(kind, Entry):
        return kind
    return next((found for part in get_args(kind) if (found := _model_in(part))), None)
