"""What plex.tv and a Plex Media Server write: one tree of names and typed values, rendered as XML (the default) or as JSON (when asked)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from panel.simulators.http import Answer

Scalar = str | int | bool | None
Value = Scalar | Mapping[str, "Value"] | Sequence["Value"]

XML = "application/xml; charset=utf-8"
HTML_ERROR = "<html><head><title>{title}</title></head><body><h1>{status} {title}</h1></body></html>"


@dataclass
class Node:
    """One element: its tag, its attributes (typed, so that JSON can tell 1 from true) and its children."""

    tag: str
    attributes: dict[str, Scalar] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def xml(self) -> str:
        """The element and all below it as XML text; attributes without a value are left out."""
        head = self.tag + "".join(f' {name}="{_written(value)}"' for name, value in self.attributes.items() if value is not None)
        if not self.children and not self.text:
            return f"<{head}/>"
        return f"<{head}>{_escaped(self.text)}{''.join(child.xml() for child in self.children)}</{self.tag}>"

    def json(self) -> dict[str, object]:
        """The form a Plex Media Server gives in JSON: attributes as members, children as lists under their tag."""
        members: dict[str, object] = {name: value for name, value in self.attributes.items() if value is not None}
        for child in self.children:
            below = members.setdefault(child.tag, [])
            assert isinstance(below, list)
            below.append(child.json())
        return members


def xml_answer(node: Node, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """`node` as a whole XML document."""
    return Answer(status, ('<?xml version="1.0" encoding="UTF-8"?>\n' + node.xml()).encode(), XML, headers or {})


def html_answer(status: int, title: str) -> Answer:
    """One of the HTML pages Plex sends where a client expects anything else."""
    return Answer.of_text(HTML_ERROR.format(status=status, title=title), status, "text/html; charset=utf-8")


def tree(tag: str, value: Value) -> Node:
    """The XML form of a v2 value: scalars become attributes, objects children, lists a plural element around singular ones."""
    if isinstance(value, Mapping):
        node = Node(tag)
        for name, member in value.items():
            if _is_scalar(member):
                node.attributes[name] = member  # type: ignore[assignment]
            else:
                node.children.append(tree(name, member))
        return node
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Node(tag, children=[tree(tag.removesuffix("s"), item) for item in value])
    return Node(tag, {"id": value})


def iso_time(epoch_s: float) -> str:
    """A moment the way v2 answers write it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch_s))


def _is_scalar(value: Value) -> bool:
    return value is None or isinstance(value, (str, int))


def _written(value: Scalar) -> str:
    return _escaped(str(int(value)) if isinstance(value, bool) else str(value))


def _escaped(text: str) -> str:
    for plain, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        if plain in text:
            text = text.replace(plain, entity)
    return text
