"""`wcsync status`: how things stand, for people and for scripts."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from wcsync import screen
from wcsync.app import utc_now
from wcsync.cli.common import main, opened_report, sealed_config, with_config, with_json
from wcsync.cli.mirror_status import print_mirror
from wcsync.cli.next_steps import typed
from wcsync.cli.standstill import standstill, tell_standstill
from wcsync.config import Config
from wcsync.gate import SHOP
from wcsync.ledger.base import Origin
from wcsync.ledger.lock import running_instance
from wcsync.ledger.report import Report
from wcsync.ledger.rows import text_of
from wcsync.reckoning import render_proof
from wcsync.times import render_instant
from wcsync.zones import day_of, parse_zone

Row = Mapping[str, Any]
MEANINGS = {
    "orders": "orders read from the shop so far",
    "lines": "lines of paid orders; the next figures say what became of them",
    "enrolled": "paid lines whose learner is in the course",
    "open_seats": "seats of paid lines that nobody has yet: wcsync parked assign",
    "withdrawn": "enrolments that were ended: taken back, or their time over",
    "ended": "paid lines that were given back, or whose time is over",
    "parked": "things that need a person: wcsync parked list",
    "unmapped": "paid lines whose product is in no mapping row",
    "ignored": "paid lines that sell no course, by a row with ignore = true",
    "dropped": "paid lines that a person dealt with by hand",
    "dead": "enrolments that were given up: wcsync dead list",
    "due": "enrolments that wait for their next try",
    "unexplained": "paid lines that wcsync lost track of: always 0, or a fault of wcsync",
}
"""What each figure counts."""


@main.command()
@with_json
@with_config
def status(*, config_path: Path | None, as_json: bool) -> None:
    """Show counts, services and what waits.

    How far the shop was read, how the services do, the last proof, and what waits for a person.
    """
    config = sealed_config(config_path)
    with opened_report(config_path) as report:
        document = _document(config, report, utc_now())
    still = document["standstill"]
    stops = [] if still is None else [tell_standstill(still, config, config_path)]
    document["hints"] = [*stops, *_hints(document), *_commands(document, config_path)]
    if as_json:
        screen.print_json(document)
        return
    _print(document)
    if document["courses"]:
        print_mirror(document["courses"])
    for hint in document["hints"]:
        screen.say(hint)
    columns = ["product_id", "variation_id", "sku", "name", "lines", "last_order"]
    rows = [[row[column] or "" for column in columns] for row in document["unmapped"]]
    screen.print_table("Sold, but in no mapping row", columns, rows)


def _document(config: Config, report: Report, now: datetime) -> dict[str, Any]:
    barred = report.barred(config.limits, now)
    services, cursors = report.services(), report.cursors()
    return {
        "daemon": running_instance(config.ledger.path),
        "standstill": standstill(config, services, cursors, now),
        "mapping": {
            "file": str(config.mapping.path),
            "in_force": report.has_mapping(),
            "refused": report.mapping_refusal(),
        },
        "summary": report.summary().as_dict(),
        "services": services,
        "cursors": cursors,
        "oldest_due": report.oldest_due(),
        "messages": report.messages(),
        "courses": report.mirror(),
        "unmapped": report.unmapped(),
        "held": report.held(),
        "withdrawals": None if barred is None else asdict(barred),
        "budgets": list(_budgets(config, report, now)),
        "reconcile": report.proof(),
        "restored": _restored(report.origin()),
    }


def _restored(origin: Origin | None) -> dict[str, str | None] | None:
    """Since when the ledger is a restored one, and whether it has caught up; None where it is none."""
    if origin is None:
        return None
    return {
        "taken_at": render_instant(origin.taken_at),
        "restored_at": text_of(origin.restored_at),
        "caught_up_at": text_of(origin.caught_up_at),
    }


def _budgets(config: Config, report: Report, now: datetime) -> Iterator[dict[str, Any]]:
    """What is used of each LMS's budget; nothing of those that have none."""
    zone = next((row["zone"] for row in report.services() if row["name"] == SHOP), "")
    (day_began, _), waiting = day_of(now, parse_zone(zone)), report.waiting_for_budgets()
    for lms in config.lms:
        if lms.budget is not None and lms.budget.limited:
            yield {
                "lms": lms.name,
                "today": report.accounts_made(lms.name, day_began),
                "per_day": lms.budget.per_day,
                "total": report.accounts_made(lms.name, None),
                "most": lms.budget.total,
                "waiting": waiting.get(lms.name, 0),
            }


