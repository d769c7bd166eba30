"""How rows read on a page: times, durations, statuses, and what happened to a user."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from flask import Flask, g, url_for
from markupsafe import Markup
from sqlalchemy import select

from panel.domain.reasons import Reason
from panel.domain.statuses import MigrationStatus, MoveStatus, Removal, Step
from panel.extensions import db
from panel.models import Migration, Move, Setting
from panel.services import waiting
from panel.services.report import Counts
from panel.services.run.way_back import WayBack

TONES = {
    "queued": "secondary",
    "running": "primary",
    "paused": "warning",
    "finished": "success",
    "cancelled": "secondary",
    "failed": "danger",
    "pending": "secondary",
    "moving": "primary",
    "moved": "success",
    "invited": "info",
    "skipped": "warning",
}

REMOVALS = {
    Removal.WHEN_ACTIVE: (
        "When active",
        "Each person loses the source once their access on the target works; where an invite has to be accepted, when they have.",
    ),
    Removal.AT_ONCE: ("At once", "Each person loses the source as soon as they have access or an invite on the target."),
    Removal.KEEP: ("Keep", "Nothing is removed on the source; people can use both servers."),
}


#: What a library holds, by what the platforms call it.
KINDS = {
    "movie": "films",
    "movies": "films",
    "show": "series",
    "tvshows": "series",
    "artist": "music",
    "music": "music",
    "photo": "photos",
    "homevideos": "home videos",
    "musicvideos": "music videos",
    "boxsets": "collections",
}


def register(app: Flask) -> None:
    """Bind filters and names to an app's templates."""
    app.add_template_filter(moment)
    app.add_template_filter(when)
    app.add_template_filter(day)
    app.add_template_filter(paid_day)
    app.add_template_filter(duration)
    app.add_template_filter(number)
    app.add_template_filter(counted)
    app.add_template_filter(brief)
    app.add_template_global(what_happened)
    app.add_template_global(headline)
    app.jinja_env.globals.update(tones=TONES, removals=REMOVALS, kinds=KINDS)


def moment(at: datetime | None, *, clock: bool = False) -> Markup:
    """A time in the zone that is set, which programs can read too; with `clock` the time of day alone."""
    if at is None:
        return Markup("–")
    return _time(at, at.astimezone(zone()).strftime("%H:%M %Z" if clock else "%-d %b %Y, %H:%M %Z"))


def when(at: datetime | None) -> Markup:
    """A time as people say it: “today, 14:05”, “yesterday, 9:30”, “tomorrow, 8:00”, else the date. It says nothing that grows wrong on a
    page left open, as “two minutes ago” would."""
    if at is None:
        return Markup("–")
    here, now = at.astimezone(zone()), datetime.now(zone())
    one = timedelta(days=1)
    days = {now.date(): "today", (now - one).date(): "yesterday", (now + one).date(): "tomorrow"}
    on = days.get(here.date()) or here.strftime("%-d %b" if here.year == now.year else "%-d %b %Y")
    return _time(at, f"{on}, {here:%H:%M}")


def day(at: datetime | None) -> Markup:
    """The day of a time in the zone that is set."""
    return Markup("–") if at is None else _time(at, at.astimezone(zone()).strftime("%-d %b %Y"))


def paid_day(at: datetime | None) -> Markup:
    """The first or last day of a payment: those are whole days in UTC wherever the admin is."""
    return Markup("–") if at is None else _time(at, at.astimezone(UTC).strftime("%-d %b %Y"))


def exact(at: datetime) -> str:
    """A time to the second in the zone that is set, and where that is another one in UTC."""
    utc, here = at.astimezone(UTC), at.astimezone(zone())
    both = [f"{one:%-d %b %Y, %H:%M:%S %Z}" for one in (here, utc)]
    return " · ".join(dict.fromkeys(both))


def _time(at: datetime, shown: str) -> Markup:
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(stamp, exact(at), shown)


def zone() -> tzinfo:
    """The zone times are shown in, read once per request; UTC where the one that is set is not known here."""
    if "zone" not in g:
        name = db.session.scalar(select(Setting.time_zone))
        try:
            g.zone = ZoneInfo(name or "UTC")
        except (LookupError, ValueError, OSError):
            g.zone = UTC
    found: tzinfo = g.zone
    return found


def duration(seconds: float | None) -> str:
    """Roughly how long, in words people use."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"


def number(count: int) -> str:
    """With thousands parted by a thin space."""
    return f"{count:,}".replace(",", "\u202f")


def counted(count: int, one: str, many: str = "") -> str:
    """A number with what it counts: “1 payment”, “3 payments”, “2 entries” (`many` where it is not `one` with an s)."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def some_of(changed: int, chosen: int, one: str, many: str = "") -> str:
    """How many change, for the title of a question: “6 of 8 users”, and where all do “8 users”."""
    return counted(chosen, one, many) if changed == chosen else f"{number(changed)} of {counted(chosen, one, many)}"


def both_numbers(changed: int, chosen: int, one: str, many: str = "", stays: tuple[str, str] = ("is so already", "are so already")) -> str:
    """How many of those chosen change, and what is with the others (`stays`: of one, of several): “6 of the 8 users chosen change; 2 are so
    already.”"""
    left, several = chosen - changed, many or one + "s"
    if not left:
        return f"The {one} chosen changes." if chosen == 1 else f"All {number(chosen)} {several} chosen change."
    if not changed:
        none = f"The {one} chosen does not change: it" if chosen == 1 else f"None of the {number(chosen)} {several} chosen changes: they"
        return f"{none} {stays[chosen > 1]}."
    verb = "changes" if changed == 1 else "change"
    return f"{number(changed)} of the {number(chosen)} {several} chosen {verb}; {number(left)} {stays[left > 1]}."


