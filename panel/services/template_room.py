"""Renders templates that an admin wrote, as a program of its own: started by `apart`, with little time and memory and nothing to steal.

Jinja's sandbox keeps a template from Python's inner works, but not from counting to a googol. Here the system ends that. Reads one job as
JSON from standard input (`source`, `html`, `most` characters, `situations`: a list of values) and writes JSON: `texts`, one for each
situation up to the first that fails, and `problem`, its line and sentence or nothing. Imports nothing of the panel: it starts often.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_S = 1
MEMORY_BYTES = 512 * 1024 * 1024
TOO_LARGE = "This becomes too large."
#: What a text may do wrong while it is rendered.
SPOILS = (TemplateError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RecursionError)


def sandbox(*, html: bool) -> ImmutableSandboxedEnvironment:
    """The environment for texts of an admin and those that ship alike."""
    return ImmutableSandboxedEnvironment(autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def render_all(source: str, html: bool, most: int, situations: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer to one job."""
    texts: list[str] = []
    problem: tuple[int, str] | None = None
    try:
        template = sandbox(html=html).from_string(source)
        for values in situations:
            text = template.render(values)
            if len(text) > most:
                raise MemoryError
            texts.append(text)
    except TemplateSyntaxError as error:
        problem = error.lineno, _sentence(error.message or "This cannot be understood.")
    except MemoryError:
        problem = 1, TOO_LARGE
    except SPOILS as error:
        problem = _line_of(error), _sentence(str(error) or type(error).__name__)
    return {"texts": texts, "problem": problem}


def main() -> None:
    """One job."""
    for limit, value in ((resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (value, value))
    json.dump(render_all(**json.load(sys.stdin)), sys.stdout)


def _line_of(error: BaseException) -> int:
    """The line of the template an error came from: Jinja writes template lines into the traceback."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _sentence(text: str) -> str:
    text = text.strip()[:300]
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


if __name__ == "__main__":
    main()
