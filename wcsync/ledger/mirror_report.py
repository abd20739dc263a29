"""Reading what the ledger knows of the course mirror for people: read-only queries."""

from dataclasses import asdict
from typing import Any

from sqlite_utils import Database

from wcsync.ledger.mirror import Run
from wcsync.ledger.rows import text_of
from wcsync.ledger.sqlite_mirror import read_runs
from wcsync.mappers.courses.marks import Standing
from wcsync.times import render_instant

Row = dict[str, Any]

_FIELDS = """
    SELECT product_id, field, standing, standing_since AS since, note
    FROM mirror_fields INDEXED BY mirror_standing WHERE standing <> 'ours' ORDER BY product_id, field
"""
_COURSES = """
    SELECT lms, course_id, name, state, seen_at, gone_since FROM mirror_courses
    WHERE gone_since IS NOT NULL OR state <> 'open' ORDER BY lms, course_id
"""


def describe_mirror(db: Database) -> Row | None:
    """How the last runs went, which fields do not stand as we left them, and which courses are gone or hidden; None if
    the mirror never ran here."""
    runs, fields, courses = read_runs(db.conn), list(db.query(_FIELDS)), list(db.query(_COURSES))
    if runs.last_run is None and not fields and not courses:
        return None
    return {
        "last_run": _row_of(runs.last_run),
        "last_good_at": text_of(runs.last_good_at),
        "last_full_at": text_of(runs.last_full_at),
        "bad_since": text_of(runs.bad_since),
        "stop": _row_of(runs.stop),
        "counts": {
            standing.value: sum(row["standing"] == standing for row in fields)
            for standing in Standing
            if standing is not Standing.OURS
        },
        "fields": fields,
        "courses": courses,
    }


def _row_of(run: Run | None) -> Row | None:
    return None if run is None else asdict(run) | {"at": render_instant(run.at)}
