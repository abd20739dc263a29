"""What came of the demo, by the LMSs' and the shop's own count."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import click

from wcsync import screen
from wcsync.demo.after_sale import judge_after_sale, print_after_sale
from wcsync.demo.proof import Proven, judge_proof, print_proof
from wcsync.demo.shop_window import PEOPLES, Window
from wcsync.demo.stage import Seat, Stage
from wcsync.ledger.report import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """`quiet`: nothing was due any more when it ended; `mirrored`: nor was course data left to be carried over;
    `rewrites`: writes to products in one more run after that. `before`: who was in before the last refunds; `proven`:
    None = the proof could not be brought to its end."""

    quiet: bool
    mirrored: bool
    rewrites: int
    before: AbstractSet[Seat]
    proven: Proven | None


def conclude(stage: Stage, window: Window, summary: Summary, ending: Ending, *, as_json: bool) -> int:
    """Prints it. 0 if the LMSs hold exactly what was paid for, the products show exactly what the LMSs say, and the
    proof holds; else 1."""
    seats, products = _judge_seats(stage, summary, ending), _judge_products(stage, window, ending)
    after_sale = judge_after_sale(stage, ending.before, summary.open_seats)
    proof = judge_proof(stage, ending.proven)
    parts = {"lms": seats, "after_sale": after_sale, "products": products, "proof": proof}
    if as_json:
        screen.print_json(summary.as_dict() | parts)
    else:
        _print_seats(seats)
        print_after_sale(after_sale)
        _print_products(products)
        screen.print_summary(summary)
        print_proof(proof)
    return 0 if all(part["agree"] for part in parts.values()) else 1


def _judge_seats(stage: Stage, summary: Summary, ending: Ending) -> dict[str, Any]:
    expected, actual, notes = stage.expected(), stage.actual(), stage.notes().values()
    doubled = sum(stage.accounts(email) > 1 for email in {email for email, _ in actual})
    doubled_notes = sum(one == other for told in notes for one, other in pairwise(told))
    wrong = doubled or doubled_notes or summary.unexplained
    return {
        "lms_expected": len(expected),
        "lms_actual": len(actual),
        "missing": len(expected - actual),
        "too_many": len(actual - expected),
        "doubled_accounts": doubled,
        "notes": sum(map(len, notes)),
        "doubled_notes": doubled_notes,
        "agree": ending.quiet and expected == actual and not wrong,
    }


def _judge_products(stage: Stage, window: Window, ending: Ending) -> dict[str, Any]:
    wrong, lost, touched = window.wrong(), window.lost(), window.touched()
    covers, covered = window.covers()
    uploads = stage.shop.uploads
    faults = wrong or lost or touched or ending.rewrites
    return {
        "products": len(stage.courses),
        "wrong": wrong,
        "peoples_texts": len(PEOPLES),
        "lost_texts": lost,
        "touched": touched,
        "covers": covers,
        "covered_products": covered,
        "uploads": uploads,
        "written_by_one_more_run": ending.rewrites,
        "agree": ending.mirrored and not faults and uploads == covers,
    }


def _print_seats(seats: dict[str, Any]) -> None:
    click.echo(
        f"\nPaid for: {seats['lms_expected']} enrolments. In the LMSs: {seats['lms_actual']}. Missing: "
        f"{seats['missing']}. Too many: {seats['too_many']}. Doubled accounts: {seats['doubled_accounts']}. "
        "(Some bought a course twice.)\n"
        f"Notes beside the orders: {seats['notes']}. Doubled: {seats['doubled_notes']}."
    )
    agree = seats["agree"]
    click.echo("The LMSs hold exactly what was paid for." if agree else "THE LMSS AND THE SHOP DISAGREE.")


def _print_products(products: dict[str, Any]) -> None:
    click.echo(
        f"\nProducts that sell courses: {products['products']}. Unlike their course: {len(products['wrong'])}. Texts "
        f"of people: {products['peoples_texts']}. Lost: {len(products['lost_texts'])}. Prices, status, SKU, stock and "
        f"the like changed: {len(products['touched'])}.\n"
        f"Covers: {products['covers']}, shown by {products['covered_products']} products. Uploads: "
        f"{products['uploads']}. Writes to products in one more run: {products['written_by_one_more_run']}."
    )
    for problem in [*products["wrong"], *products["lost_texts"], *products["touched"]]:
        screen.say(f"  {problem}")
    agree = products["agree"]
    click.echo(
        "The products show exactly what the LMSs say, and what people wrote.\n"
        if agree
        else "THE PRODUCTS AND THE LMSS DISAGREE.\n"
    )