def _hints(document: Row) -> list[str]:
    """What to do next, the gravest first."""
    hints = {
        "due": "Due enrolments wait for their next try, or for a service above that is not up.",
        "parked": "`wcsync parked list` shows what needs a person.",
        "dead": "`wcsync dead list` shows what was given up; mend the cause, then `wcsync dead revive`.",
        "unmapped": "Give unmapped products a row in the mapping file, or a row with ignore = true.",
        "unexplained": "Unexplained lines are a fault of wcsync: please report them with `wcsync show ORDER --json`.",
    }
    found = [hint for name, hint in hints.items() if document["summary"][name]]
    courses = document["courses"]
    if courses and courses["counts"]["edited"]:
        found.append(
            "Fields that people changed stay theirs; `wcsync courses push --only PRODUCT --take-back FIELD` writes one "
            "of them again."
        )
    return found


def _commands(document: Row, config_path: Path | None) -> Iterator[str]:
    """What waits for a person's word, each with the command that gives it."""
    restored, barred = document["restored"], document["withdrawals"]
    if restored is not None and restored["caught_up_at"] is None:
        yield (
            f"RESTORED from a backup of {restored['taken_at'][:19]} (UTC), and not caught up yet: the daemon looks up "
            "what was done since. What people decided since is to be said again."
        )
    if barred is not None:
        yield (
            f"STOPPED before a mass withdrawal: {barred['waiting']} wait, {barred['done']} were done in 24 hours, "
            f"{barred['inside']} learners were in. {typed(config_path, 'withdrawals')} lists them; if they are right: "
            f"{typed(config_path, 'withdrawals allow')}"
        )
    for row in document["held"]:
        why = f" ({row['reason']})" if row["reason"] else ""
        name, let_go = row["number"] or row["order_id"], f"release id:{row['order_id']}"
        since = f"{row['since'][:19]} (UTC)"
        yield f"Order {name} is held since {since}{why}: {typed(config_path, let_go)}"


def _print(document: Row) -> None:
    pid, mapping = document["daemon"], document["mapping"]
    stands = "; it STANDS STILL" if document["standstill"] is not None else ""
    name = f" as process {pid}" if pid else "; its lock does not say as which process"
    click.echo("Daemon: NOT RUNNING" if pid is None else f"Daemon: runs{name}{stands}")
    if mapping["refused"]:
        refused = mapping["refused"]
        screen.say(f"Mapping: {mapping['file']} is REFUSED since {refused['since'][:19]} (UTC):")
        screen.say(*(f"  {problem}" for problem in refused["problems"]))
        click.echo("  the last good version stays in force")
    elif mapping["in_force"]:
        screen.say(f"Mapping: {mapping['file']} is in force")
    else:
        screen.say(f"Mapping: {mapping['file']} was not put in force yet; see `wcsync mapping check`")
    for line in _proof(document["reconcile"]):
        screen.say(line)
    click.echo()
    rows = [[name, value, MEANINGS.get(name, "")] for name, value in document["summary"].items()]
    screen.print_table("Orders and enrolments", ["what", "how many", "that is"], rows)
    _print_tables(document)


def _print_tables(document: Row) -> None:
    rows = [
        [row["name"], row["condition"], row["since"][:19], row["identity"], row["reason"]]
        for row in document["services"]
    ]
    screen.print_table("Services", ["service", "condition", "since (UTC)", "who answers", "reason"], rows)
    rows = [[row["name"], row["position"][:19], (row["polled_at"] or "")[:19]] for row in document["cursors"]]
    screen.print_table("Read so far", ["poller", "shop's clock (UTC)", "last complete pass (UTC)"], rows)
    rows = [
        [row["channel"], row["waiting"], row["given_up"], (row["oldest"] or "")[:19]]
        for row in document["messages"]
    ]
    screen.print_table("Messages", ["channel", "waiting", "given up", "oldest waiting (UTC)"], rows)
    rows = [
        [row["lms"], _used(row["today"], row["per_day"]), _used(row["total"], row["most"]), row["waiting"]]
        for row in document["budgets"]
    ]
    screen.print_table(
        "New accounts in an LMS with a budget", ["LMS", "today", "in all", "enrolments waiting"], rows
    )


def _used(used: int, most: int | None) -> str:
    return f"{used} of {most}" if most is not None else f"{used}, no limit"


def _proof(last: Row) -> Iterator[str]:
    """The last proof, by its own last line."""
    if last["failed_since"]:
        yield f"Proof: did NOT WORK since {last['failed_since'][:19]} (UTC): {last['reason']}"
    if last["counts"]:
        _, line = render_proof(last["counts"])
        yield f"Last proof: {last['worked_at'][:19]} (UTC): {line}"
        for one in last["suspects"]:
            yield f"  but NOT BELIEVED since {one['since'][:19]} (UTC): {one['why']}"
    elif not last["failed_since"]:
        yield "Last proof: none yet; `wcsync reconcile` makes one now"
