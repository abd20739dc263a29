"""A ledger from before sales had a later life: it opens, and nobody is put out."""

import hmac
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlite_utils import Database

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.spine import Spine
from wcsync.ledger.connection import connect, transaction
from wcsync.ledger.schema import migrations
from wcsync.model import Desired
from wcsync.times import render_instant

KEY = "ab" * 32
ANA, BEA, CID = (
    hmac.new(bytes.fromhex(KEY), f"{name}@example.test".encode(), sha256).hexdigest()[:32]
    for name in ("ana", "bea", "cid")
)
STAMP = render_instant(T0)
SALES = [(1, "completed", ANA, "1", 1), (2, "completed", BEA, "3", 1), (3, "refunded", CID, "1", 0)]


def write_old_ledger(path: Path) -> None:
    """Three sales: of one seat, of three seats of which the buyer has one, and one that was given back."""
    with closing(connect(path)) as db, transaction(db):
        migrations.apply(Database(db), stop_before="m006_the_life_of_an_order")
        db.execute("INSERT INTO facts VALUES ('identity_key', ?)", (KEY,))
        for order_id, status, key, quantity, live in SALES:
            db.execute(
                "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, '0', ?, 'of another form', ?)",
                (order_id, f"{order_id}", status, STAMP, STAMP, STAMP, STAMP, key, live, STAMP),
            )
            db.execute(
                "INSERT INTO order_lines VALUES (?, 1, 17, 0, 'PY-101', 'Course PY-101', ?, '49.00', ?, '')",
                (order_id, quantity, "mapped" if live else "ended"),
            )
            db.execute(
                "INSERT INTO entitlements VALUES (?, 1, 1, 'campus', '42', ?, '[]', NULL, ?, ?, 'row', 17, 0, ?)",
                (order_id, key, live, "" if live else "order refunded", STAMP),
            )
            wish = ("in", "in", "created", 1) if live else ("out", "out", "removed", 0)
            db.execute(
                "INSERT INTO enrolments VALUES ('campus', '42', ?, ?, NULL, '[]', 1, ?, NULL, 1, ?, ?, ?, 'settled', "
                "1, ?, 1, NULL, 0, 0, '', '', ?, ?)",
                (key, *wish[:2], STAMP, *wish[2:], STAMP, STAMP, STAMP),
            )
            db.execute("INSERT INTO learners VALUES (?, ?, 'Ana', '', '', ?)", (key, f"{key}@x.test", STAMP))


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    write_old_ledger(tmp_path / "ledger.db")
    made = Spine(tmp_path)
    yield made
    made.close()


def test_what_was_sold_stays_sold(spine: Spine) -> None:
    rows = spine.rows(
        "SELECT order_id, live, cause, access, starts_at, relinked FROM entitlements ORDER BY order_id"
    )
    assert [(row["order_id"], row["live"], row["cause"]) for row in rows] == [
        (1, 1, ""),
        (2, 1, ""),
        (3, 0, "order"),
    ]
    assert {(row["access"], row["starts_at"], row["relinked"]) for row in rows} == {("", STAMP, 0)}


def test_nobody_is_withdrawn_and_nothing_is_due(spine: Spine) -> None:
    before = spine.rows("SELECT * FROM enrolments")
    spine.tick(10 * 365 * 86400)
    assert spine.ledger.end_expired(spine.clock()) == 0
    assert spine.ledger.claim(CAMPUS, spine.clock()) is None
    assert spine.rows("SELECT * FROM enrolments") == before
    summary = spine.summary()
    assert (summary.lines, summary.enrolled, summary.open_seats, summary.unexplained) == (2, 2, 0, 0)


def test_a_line_of_several_seats_gets_its_open_ones_at_its_next_reading(spine: Spine) -> None:
    spine.record(make_order(2, email="bea@example.test", lines=(make_line(quantity="3"),)))
    rows = spine.rows("SELECT seat, learner_key, live FROM entitlements WHERE order_id = 2 ORDER BY seat")
    assert [(row["seat"], row["learner_key"], row["live"]) for row in rows] == [
        (1, BEA, 1),
        (2, "", 1),
        (3, "", 1),
    ]
    summary = spine.summary()
    assert (summary.enrolled, summary.open_seats, summary.due, summary.unexplained) == (1, 2, 0, 0)


def test_reading_all_of_it_again_changes_no_enrolment(spine: Spine) -> None:
    before = spine.rows("SELECT * FROM enrolments")
    names = {1: "ana", 2: "bea", 3: "cid"}
    for order_id, status, _, quantity, _ in SALES:
        line = make_line(quantity=quantity)
        spine.record(
            make_order(order_id, email=f"{names[order_id]}@example.test", status=status, lines=(line,))
        )
    assert spine.rows("SELECT * FROM enrolments") == before


def test_a_refund_of_an_old_sale_takes_it_back(spine: Spine) -> None:
    order = make_order(1)
    spine.record(replace(order, status="refunded", modified_at=order.modified_at + timedelta(minutes=1)))
    claim = spine.ledger.claim(CAMPUS, spine.clock())
    assert claim is not None
    assert (claim.learner_key, claim.desired, claim.ours) == (ANA, Desired.OUT, True)
