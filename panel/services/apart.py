"""Templates that an admin wrote are rendered in a process apart, which is ended when it takes too long or too much."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panel.services import template_room

TIMEOUT_S = 5.0
TOO_LONG = "This takes too long or needs too much memory."


@dataclass(frozen=True)
class TextProblem:
    """What is wrong with a template: the line it happens in (from 1) and a sentence."""

    line: int
    sentence: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.sentence}"


@dataclass(frozen=True)
class Tried:
    """What became of a template: the texts for each of the situations up to the first that does not work, and why not."""

    texts: tuple[str, ...] = ()
    problem: TextProblem | None = None


def render(source: str, situations: Sequence[Mapping[str, Any]], *, html: bool, most: int) -> Tried:
    """The template with each of these values; at most `most` characters each, within a few seconds whatever it says.

    The process knows neither the panel's environment nor its open files.
    """
    job = json.dumps({"source": source, "html": html, "most": most, "situations": [dict(values) for values in situations]})
    command = [sys.executable, "-I", "-B", "-X", "utf8", template_room.__file__]
    try:
        done = subprocess.run(command, input=job, capture_output=True, encoding="utf-8", env={}, cwd="/", timeout=TIMEOUT_S, check=False)
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return Tried(problem=TextProblem(1, TOO_LONG))
    return Tried(tuple(answer["texts"]), TextProblem(*answer["problem"]) if answer["problem"] else None)
