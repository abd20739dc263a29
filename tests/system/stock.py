"""What came of it, by the sandboxes' own count: each entry says whom it is about."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from click.testing import CliRunner

from wcsync.cli import main
from wcsync.events import ALWAYS, EVENTS
from wcsync.mappers.notes import told_last
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop

ENROLLED = "is enrolled"
"""What a note says of a learner who is in."""


class Sold(Protocol):
    """What a stock is taken of. `paid`: how often each seat is paid for now; `sold`: how often it ever was.

    `begins`: orders changed before are not read by the daemon itself. `marked`: what may be said nowhere.
    """

    folder: Path
    shop: SandboxShop
    moodle: SandboxMoodle
    config_path: Path
    paid: Counter[tuple[str, int]]
    sold: Counter[tuple[str, int]]
    begins: str
    marked: tuple[str, ...]

    def expected(self) -> set[tuple[str, int]]: ...

    def said(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """`lost`, `doubled`: seats, accounts, notes, mails. `unpaid`: who is in without having paid.

    `leaked`: where a secret or an address was said. `unsound`: what is wrong with the ledger, with a log line, or with
    what `status` tells.
    """

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    unpaid: tuple[str, ...] = ()
    leaked: tuple[str, ...] = ()
    unsound: tuple[str, ...] = ()

    def wrong(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.unpaid, *self.leaked, *self.unsound]

    def figures(self) -> dict[str, int]:
        """For `Proof.tell`."""
        names = ("lost", "doubled", "leaked", "unpaid", "unsound")
        return {name: len(getattr(self, name)) for name in names}


def take_stock(sold: Sold) -> Stock:
    """Once all is quiet."""
    expected, inside = sold.expected(), sold.moodle.active_enrolments()
    return Stock(
        lost=(*(f"{seat} is not in" for seat in expected - inside), *_unsaid(sold), *_unmailed(sold)),
        doubled=(*_accounts(sold), *_enrolments(sold), *_mails(sold), *_notes(sold)),
        unpaid=tuple(f"{seat} is in" for seat in inside - expected),
        leaked=tuple(leaks(sold.said(), sold.marked)),
        unsound=(*ledger_troubles(sold), *_odd_lines(sold), *_untrue(sold)),
    )


def leaks(said: Sequence[str], marked: Sequence[str]) -> Iterator[str]:
    for text in said:
        for line in text.splitlines():
            yield from (f"{mark} in {line}" for mark in marked if mark in line)


def notes_of(shop: SandboxShop, order_id: int) -> list[str]:
    return [note["note"] for note in shop.notes.get(order_id, []) if "(wcsync" in note["note"]]


# -- the LMS ---------------------------------------------------------------------------------------------------------


def _accounts(sold: Sold) -> Iterator[str]:
    for email in {email for email, _ in sold.sold}:
        yield from (f"a further account of {email}" for _ in sold.moodle.accounts(email)[1:])


def _enrolments(sold: Sold) -> Iterator[str]:
    """A seat sold once is enrolled by one call; one that was taken back and sold again by one more for each sale."""
    written: Counter[tuple[str, int]] = Counter()
    for row in [*sold.moodle.enrolments, *sold.moodle.former_enrolments]:
        seat = (sold.moodle.users[row.user_id].email, row.course_id)
        written[seat] += sum(write.action != "unenrolled" for write in row.history)
    for seat, times in written.items():
        most = 1 if sold.paid[seat] == sold.sold[seat] else sold.sold[seat]
        yield from (f"{seat} was enrolled once more" for _ in range(times - most))


def _mails(sold: Sold) -> Iterator[str]:
    for seat, mails in _mails_by_seat(sold).items():
        most = 1 if sold.paid[seat] == sold.sold[seat] else sold.sold[seat]
        yield from (f"{seat} was welcomed once more" for _ in range(mails - most))


def _unmailed(sold: Sold) -> Iterator[str]:
    mails = _mails_by_seat(sold)
    yield from (f"{seat} was never welcomed" for seat in sold.expected() if not mails[seat])


def _mails_by_seat(sold: Sold) -> Counter[tuple[str, int]]:
    mails: Counter[tuple[str, int]] = Counter()
    for (user_id, course_id), times in sold.moodle.mails.items():
        mails[sold.moodle.users[user_id].email, course_id] += times
    return mails


# -- the shop --------------------------------------------------------------------------------------------------------


def _notes(sold: Sold) -> Iterator[str]:
    """One note for an order that stayed paid, and one more for each order that its own note may have named as the one
    by which the learner was in already, and that was taken back since; never the same twice. For others never the same
    twice in a row."""
    for order_id, order in sold.shop.orders.items():
        notes = notes_of(sold.shop, order_id)
        marks = [told_last([note]) for note in notes]
        if order["status"] == "completed":
            most = 1 + _taken_back_before(sold.shop, order)
            for nth, note in enumerate(notes):
                if nth >= most or marks[nth] in marks[:nth]:
                    yield f"a further note at order {order_id}, after {marks[:nth]}: {note}"
        else:
            yield from (f"order {order_id} says the same twice" for one, two in pairwise(marks) if one == two)


def _taken_back_before(shop: SandboxShop, order: dict[str, Any]) -> int:
    """How many earlier orders of the same buyer with one of the same products were taken back."""
    return sum(
        other["id"] < order["id"]
        and other["status"] != "completed"
        and other["billing"]["email"] == order["billing"]["email"]
        and not _products(other).isdisjoint(_products(order))
        for other in shop.orders.values()
    )


def _products(order: dict[str, Any]) -> set[int]:
    return {line["product_id"] for line in order["line_items"]}


def _unsaid(sold: Sold) -> Iterator[str]:
    for order_id, order in sold.shop.orders.items():
        notes = notes_of(sold.shop, order_id)
        if order["status"] == "completed" and not (notes and ENROLLED in notes[-1]):
            yield f"order {order_id} does not say that its learner is in: {notes}"


# -- the ledger, and what is said of it ------------------------------------------------------------------------------


def ledger_troubles(sold: Sold) -> list[str]:
    with closing(sqlite3.connect(sold.folder / "ledger.db")) as db:
        leased = [
            f"{number} rows of {table} are leased"
            for table in ("enrolments", "outbox")
            if (number := db.execute(f"SELECT count(*) FROM {table} WHERE state = 'leased'").fetchone()[0])
        ]
        return [*leased, *_torn(db), *_passed(sold, db)]


def troubles_after_a_kill(sold: Sold, most_leased: int) -> list[str]:
    """Of a copy: opening the file itself would already mend what a kill left."""
    with TemporaryDirectory(dir=sold.folder) as folder:
        for name in ("ledger.db", "ledger.db-wal"):
            if (sold.folder / name).exists():
                copy(sold.folder / name, folder)
        with closing(sqlite3.connect(Path(folder) / "ledger.db")) as db:
            if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'cursors'").fetchone()[0]:
                return list(_torn(db))
            leased = db.execute("SELECT count(*) FROM enrolments WHERE state = 'leased'").fetchone()[0]
            held = [f"{leased} rows are leased to {most_leased} workers"] if leased > most_leased else []
            return [*held, *_torn(db), *_passed(sold, db)]


def _torn(db: sqlite3.Connection) -> Iterator[str]:
    found = [row[0] for row in db.execute("PRAGMA integrity_check").fetchall()]
    yield from (f"the ledger is damaged: {one}" for one in found if one != "ok")


def _passed(sold: Sold, db: sqlite3.Connection) -> Iterator[str]:
    """Orders before the cursor that the ledger does not have as the shop had them then."""
    row = db.execute("SELECT position FROM cursors WHERE name = 'orders'").fetchone()
    if row is None:
        return
    known = dict(db.execute("SELECT order_id, modified_at FROM orders").fetchall())
    for order_id, order in list(sold.shop.orders.items()):
        modified = order["date_modified_gmt"]
        if sold.begins <= modified < row[0][:19] and known.get(order_id, "")[:19] < modified:
            yield f"the cursor passed order {order_id} of {modified}, which the ledger does not know so"


def _odd_lines(sold: Sold) -> Iterator[str]:
    """Every line is an event of the catalogue, with no other keys. A kill may tear one."""
    for text in sold.said():
        for line in filter(None, map(_parsed, text.splitlines())):
            if not set(line) <= {*ALWAYS, "exception", *EVENTS[line["event"]].keys}:
                yield f"an odd log line: {line}"


def _untrue(sold: Sold) -> Iterator[str]:
    """What `wcsync status` tells and the sandboxes do not bear out, once nothing runs any more."""
    result = CliRunner().invoke(main, ["status", "--json", "--config", str(sold.config_path)])
    told = json.loads(result.stdout)
    paid = [order for order in sold.shop.orders.values() if order["status"] == "completed"]
    lines = sum(len(order["line_items"]) for order in paid)
    summary = told["summary"]
    true = {"orders": len(sold.shop.orders), "lines": lines, "enrolled": lines}
    none = dict.fromkeys(("due", "dead", "unmapped", "unexplained", "open_seats"), 0)
    for name, value in (true | none).items():
        if summary[name] != value:
            yield f"status says {name}={summary[name]}, and it is {value}"
    if told["daemon"] is not None:
        yield f"status says that process {told['daemon']} runs"
    yield from (f"status says {row}" for row in told["services"] if row["condition"] != "up")
    yield from (f"status says {row}" for row in told["messages"] if row["waiting"] or row["given_up"])


def _parsed(written: str) -> dict[str, Any] | None:
    try:
        line: dict[str, Any] = json.loads(written)
    except ValueError:
        return None
    return line