def all_counted(parts: Iterable[tuple[int, str, str]]) -> str:
    """Numbers with what they count (one, many) as a list: “3 payments, 1 share and 2 entries”. Zeros are left out; empty when all are."""
    said = [counted(count, one, many) for count, one, many in parts if count]
    return " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else "".join(said)


def brief(text: str, most: int = 60) -> str:
    """A name within a sentence: names may be hundreds of characters long, and the sentence has to stay in sight."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def headline(run: Migration, counts: Counts, nobody_works: str = "") -> str:
    """One sentence on where a run is; it speaks of nothing under way where `nobody_works` says why."""
    if run.status is MigrationStatus.CANCELLED and run.ended_at is None:
        return f"Cancelled. The people already in hand are {'finished once a worker can work again' if nobody_works else 'being finished'}."
    if nobody_works and run.status is MigrationStatus.RUNNING and waiting.awaited(run) is None:
        return "It goes on by itself once a worker can work again."
    if waiting.is_held_up(run):
        return _held_up(run)
    if waiting.is_overdue(run):
        return "Its time has come: it begins as soon as it can."
    if run.status is MigrationStatus.QUEUED:
        return "Waiting for a worker to take it in hand."
    if run.status is MigrationStatus.RUNNING and run.prepared_at is None:
        return "Asking both servers who is there now."
    return {
        MigrationStatus.RUNNING: "People are being moved. You can close this page; it goes on.",
        MigrationStatus.PAUSED: "Paused. Nobody new is taken in hand until you resume it.",
        MigrationStatus.FINISHED: _sum_up(counts),
        MigrationStatus.CANCELLED: "Cancelled. Nobody else was moved.",
        MigrationStatus.FAILED: "Stopped by a problem. Those not moved yet stayed as they were.",
    }[run.status]


def _held_up(run: Migration) -> str:
    server = waiting.awaited(run)
    if server is None:
        return "It cannot go on now. It is tried again by itself."
    silent = any(words in run.wake_reason for words in ("does not answer (", "cannot be reached"))
    return f"Waiting for {brief(server.name)}, which does not answer{'' if silent else ' as it should'}."


def _sum_up(counts: Counts) -> str:
    parts = [
        (counts.moved, "moved"),
        (counts.invited, "still to accept the invite"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
    ]
    said = ", ".join(f"{number(count)} {what}" for count, what in parts if count)
    return f"Finished: {said}." if said else "Finished."


def what_happened(run: Migration, move: Move, back: WayBack | None = None) -> list[str]:
    """The sentences of a row: what the platform said, what the reasons mean, else where the user is; what became of taking it `back`."""
    if back is None:
        return _what_the_run_did(run, move)
    # Of what is as it was before, nothing is said that speaks of now.
    said = [_WAS[move.status]] if back.is_done and move.status in _WAS else _what_the_run_did(run, move)
    return [*said, with_link(back.sentence, back.run_id)]


#: Of whom is said no more than that, once it was taken back.
_WAS = {MoveStatus.MOVED: "Was moved.", MoveStatus.INVITED: "Was invited."}


def with_link(sentence: str, run_id: int, classes: str = "") -> Markup:
    """A sentence that begins with “Migration” and a number, these two linked to that run's page."""
    name, address = f"Migration {run_id}", url_for("migrations.show", run_id=run_id)
    look = Markup(' class="{}"').format(classes) if classes else ""
    return Markup('<a href="{}"{}>{}</a>').format(address, look, name) + sentence.removeprefix(name)


def _what_the_run_did(run: Migration, move: Move) -> list[str]:
    sentences = [move.detail] if move.detail else []
    # Of what cannot be read the detail says more.
    sentences += [reason.sentence for reason in move.reasons if not (move.detail and reason is Reason.UNREADABLE)]
    if move.status in (MoveStatus.MOVED, MoveStatus.INVITED):
        return [_given(run, move), *sentences]
    return sentences or [_under_way(move)]


def _given(run: Migration, move: Move) -> str:
    if move.status is MoveStatus.INVITED:
        start = "The invite waits to be accepted"
        later = "the source access stays until then" if run.removal is Removal.WHEN_ACTIVE and run.source_reached else ""
    else:
        start = "Has access on the target"
        later = ""
    if move.taken_at:
        later = "the source access is removed"
    elif run.removal is Removal.KEEP or not run.source_reached:
        later = "the source access was left as it is"
    if Reason.ALREADY_THERE in move.reasons and not later:
        return f"{start}."
    return f"{start}; {later}." if later else f"{start}."


def _under_way(move: Move) -> str:
    if move.status is MoveStatus.PENDING:
        return "Waits for another try." if move.not_before else "Waits for their turn."
    if move.status is MoveStatus.MOVING:
        doing = {Step.GIVE: "Getting access on the target.", Step.CHECK: "Has access on the target; it is being checked."}
        return doing.get(move.step, "Has access on the target; the source access is being removed.")
    if move.status is MoveStatus.CANCELLED:
        return "Not moved: the run was cancelled first. Everything stayed as it was."
    return ""
