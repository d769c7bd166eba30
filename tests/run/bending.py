"""Answers of simulated servers with something changed in them: one of them in one place, or all of them in what they say of one person."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree

from panel.simulators.http import Answer, Call

MISSING = object()
DEEP: Any = []
for _ in range(150):
    DEEP = [DEEP]
NONSENSE: tuple[Any, ...] = (
    MISSING, None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", "0", "false", "null", "x" * 100_000, "\x00", "\ud800", "\u202e",
    "../..", "<b>", [], [None], [[]], {}, {"Id": None}, DEEP,
)  # fmt: skip
XML_NONSENSE = (MISSING, "", " ", "0", "-1", "abc", "9" * 40, "x" * 100_000, "\u202e", "../..", "true", "null", "1.5")
#: In which ways each field is wrong once.
KINDS = ("missing", "null", "wrong type", "huge")

#: The way to a value: keys and numbers in JSON, the number of an element and the name of an attribute in XML.
Path = tuple[Any, ...]
#: What becomes of an answer's body, and what that was; `None`: it stays.
Bend = Callable[[Call, bytes], tuple[bytes, str] | None]


@dataclass
class Bender:
    """Bends answers with a body, as `bend` says. `bent`: what was changed in which."""

    bend: Bend
    bent: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def around(self, *hosts: Any) -> Iterator[None]:
        """At work inside."""
        for host in hosts:
            host.answer = self._bending(host.answer)
        try:
            yield
        finally:
            for host in hosts:
                del host.answer

    def _bending(self, true_answer: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def answer(call: Call) -> Answer:
            found = true_answer(call)
            done = self.bend(call, found.body) if found.body and 200 <= found.status < 300 else None
            if done is None:
                return found
            self.bent.append(f"{call.method} {call.path}: {done[1]}")
            return replace(found, body=done[0])

        return answer


def once(nth: int, bend: Callable[[bytes], tuple[bytes, str]]) -> Bend:
    """Only the answer with this number."""
    seen = iter(range(1_000_000))
    return lambda _call, body: bend(body) if next(seen) == nth else None


def at_random(seed: int) -> Callable[[bytes], tuple[bytes, str]]:
    """Something somewhere, always the same for the same seed."""
    return lambda body: bent_body(body, random.Random(seed))


def at(path: Path, kind: str) -> Callable[[bytes], tuple[bytes, str]]:
    """In this place, in one of the `KINDS`."""
    return lambda body: (_bent_xml_at if is_xml(body) else _bent_json_at)(body, path, kind)


def of_one(name: str, path: str, kind: str) -> Bend:
    """In every answer: what all records of this person say at `path`, with dots between the keys."""
    way = tuple(int(step) if step.isdigit() else step for step in path.split("."))

    def bend(_call: Call, body: bytes) -> tuple[bytes, str] | None:
        return _bent_rows(body, name, way, kind) if is_xml(body) else _bent_records(body, name, way, kind)

    return bend


def is_xml(body: bytes) -> bool:
    """Whether it is XML; else it is JSON."""
    return body.lstrip()[:1] == b"<"


def bent_body(body: bytes, chance: random.Random) -> tuple[bytes, str]:
    """The body with one thing changed, and what."""
    if is_xml(body):
        return bent_xml(body, chance)
    value = json.loads(body)
    path, nonsense = chance.choice(list(paths_in(value))), chance.choice(NONSENSE)
    return json.dumps(with_other(value, path, nonsense)).encode(), _told(path, nonsense)


def bent_xml(body: bytes, chance: random.Random) -> tuple[bytes, str]:
    """One attribute of one element changed, or the element renamed."""
    root = ElementTree.fromstring(body)
    element = chance.choice(list(root.iter()))
    if not element.attrib or chance.random() < 0.1:
        before, element.tag = element.tag, "Odd"
        return ElementTree.tostring(root), f"<{before}> renamed"
    name, nonsense = chance.choice(sorted(element.attrib)), chance.choice(XML_NONSENSE)
    _set(element, name, nonsense)
    return ElementTree.tostring(root), _told((element.tag, name), nonsense)


def paths_in(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every value, the whole included."""
    yield path
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in rows:
        yield from paths_in(inner, (*path, key))


