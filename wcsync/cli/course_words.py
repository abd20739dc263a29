"""What the mirror would do and did, for people who know WordPress: product by product, field by field."""

import html
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import click

from wcsync import screen
from wcsync.ledger.mirror import DONE, FAILED, Run
from wcsync.mappers.courses.diffing import Line, Sign, diff
from wcsync.mappers.courses.fields import PREFIX, Field
from wcsync.mappers.courses.plan import Decision, Verdict
from wcsync.pollers.course_judge import LEFT_ALONE, Judged
from wcsync.pollers.course_plan import Outlook
from wcsync.pollers.course_push import Tally
from wcsync.pollers.course_shelf import LeftAlone

MOST_LINES = 16
"""Of one field's change."""
MOST_NEW_LINES = 4
"""Of a field that is empty now."""
SHOWN = 20
"""So many products or rows of one kind are named; all are in the JSON."""

_OUT = {
    "in_trash": "In the trash",
    "unknown_product": "Not in the shop",
    "unknown_sku": "Not in the shop",
    "is_a_variation": "Another kind of product than the row says",
    "is_no_variation": "Another kind of product than the row says",
    "unreadable": "Cannot be read",
    "course_gone": "Course not to be seen",
    "no_course_data": "No course data",
    "bad_template": "Template that cannot be used",
    "off": "Switched off",
    "not_found": "Not found",
}
_OTHER = "Not looked at"
_FOR_THEMES = f"{Field.META}:{PREFIX}"
"""So begin the fields that people never edit: their names are enough."""
_TAKE_BACK = (
    "To have one of these written all the same: wcsync courses push --only PRODUCT --take-back FIELD\n"
)


def print_outlook(outlook: Outlook) -> None:
    """Every product with something to be written, then what is left alone, then why a run would stop."""
    for one in outlook.changes:
        _print_product(one)
    _print_kept(outlook)
    _print_left(outlook)
    for message in outlook.messages:
        screen.say(message)
    counts = (
        f"{screen.count(outlook.products, 'product')} of {screen.count(outlook.courses, 'course')}: "
        f"{len(outlook.changes)} would change, {screen.count(outlook.edited, 'field')} edited by people and left alone."
    )
    click.echo(counts)
    _print_halts(outlook)


def print_push(run: Run, tally: Tally) -> None:
    for product_id, why in tally.refused.items():
        screen.say(f"product {product_id} was not written: {why}", err=True)
    for product_id, what in tally.harmed.items():
        screen.say(
            f"product {product_id}: beside what was written something else changed ({what}); look at it in the shop",
            err=True,
        )
    for message in tally.messages:
        screen.say(message, err=True)
    click.echo(
        f"{screen.count(run.products, 'product')} of {screen.count(run.courses, 'course')}: {run.written} written, "
        f"{run.failed} refused, {screen.count(run.edited, 'field')} edited by people and left alone."
    )
    for one in unnamed(tally.left):
        screen.say(one.reason, err=True)
    whole = len(tally.left) - len(unnamed(tally.left))
    if whole:
        many = screen.count(whole, "product or row", "products or rows")
        click.echo(f"{many} left alone as a whole: `wcsync courses diff` says why")
    if run.outcome != DONE:
        what = "Not all was done" if run.outcome == FAILED else "Stopped"
        screen.say(f"{what}: {run.reason}", err=True)
        if run.advice:
            screen.say(f"  -> {run.advice}", err=True)


def unnamed(left: Iterable[LeftAlone]) -> list[LeftAlone]:
    """What somebody named that is nothing known."""
    return [one for one in left if one.code == "not_found"]


def render_outlook(outlook: Outlook) -> dict[str, Any]:
    """The same as one document."""
    return {
        "products": [_document(one) for one in outlook.judged],
        "left": [asdict(one) for one in outlook.left],
        "stops": [asdict(halt) for halt in outlook.halts],
        "messages": list(outlook.messages),
        "counts": {
            "courses": outlook.courses,
            "products": outlook.products,
            "changed": len(outlook.changes),
            "edited": outlook.edited,
        },
    }


def _document(one: Judged) -> dict[str, Any]:
    task = one.task
    return {
        "product_id": task.product_id,
        "parent_id": task.parent_id,
        "name": task.name,
        "sku": task.sku,
        "where": task.source,
        "courses": [f"{course.lms}/{course.course_id}" for course in task.courses],
        "fields": [asdict(decision) for decision in one.plan.decisions],
    }


def _print_product(one: Judged) -> None:
    screen.say(_title(one))
    for decision in one.plan.decisions:
        if decision.verdict is Verdict.WRITE and not _is_for_themes(decision):
            _print_change(decision)
    keys = [
        decision.field.removeprefix(_FOR_THEMES)
        for decision in one.plan.decisions
        if decision.verdict is Verdict.WRITE and _is_for_themes(decision)
    ]
    if keys:
        screen.say(f"  meta for themes, {PREFIX}…: {', '.join(keys)}")
    _print_left_alone(_left_alone(one))
    click.echo()


