"""`flask preflight`, `migrate-users`, `migrations`, `pause`, `resume`, `cancel`, `retry`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime

import click

from panel import jobs
from panel.cli.answers import Refused, as_json, command, finite, print_json, refuse_blocked, run_numbered, say, server_named
from panel.cli.follow import follow
from panel.domain.statuses import MigrationStatus, Removal
from panel.extensions import db
from panel.models import Migration, Move
from panel.services import proof_report, report
from panel.services.preflight import Preflight, ask_both, assess
from panel.services.run import steer
from panel.services.run.planned import NoTimeToBegin, begin_at
from panel.services.run.start import Schedule, start
from panel.services.run.undo import NothingToUndo, start_undo


@command("preflight")
@click.argument("source")
@click.argument("target")
@as_json
def preflight(source: str, target: str, as_json: bool) -> None:
    """Say who would move from SOURCE to TARGET, who would not and why. Nothing is changed."""
    flight = _assess(source, target, Removal.WHEN_ACTIVE, None)
    if as_json:
        print_json(report.preflight_json(flight))
    else:
        _print_preflight(flight)


@command("migrate-users")
@click.argument("source")
@click.argument("target")
@click.option(
    "--pace", type=click.FloatRange(min=0, max=86400), callback=finite, help="Seconds between two users (30 where Plex is on either side)."
)
@click.option("--remove", type=click.Choice([removal.value for removal in Removal]), default=Removal.WHEN_ACTIVE.value, show_default=True)
@click.option(
    "--start-at",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]),
    help="Begin at this time (the panel's time zone), within a year.",
)
@click.option("--repeat-every", type=click.FloatRange(min=0.1, max=720), callback=finite, help="Hours until another round for those left.")
@click.option("--rounds", type=click.IntRange(min=1, max=100), default=None, help="How many more rounds, with --repeat-every.")
@click.option("--wait", is_flag=True, help="Follow the run to its end.")
@as_json
def migrate_users(
    source: str,
    target: str,
    pace: float | None,
    remove: str,
    start_at: datetime | None,
    repeat_every: float | None,
    rounds: int | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Move all users of SOURCE to TARGET in the background."""
    if (repeat_every is None) is not (rounds is None):
        raise click.UsageError("--repeat-every and --rounds go together.")
    schedule = Schedule(_begin(start_at) if start_at else None, repeat_every or 0.0, rounds or 0)
    flight = _assess(source, target, Removal(remove), pace)
    if flight.blockers:
        refuse_blocked(flight.blockers)
    run = start(flight, schedule)
    db.session.commit()
    _follow_and_print(run, jobs.wake(run.id), wait=wait, as_json=as_json)


def _begin(typed: datetime) -> datetime:
    try:
        return begin_at(typed)
    except NoTimeToBegin as slip:
        raise click.BadParameter(str(slip), param_hint="--start-at") from None


@command("migrations")
@click.argument("number", type=int, required=False)
@click.option("--requests", is_flag=True, help="Also every request that changed something (with NUMBER).")
@as_json
def migrations(number: int | None, requests: bool, as_json: bool) -> None:
    """Show all runs, or one with its users."""
    if requests and number is None:
        raise click.UsageError("--requests goes with the number of a migration.")
    if number is not None:
        _print_one(run_numbered(number), requests, as_json)
        return
    runs = report.runs_newest_first(limit=1000)
    if as_json:
        print_json([report.run_line(run) for run in runs])
    else:
        for run in runs:
            say(_line(run))


def _steering(name: str, act: Callable[[Migration], object], done: str, what: str) -> click.Command:
    @command(name, help=what)
    @click.argument("number", type=int)
    @as_json
    def steering(number: int, as_json: bool) -> None:
        run = run_numbered(number)
        act(run)
        db.session.commit()
        jobs.wake(run.id)
        if as_json:
            print_json(report.run_line(run))
        else:
            say(f"Migration {number} {done}.")

    return steering


pause = _steering("pause", steer.pause, "is paused; the user in hand is finished", "Pause a run.")
resume = _steering("resume", steer.resume, "goes on", "Go on with a paused run.")
cancel = _steering("cancel", steer.cancel, "is cancelled; those already given access are settled", "Cancel a run.")
retry = _steering("retry", steer.retry, "tries those again who failed and may be tried again", "Try failed users again.")


