"""Parked entries that no plan of an order makes: what an LMS said, and what a person is to be told of a wish.

There is one for each line and kind: it holds a sentence for each of the line's courses that it concerns. Everything
here runs inside the caller's transaction.
"""

import sqlite3
from collections.abc import Collection
from datetime import datetime
from typing import Final

from wcsync.ledger.rows import plain
from wcsync.times import render_instant

FOUND_ENROLMENT: Final = "found_enrolment"
UNCONFIRMED: Final = "unconfirmed"
WITHDRAW_ASKED: Final = "withdraw_asked"
BUDGET: Final = "budget"
BOUGHT_AGAIN: Final = "bought_again"
MISSING: Final = "missing_in_lms"
OF_THE_LMS = frozenset({FOUND_ENROLMENT, UNCONFIRMED, WITHDRAW_ASKED, BUDGET})
"""The kinds of parked entries that follow from what became of an enrolment, not from the plan of an order."""
NOT_PLANNED = OF_THE_LMS | {BOUGHT_AGAIN, MISSING}
"""The kinds that a plan neither makes nor takes away."""
OF_WANTED = frozenset({UNCONFIRMED, BUDGET})
"""Those that hold only while the learner is to be in; the others of the LMS hold only while not."""
ALSO = ". Also "

_HOLDS = {
    FOUND_ENROLMENT: "e.state = 'settled' AND e.outcome = 'kept' AND e.ours = 0",
    UNCONFIRMED: "EXISTS (SELECT 1 FROM confirmations AS c WHERE c.lms = e.lms AND c.course_id = e.course_id "
    "AND c.learner_key = e.learner_key)",
    WITHDRAW_ASKED: "e.state = 'settled' AND e.outcome = 'asked'",
    BUDGET: "e.state IN ('due', 'leased') AND e.error_kind = 'budget'",
}
"""For which enrolments e a kind holds."""
assert _HOLDS.keys() == OF_THE_LMS

_PARK = """
    INSERT INTO parked (order_id, line_id, kind, reason, since)
    SELECT DISTINCT order_id, line_id, :kind, :reason, :now FROM entitlements
    WHERE lms = :lms AND course_id = :course_id AND learner_key = :learner_key AND live = (
        SELECT max(live) FROM entitlements
        WHERE lms = :lms AND course_id = :course_id AND learner_key = :learner_key)
    ON CONFLICT (order_id, line_id, kind) DO UPDATE SET
    reason = reason || :also || excluded.reason, dropped_at = NULL WHERE NOT instr(reason, :opening)
"""


def park_lines(db: sqlite3.Connection, kind: str, key: tuple[str, str, str], rest: str, now: datetime) -> int:
    """Asks a person about an enrolment, once for each line that sold it: what somebody dropped stays dropped. `rest`:
    how the sentence goes on. Lines whose seats have ended are asked about only where no seat is left.

    Returns how many entries are new.
    """
    lms, course_id, learner_key = key
    opening = opening_of(kind, lms, course_id)
    cursor = db.execute(
        _PARK,
        {
            "lms": lms,
            "course_id": course_id,
            "learner_key": learner_key,
            "kind": kind,
            "reason": plain(f"{opening}{rest}"),
            "now": render_instant(now),
            "also": ALSO,
            "opening": opening,
        },
    )
    return cursor.rowcount


def unpark(db: sqlite3.Connection, kinds: Collection[str], key: tuple[str, str, str]) -> None:
    """Takes what entries of these kinds say of this enrolment off the list, for all lines that sold it: it holds no
    more. What an entry says of the line's other courses stays, and what holds for another learner of the line."""
    lms, course_id, learner_key = key
    rows = db.execute(
        "SELECT p.order_id, p.line_id, p.kind, p.reason FROM entitlements AS s "
        "JOIN parked AS p USING (order_id, line_id) "
        "WHERE s.lms = ? AND s.course_id = ? AND s.learner_key = ?",
        (lms, course_id, learner_key),
    ).fetchall()
    for row in {(row["order_id"], row["line_id"], row["kind"]): row for row in rows}.values():
        if row["kind"] in kinds and not _holds_for_another(db, row, key):
            take_off(db, row, opening_of(row["kind"], lms, course_id))


def take_off(db: sqlite3.Connection, row: sqlite3.Row, opening: str) -> None:
    """Takes the sentence that begins so out of an entry, and the entry off the list if it says nothing else. `row`: its
    order_id, line_id, kind and reason."""
    sentences = row["reason"].split(ALSO)
    left = [one for one in sentences if not one.startswith(opening)]
    entry = (row["order_id"], row["line_id"], row["kind"])
    if left == sentences:
        return
    if left:
        db.execute(
            "UPDATE parked SET reason = ? WHERE order_id = ? AND line_id = ? AND kind = ?",
            (ALSO.join(left), *entry),
        )
    else:
        db.execute("DELETE FROM parked WHERE order_id = ? AND line_id = ? AND kind = ?", entry)


def opening_of(kind: str, lms: str, course_id: str) -> str:
    """How the sentence begins that an entry of that kind holds about one course."""
    match kind:
        case "found_enrolment":
            return f'the learner was in course {course_id} of "{lms}" '
        case "unconfirmed":
            return f'"{lms}" accepted the enrolment in {course_id}, '
        case "withdraw_asked":
            return f'the access to course {course_id} of "{lms}" '
        case "budget":
            return f'"{lms}" may get no further account for now, so the enrolment in {course_id} '
    raise AssertionError(kind)


def _holds_for_another(db: sqlite3.Connection, row: sqlite3.Row, key: tuple[str, str, str]) -> bool:
    another = db.execute(
        "SELECT 1 FROM entitlements AS s JOIN enrolments AS e USING (lms, course_id, learner_key) "
        "WHERE s.order_id = ? AND s.line_id = ? AND s.lms = ? AND s.course_id = ? AND s.learner_key <> ? "
        f"AND {_HOLDS[row['kind']]} LIMIT 1",
        (row["order_id"], row["line_id"], *key),
    ).fetchone()
    return another is not None
