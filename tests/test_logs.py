"""Log lines: one each, with the run they are about, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import threading

from panel import logs


def record(message: str = "Something %s", argument: str = "happened", error: bool = False) -> logging.LogRecord:
    """A record as the handler passes it on."""
    info = None
    if error:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            info = sys.exc_info()
    made = logging.LogRecord("panel.services.run", logging.WARNING, "file.py", 1, message, (argument,), info)
    logs.mark_run(made)
    return made


def test_writes_json_on_one_line() -> None:
    line = logs.JsonLine().format(record("Something\n%s", "“odd”", error=True))
    assert "\n" not in line
    fields = json.loads(line)
    assert (fields["level"], fields["logger"], fields["message"]) == ("WARNING", "panel.services.run", "Something\n“odd”")
    assert "ValueError: two" in fields["error"]
    assert "run" not in fields


def test_names_the_run_at_work_in_every_thread_of_it() -> None:
    lines: list[str] = []
    with logs.about_run(7):
        thread = threading.Thread(target=lambda: lines.append(logs.JsonLine().format(record())))
        thread.start()
        thread.join()
        lines.append(logging.Formatter(logs.TEXT).format(record()))
    assert json.loads(lines[0])["run"] == 7
    assert lines[1].endswith("panel.services.run [migration 7]: Something happened")
    assert "migration" not in logging.Formatter(logs.TEXT).format(record())


def test_names_the_user_in_hand_in_the_thread_that_has_them() -> None:
    lines: list[dict[str, object]] = []

    def note() -> None:
        lines.append(json.loads(logs.JsonLine().format(record())))

    def move(user_id: int, both: threading.Barrier) -> None:
        with logs.about_user(user_id):
            both.wait(60)
            note()
            both.wait(60)
        note()

    with logs.about_run(7):
        both = threading.Barrier(2)
        threads = [threading.Thread(target=move, args=(user_id, both)) for user_id in (11, 12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with logs.about_user(13):
            assert logging.Formatter(logs.TEXT).format(record()).endswith("[migration 7, user 13]: Something happened")
    assert all(line["run"] == 7 for line in lines)
    assert sorted(line["user"] for line in lines if "user" in line) == [11, 12]
    assert [line for line in lines if "user" not in line] != []
    note()
    assert not {"run", "user"} & lines[-1].keys()