@command("undo")
@click.argument("number", type=int)
@click.option("--user", "names", multiple=True, help="Only this user; may be given several times.")
@click.option("--wait", is_flag=True, help="Follow the run to its end.")
@as_json
def undo(number: int, names: tuple[str, ...], wait: bool, as_json: bool) -> None:
    """Take back what a run did: a run of its own gives back the source access and withdraws what was made on the target."""
    run = run_numbered(number)
    try:
        back = start_undo(run, [_named(run, name).id for name in names] if names else None)
    except NothingToUndo as refusal:
        raise Refused("nothing_to_undo", str(refusal)) from None
    db.session.commit()
    _follow_and_print(back, jobs.wake(back.id), wait=wait, as_json=as_json)


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


COMMANDS = [preflight, migrate_users, migrations, pause, resume, cancel, retry, undo]


def _named(run: Migration, name: str) -> Move:
    """The one user of a run that is called so, or whose account on the target is. Raises `Refused`."""
    found = [move for move in run.moves if move.name == name]
    if len(found) > 1:
        accounts = " or ".join(f"“{move.account_name}”" for move in found if move.account_name not in ("", name))
        or_else = f"Name the account, {accounts}, or use the run’s page." if accounts else "Use the run’s page."
        raise Refused("ambiguous_user", f"Migration {run.id} has {len(found)} users named “{name}”. {or_else}")
    found = found or [move for move in run.moves if move.account_name == name]
    if len(found) != 1:
        raise Refused("unknown_user", f"Migration {run.id} has no user named “{name}”.")
    return found[0]


def _follow_and_print(run: Migration, queued: bool, *, wait: bool, as_json: bool) -> None:
    """How a run that was just begun stands, with `wait` once it has ended; then the program ends with 1 where anything failed."""
    if wait:
        follow(run.id, quiet=as_json)
        db.session.refresh(run)
    elif not queued or not jobs.workers_alive():
        say("No worker is running: start one with “flask up”, or follow the run with --wait.", err=True)
    _print_run(run, as_json)
    if wait and (run.status is not MigrationStatus.FINISHED or report.counts_of(run.id).failed):
        sys.exit(1)


def _assess(source_name: str, target_name: str, removal: Removal, pace_s: float | None) -> Preflight:
    source, target = server_named(source_name), server_named(target_name)
    looks = ask_both(source, target)
    db.session.commit()
    return assess(source, target, removal=removal, pace_s=pace_s, looks=looks)


def _print_preflight(flight: Preflight) -> None:
    for note in filter(None, (flight.note, flight.slowed_down)):
        say(note, err=True)
    for refusal in flight.blockers:
        say(f"BLOCKED  {refusal.message}")
    for verdict in flight.verdicts:
        word = "move" if verdict.moves else "skip"
        reasons = " ".join(reason.sentence for reason in verdict.reasons)
        say(f"{word:<6} {verdict.candidate.name}{'  ' + reasons if reasons else ''}")
    duration = f"; about {_minutes(flight.duration_s)}" if flight.moving else ""
    say(f"{len(flight.moving)} would move, {len(flight.staying)} would stay{duration}.")


def _print_one(run: Migration, requests: bool, as_json: bool) -> None:
    if requests and as_json:
        print_json(proof_report.document(run))
        return
    _print_run(run, as_json)
    for line in proof_report.sent(run.id) if requests else ():
        where = f"{line.user} on {line.server}: " if line.user or line.server else ""
        say(f"  {line.at:%Y-%m-%d %H:%M:%S}  {where}{line.what} – {line.result}")


def _print_run(run: Migration, as_json: bool) -> None:
    if as_json:
        print_json(report.run_json(run))
        return
    say(_line(run))
    document = report.run_json(run)
    for move in document["moves"]:
        say(f"  {move['status']:<9} {move['user']}{'  ' + move['detail'] if move['detail'] else ''}")
    mail = document["email"]
    say("Result mail sent." if mail["sent"] else f"No result mail: {mail['reason']}")


def _line(run: Migration) -> str:
    counts = report.counts_of(run.id)
    numbers = ", ".join(f"{getattr(counts, name)} {name}" for name in ("moved", "invited", "skipped", "failed", "cancelled", "pending"))
    note = f" {run.problem or run.note}" if run.problem or run.note else ""
    return f"{run.id}  {run.source.name} → {run.target.name}  {run.status.value}: {numbers}.{note}"
