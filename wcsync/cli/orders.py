"""Orders as people name them: by the number they know, or by the id."""

import shlex
import sys
from collections.abc import Collection

import click

from wcsync import screen
from wcsync.ledger.report import Report


def name_order(order_id: int, number: str | None) -> str:
    """What people call it, with the id where that differs."""
    if not order_id:
        return "An order whose id could not be read"
    if number is None or number == str(order_id):
        return f"Order {order_id}"
    return f"Order {number} (id {order_id})"


def word_for(order_id: int, number: str | None, ambiguous: Collection[str]) -> str:
    """How to name it in a command, so that no other is meant."""
    word = str(order_id) if number is None else number
    usable = word and word not in ambiguous and word.isprintable() and word == word.strip()
    return shlex.quote(word) if usable and word[0] not in "-#" and ":" not in word else f"id:{order_id}"


def find_order(report: Report, text: str) -> int | None:
    """The id of the one order that `text` names; None if the ledger has none. Ends with 2 if it may mean several."""
    found = report.find_orders(text.strip())
    if len(found) > 1:
        click.echo(screen.plain(_ambiguity(text, found)), err=True)
        sys.exit(2)
    return int(found[0]["order_id"]) if found else None


def parse_id(text: str) -> int | None:
    """The id that a person typed, with `id:` before it or not; None if it is none."""
    word = text.strip().removeprefix("id:")
    is_one = word.isascii() and word.isdecimal() and len(word) < 20 and 0 < int(word) < 2**63
    return int(word) if is_one else None


def _ambiguity(text: str, found: list[dict[str, object]]) -> str:
    lines = [f"{text!r} may mean several orders; nothing was done. Say which by its id:"]
    for row in found:
        number = row["number"]
        known = "never read in full" if number is None else f"number {number}"
        lines.append(f"  id:{row['order_id']}   {known}")
    return "\n".join(lines)
