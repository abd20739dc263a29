"""How budgets and the proof stand: read-only queries for `status`."""

from datetime import datetime
from typing import Any

from sqlite_utils import Database

from wcsync.ledger.facts import read_fact
from wcsync.ledger.sqlite_proof import LAST, describe_last
from wcsync.times import render_instant

Row = dict[str, Any]


def accounts_made(db: Database, lms: str, since: datetime | None) -> int:
    at = "" if since is None else render_instant(since)
    return _one(db, "SELECT count(*) AS n FROM new_accounts WHERE lms = ? AND at >= ?", [lms, at])


def waiting_for_budgets(db: Database) -> dict[str, int]:
    rows = db.query(
        "SELECT lms, count(*) AS n FROM enrolments INDEXED BY enrolments_waiting "
        "WHERE state IN ('due', 'leased') AND error_kind = 'budget' GROUP BY lms"
    )
    return {row["lms"]: row["n"] for row in rows}


def proof(db: Database) -> Row:
    return describe_last(read_fact(db.conn, LAST))


def _one(db: Database, sql: str, values: list[str]) -> int:
    return int(next(iter(db.query(sql, values)))["n"])
