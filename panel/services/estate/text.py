"""The text of an estate file, YAML or JSON, read into plain values that remember the line of each of them.

Built from the parser's events, not with YAML's own loader: nesting is bounded (a deep file would end the program), anchors and tags are
refused, a key given twice is noticed, and dates and numbers stay as they are written where text is meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

Path = tuple[int | str, ...]
Lines = dict[Path, int]

DEEPEST = 12
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")}
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


class Unreadable(Exception):
    """The text is no YAML or JSON that can be read here; `line` counts from 1, `path` leads to the place, where it is known."""

    def __init__(self, line: int, sentence: str, path: Path = ()) -> None:
        super().__init__(sentence)
        self.line = line
        self.path = path


class WrittenInt(int):
    """A whole number that remembers how it was written (a library may be called 007)."""

    written: str


class WrittenFloat(float):
    """A number that remembers how it was written."""

    written: str


def read(text: str) -> tuple[object, Lines]:
    """The document and the lines of all its values by path; of a key's value the line of the key. Raises `Unreadable`."""
    text = text.removeprefix("\ufeff")
    is_json = _is_json(text)
    reader = _Reader(text if is_json else "")
    try:
        reader.read(yaml.parse(_as_yaml(text) if is_json else text, Loader=LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # The end of the text may be told as the line after it.
        line = min(mark.line + 1, text.rstrip().count("\n") + 1) if mark else 1
        raise Unreadable(line, f"this is no valid YAML or JSON ({error.problem or error.context})") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        raise Unreadable(line, "this is no text in UTF-8 that can be read: it holds control characters") from None
    return reader.document, reader.lines


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _as_yaml(text: str) -> str:
    # YAML takes no tabs between values, and libyaml no halves of a surrogate pair. JSON has tabs only between values, every position
    # stays the same, and texts are read from the original.
    return SURROGATE_ESCAPE.sub(r"\\u0041", text.replace("\t", " "))


class _Reader:
    """Turns a stream of events into values. `json_text`: the original text when it is JSON, whose scalars are read by JSON's rules."""

    def __init__(self, json_text: str) -> None:
        self.lines: Lines = {}
        self.document: object = None
        self._json = json_text
        self._resolver = Resolver()
        self._constructor = SafeConstructor()

    def read(self, events: Iterator[Any]) -> None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Unreadable(_line(event), "a second document begins here, and there may be one only")
                self.document = self._value(next(events), events, ())

    def _value(self, event: Any, events: Iterator[Any], path: Path) -> object:
        self.lines.setdefault(path, _line(event))
        self._refuse_strange(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._scalar(event, path)

    def _refuse_strange(self, event: Any, path: Path) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise Unreadable(_line(event), "anchors and aliases are not read here: put a text that begins with & or * in quotes", path)
        if event.tag and event.tag not in PLAIN_TAGS:
            raise Unreadable(_line(event), "tags are not read here: put a text that begins with ! in quotes", path)
        if len(path) > DEEPEST:
            raise Unreadable(_line(event), "this is nested too deeply", path)

    def _mapping(self, events: Iterator[Any], path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                raise Unreadable(_line(event), "a key must be a word", path)
            key = self._key(event)
            if key in found:
                raise Unreadable(_line(event), "this key is given twice", (*path, key))
            self.lines[*path, key] = _line(event)
            found[key] = self._value(next(events), events, (*path, key))
        return found

    def _key(self, event: Any) -> str:
        return str(json.loads(self._source(event))) if self._json else str(event.value)

    def _sequence(self, events: Iterator[Any], path: Path) -> list[object]:
        found: list[object] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, events, (*path, len(found))))
        return found

    def _source(self, event: Any) -> str:
        return self._json[event.start_mark.index : event.end_mark.index]

    def _scalar(self, event: Any, path: Path) -> object:
        if self._json:
            source = self._source(event).strip()
            return _written(json.loads(source), source)
        tag = event.tag or self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag.rpartition(":")[2] not in ("int", "float", "bool", "null"):
            return event.value
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        try:
            return _written(self._constructor.construct_object(node), event.value)
        except (ValueError, KeyError, OverflowError, ConstructorError):
            raise Unreadable(_line(event), "this value cannot be read: put it in quotes if it is a text", path) from None


def _written(value: object, source: str) -> object:
    number: WrittenInt | WrittenFloat
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = WrittenInt(value) if isinstance(value, int) else WrittenFloat(value)
    number.written = source
    return number


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