def _print_change(decision: Decision) -> None:
    """On one line what is short and fills an empty field, as most of a first run is."""
    lines = _diff_lines(decision)
    if not decision.before and len(lines) == 1:
        screen.say(f"  {decision.field}: {lines[0]}")
        return
    screen.say(f"  {decision.field}: {decision.reason}")
    for line in lines:
        screen.say(f"    {line}")


def _diff_lines(decision: Decision) -> list[str]:
    """What is in the shop after `-`, what will be after `+`; of long changes the beginning."""
    lines = [shown for line in diff(decision.before, decision.after) for shown in _both_sides(line)]
    most = MOST_LINES
    if not decision.before:
        lines, most = [line for line in lines if line.startswith(Sign.NEW.value)], MOST_NEW_LINES
    rest = len(lines) - most
    return [*lines[:most], f"… and {rest} lines more; --json has all"] if rest > 1 else lines


def _both_sides(line: Line) -> Iterator[str]:
    """Of a line that stays in part always both, or a word taken out of it would read as the end of the line."""
    stays = any(piece.sign is Sign.KEPT for piece in line)
    for sign in (Sign.GONE, Sign.NEW):
        if stays or any(piece.sign is sign for piece in line):
            yield f"{sign.value} {''.join(piece.text for piece in line if piece.sign in {sign, Sign.KEPT})}"


def _is_for_themes(decision: Decision) -> bool:
    return decision.field.startswith(_FOR_THEMES)


def _title(one: Judged) -> str:
    task = one.task
    courses = ", ".join(f'{course.lms}/{course.course_id} "{course.name}"' for course in task.courses)
    kind = "Variation" if task.parent_id else "Product"
    sku = f", SKU {task.sku}" if task.sku else ""
    name = f' "{html.unescape(task.name)}"' if task.name else ""
    parent = f" of product {task.parent_id}" if task.parent_id else ""
    return f"{kind} {task.product_id}{parent}{name}{sku} ({task.source}: {courses or 'its course is gone'})"


def _print_kept(outlook: Outlook) -> None:
    """Products of which nothing is to be written, but with fields that people should know are left alone."""
    kept = [(one, _left_alone(one)) for one in outlook.judged if one.patch is None]
    kept = [(one, decisions) for one, decisions in kept if decisions]
    for one, decisions in kept[:SHOWN]:
        screen.say(_title(one))
        _print_left_alone(decisions)
    if len(kept) > SHOWN:
        click.echo(f"and {len(kept) - SHOWN} more products with fields that are left alone; --json names all")
    if kept:
        click.echo()
    if any(_left_alone(one) for one in outlook.judged):
        click.echo(_TAKE_BACK)


def _print_left_alone(decisions: Iterable[Decision]) -> None:
    for decision in decisions:
        screen.say(f"  {decision.field}: left alone, {decision.reason}")


def _left_alone(one: Judged) -> list[Decision]:
    return [decision for decision in one.plan.decisions if decision.verdict in LEFT_ALONE]


def _print_left(outlook: Outlook) -> None:
    groups: dict[str, list[LeftAlone]] = {}
    for one in outlook.left:
        groups.setdefault(_OUT.get(one.code, _OTHER), []).append(one)
    for title, rows in groups.items():
        click.echo(f"{title}: {len(rows)}")
        reasons: dict[str, list[LeftAlone]] = {}
        for one in rows[:SHOWN]:
            reasons.setdefault(one.reason, []).append(one)
        for reason, alike in reasons.items():
            _print_reason(reason, alike)
        if len(rows) > SHOWN:
            click.echo(f"  and {len(rows) - SHOWN} more; --json names all")
    if groups:
        click.echo()


def _print_reason(reason: str, alike: list[LeftAlone]) -> None:
    """Once for all products that it holds for."""
    places = [_place(one) for one in alike if _place(one)]
    if len(places) < 2:
        screen.say(f"  {': '.join([*places, reason])}")
        return
    screen.say(f"  {reason}:")
    for place in places:
        screen.say(f"    {place}")


def _place(one: LeftAlone) -> str:
    product = f"product {one.product_id}" if one.product_id else ""
    return ", ".join(filter(None, (product, one.where)))


def _print_halts(outlook: Outlook) -> None:
    for halt in outlook.halts:
        screen.say(f"{'NOT READ' if halt.outcome == FAILED else 'A RUN WOULD STOP'}: {halt.reason}", err=True)
        if halt.advice:
            screen.say(f"  -> {halt.advice}", err=True)