def places_in(body: bytes) -> list[Path]:
    """Every place of an answer that is read by itself: of alike rows, those of the first."""
    if not is_xml(body):
        return [path for path in paths_in(json.loads(body)) if not any(isinstance(step, int) and step > 0 for step in path)]
    found: dict[tuple[str, str], Path] = {}
    for number, element in enumerate(ElementTree.fromstring(body).iter()):
        for name in ("", *sorted(element.attrib)):
            found.setdefault((element.tag, name), (number, name))
    return list(found.values())


def with_other(value: Any, path: Path, nonsense: Any) -> Any:
    """A copy with something else in this place."""
    if not path:
        return None if nonsense is MISSING else nonsense
    bent = copy.deepcopy(value)
    place = bent
    for step in path[:-1]:
        place = place[step]
    if nonsense is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = nonsense
    return bent


def nonsense_for(value: Any, kind: str) -> Any:
    """What stands in the place of this value."""
    if kind in ("missing", "null"):
        return MISSING if kind == "missing" else None
    if kind == "wrong type":
        return 7 if isinstance(value, str) else {"odd": [1]} if isinstance(value, bool | int | float | None) else "a text"
    if isinstance(value, bool | int | float):
        return 10**30
    if isinstance(value, list):
        return (value or ["x"])[:1] * 5000
    return {f"{number}": "x" for number in range(5000)} if isinstance(value, dict) else "x" * 100_000


def _xml_nonsense_for(value: str, kind: str) -> Any:
    number = value.isdigit()
    return {"missing": MISSING, "null": "", "wrong type": "abc" if number else "-1", "huge": "9" * 40 if number else "x" * 100_000}[kind]


def _bent_json_at(body: bytes, path: Path, kind: str) -> tuple[bytes, str]:
    value = json.loads(body)
    nonsense = nonsense_for(_value_at(value, path), kind)
    return json.dumps(with_other(value, path, nonsense)).encode(), _told(path, nonsense)


def _bent_xml_at(body: bytes, path: Path, kind: str) -> tuple[bytes, str]:
    root = ElementTree.fromstring(body)
    element, name = list(root.iter())[path[0]], path[1]
    if not name:
        before, element.tag = element.tag, "Odd"
        return ElementTree.tostring(root), f"<{before}> renamed"
    nonsense = _xml_nonsense_for(element.attrib[name], kind)
    _set(element, name, nonsense)
    return ElementTree.tostring(root), _told((element.tag, name), nonsense)


def _bent_records(body: bytes, name: str, way: Path, kind: str) -> tuple[bytes, str] | None:
    bent, count = json.loads(body), 0
    for path in [path for path in paths_in(bent) if _is_about(_value_at(bent, path), name)]:
        with contextlib.suppress(KeyError, IndexError, TypeError):
            nonsense = nonsense_for(_value_at(bent, (*path, *way)), kind)
            bent, count = with_other(bent, (*path, *way), nonsense), count + 1
    return (json.dumps(bent).encode(), f"{'.'.join(map(str, way))} {kind}, {count} times") if count else None


def _bent_rows(body: bytes, name: str, way: Path, kind: str) -> tuple[bytes, str] | None:
    root = ElementTree.fromstring(body)
    rows = [row for row in root.iter() if row.get("username", "").casefold() == name and way[-1] in row.attrib]
    for row in rows:
        _set(row, way[-1], _xml_nonsense_for(row.attrib[way[-1]], kind))
    return (ElementTree.tostring(root), f"<{rows[0].tag} {way[-1]}> {kind}, {len(rows)} times") if rows else None


def _is_about(value: Any, name: str) -> bool:
    """Whether this is an account of Emby or Jellyfin, or a share of plex.tv, of this person."""
    if not isinstance(value, dict):
        return False
    if "Policy" in value:
        return str(value.get("Name")).casefold() == name
    return "invitedEmail" in value and "machineIdentifier" in value and str(value["invitedEmail"]).startswith(f"{name}@")


def _value_at(value: Any, path: Sequence[Any]) -> Any:
    for step in path:
        value = value[step]
    return value


def _set(element: ElementTree.Element, name: str, nonsense: Any) -> None:
    if isinstance(nonsense, str):
        element.attrib[name] = nonsense
    else:
        del element.attrib[name]


def _told(path: Path, nonsense: Any) -> str:
    return f"{'.'.join(map(str, path))} = {'missing' if nonsense is MISSING else f'{nonsense!r:.40}'}"
