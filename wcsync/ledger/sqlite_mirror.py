"""The mirror's part of the ledger on SQLite: one method, one transaction."""

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from wcsync.course import CourseState
from wcsync.ledger.connection import transaction
from wcsync.ledger.facts import put_fact, read_fact
from wcsync.ledger.mirror import DONE, FAILED, STOPPED, DraftMark, KnownCourse, MirrorState, Run
from wcsync.ledger.rows import instant_of, plain, text_of
from wcsync.ledger.wishes import audit
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.model import CourseId, LmsName, ProductId
from wcsync.times import parse_instant, render_instant

RUNS = "mirror_runs"
"""The name of the fact that tells of the last runs, as JSON."""
TRIES = "mirror_tries"
"""The name of the fact that tells how often each image was sent in vain: digest → times, as JSON."""

_MARKS = """
    SELECT * FROM mirror_fields WHERE product_id IN (SELECT value FROM json_each(?)) ORDER BY product_id, field
"""
_STANDING = """
    SELECT * FROM mirror_fields INDEXED BY mirror_standing WHERE standing <> 'ours' ORDER BY product_id, field
"""
# Asked before an upload alone, which takes seconds: a walk over all fields does.
_SENDING = """
    SELECT max(pending_since) AS since FROM mirror_fields WHERE field = ? AND pending = ? AND product_id <> ?
"""
_KEEP_MARK = """
    INSERT INTO mirror_fields (product_id, field, sent, stored, ours, known, pending, pending_since, pending_ours,
        rewrites, standing, standing_since, note, changed_at)
    VALUES (:product_id, :field, :sent, :stored, :ours, :known, :pending, :pending_since, :pending_ours,
        :rewrites, :standing, :now, :note, :now)
    ON CONFLICT (product_id, field) DO UPDATE SET sent = :sent, stored = :stored, ours = :ours, known = :known,
        pending = :pending, pending_since = :pending_since, pending_ours = :pending_ours, rewrites = :rewrites,
        standing_since = iif(standing = :standing, standing_since, :now), standing = :standing, note = :note,
        changed_at = :now
"""
_KEEP_COURSE = """
    INSERT INTO mirror_courses (lms, course_id, name, state, seen_at, gone_since)
    VALUES (:lms, :course_id, :name, :state, :seen_at, :gone_since) ON CONFLICT (lms, course_id) DO UPDATE SET
    name = :name, state = :state, seen_at = :seen_at, gone_since = :gone_since
"""
_KEEP_PICTURE = """
    INSERT INTO mirror_pictures (url, version, digest, changed_at) VALUES (?, ?, ?, ?) ON CONFLICT (url) DO UPDATE SET
    version = excluded.version, digest = excluded.digest, changed_at = excluded.changed_at
"""
_KEEP_UPLOAD = """
    INSERT INTO mirror_uploads (digest, image_id, changed_at) VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET
    image_id = excluded.image_id, changed_at = excluded.changed_at
"""
_KEEP_DRAFT = """
    INSERT INTO mirror_drafts (lms, course_id, sku, product_id, sending_since, changed_at)
    VALUES (:lms, :course_id, :sku, :product_id, :sending_since, :now) ON CONFLICT (lms, course_id) DO UPDATE SET
    sku = :sku, product_id = :product_id, sending_since = :sending_since, changed_at = :now
"""


class SqliteMirror:
    """Fulfils `ledger.mirror.Mirror`. `connection`: answers the asking thread's own."""

    def __init__(self, connection: Callable[[], sqlite3.Connection]) -> None:
        self._connection = connection

    # -- fields --------------------------------------------------------------------------------------------------
    def read_marks(self, product_ids: Collection[ProductId]) -> dict[ProductId, dict[str, Mark]]:
        found: dict[ProductId, dict[str, Mark]] = {product_id: {} for product_id in product_ids}
        for row in self._db.execute(_MARKS, (json.dumps(list(found)),)).fetchall():
            mark = _mark_of(row)
            found[mark.product_id][mark.field] = mark
        return found

    def read_standing(self) -> Sequence[Mark]:
        return tuple(map(_mark_of, self._db.execute(_STANDING).fetchall()))

    def record_marks(self, marks: Sequence[Mark], now: datetime) -> None:
        rows = [_columns_of(mark, now) for mark in marks]
        with transaction(self._db) as db:
            db.executemany(_KEEP_MARK, rows)

    # -- courses and pictures ------------------------------------------------------------------------------------
    def read_courses(self, lms: LmsName) -> dict[CourseId, KnownCourse]:
        rows = self._db.execute("SELECT * FROM mirror_courses WHERE lms = ? ORDER BY course_id", (lms,))
        return {course.course_id: course for course in map(_course_of, rows.fetchall())}

    def record_courses(self, courses: Sequence[KnownCourse], now: datetime) -> None:
        with transaction(self._db) as db:
            for course in courses:
                _audit_course(db, course, now)
                db.execute(_KEEP_COURSE, _columns_of_course(course))

    def forget_courses(self, lms: LmsName, course_ids: Collection[CourseId]) -> None:
        with transaction(self._db) as db:
            keys = [(lms, course_id) for course_id in course_ids]
            db.executemany("DELETE FROM mirror_courses WHERE lms = ? AND course_id = ?", keys)

    def read_picture(self, url: str, version: str) -> str | None:
        row = self._db.execute(
            "SELECT digest FROM mirror_pictures WHERE url = ? AND version = ?", (plain(url), plain(version))
        ).fetchone()
        return None if row is None else str(row["digest"])

    def record_picture(self, url: str, version: str, digest: str, now: datetime) -> None:
        with transaction(self._db) as db:
            db.execute(_KEEP_PICTURE, (plain(url), plain(version), digest, render_instant(now)))

    def read_upload(self, digest: str) -> int | None:
        row = self._db.execute("SELECT image_id FROM mirror_uploads WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else int(row["image_id"])

    def record_upload(self, digest: str, image_id: int | None, now: datetime) -> None:
        with transaction(self._db) as db:
            if image_id is None:
                db.execute("DELETE FROM mirror_uploads WHERE digest = ?", (digest,))
            else:
                db.execute(_KEEP_UPLOAD, (digest, image_id, render_instant(now)))
            tries = _read_tries(db)
            if tries.pop(digest, 0):
                put_fact(db, TRIES, json.dumps(tries))

    def read_sending(self, field: str, pending: str, but: ProductId) -> datetime | None:
        row = self._db.execute(_SENDING, (field, pending, but)).fetchone()
        return instant_of(row["since"])

    def read_tries(self, digest: str) -> int:
        return _read_tries(self._db).get(digest, 0)

    def record_try(self, digest: str) -> None:
        with transaction(self._db) as db:
            tries = _read_tries(db)
            put_fact(db, TRIES, json.dumps(tries | {digest: tries.get(digest, 0) + 1}))

    # -- products made from courses ------------------------------------------------------------------------------
    def read_drafts(self, lms: LmsName) -> dict[CourseId, DraftMark]:
        rows = self._db.execute("SELECT * FROM mirror_drafts WHERE lms = ? ORDER BY course_id", (lms,))
        return {draft.course_id: draft for draft in map(_draft_of, rows.fetchall())}

    def record_draft(self, draft: DraftMark, now: datetime) -> None:
        values = asdict(draft) | {"sku": plain(draft.sku), "sending_since": text_of(draft.sending_since)}
        with transaction(self._db) as db:
            db.execute(_KEEP_DRAFT, values | {"now": render_instant(now)})
            if draft.product_id is not None:
                about = f"course {draft.lms}/{draft.course_id}"
                audit(db, "operator", "product_made", f"product {draft.product_id}", about, now)

    # -- runs ----------------------------------------------------------------------------------------------------
    def record_run(self, run: Run, *, full: bool) -> None:
        with transaction(self._db) as db:
            state = _after(read_runs(db), run, full=full)
            put_fact(db, RUNS, _render_runs(state))

    def read_runs(self) -> MirrorState:
        return read_runs(self._db)

    @property
    def _db(self) -> sqlite3.Connection:
        return self._connection()


def read_runs(db: sqlite3.Connection) -> MirrorState:
    """As `Mirror.read_runs`."""
    known = json.loads(read_fact(db, RUNS) or "{}")
    return MirrorState(
        last_run=_run_of(known.get("last_run")),
        last_full_at=instant_of(known.get("last_full_at")),
        last_good_at=instant_of(known.get("last_good_at")),
        bad_since=instant_of(known.get("bad_since")),
        stop=_run_of(known.get("stop")),
    )


def _read_tries(db: sqlite3.Connection) -> dict[str, int]:
    return {str(digest): int(times) for digest, times in json.loads(read_fact(db, TRIES) or "{}").items()}


def _after(before: MirrorState, run: Run, *, full: bool) -> MirrorState:
    good = run.outcome == DONE
    return MirrorState(
        last_run=run,
        last_full_at=run.at if full and (run.outcome != FAILED or run.courses) else before.last_full_at,
        last_good_at=run.at if good else before.last_good_at,
        bad_since=None if good else before.bad_since or run.at,
        stop=None if good else run if run.outcome == STOPPED else before.stop,
    )


def _render_runs(state: MirrorState) -> str:
    return json.dumps(
        {
            "last_run": _json_of(state.last_run),
            "last_full_at": text_of(state.last_full_at),
            "last_good_at": text_of(state.last_good_at),
            "bad_since": text_of(state.bad_since),
            "stop": _json_of(state.stop),
        }
    )


def _json_of(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    texts = {"reason": plain(run.reason), "advice": plain(run.advice)}
    return asdict(run) | texts | {"at": render_instant(run.at)}


def _run_of(known: dict[str, Any] | None) -> Run | None:
    return None if known is None else Run(**known | {"at": parse_instant(known["at"])})


def _audit_course(db: sqlite3.Connection, course: KnownCourse, now: datetime) -> None:
    """Tells of a course that was there before and is not, or the other way round."""
    row = db.execute(
        "SELECT gone_since FROM mirror_courses WHERE lms = ? AND course_id = ?",
        (course.lms, course.course_id),
    ).fetchone()
    gone = course.gone_since is not None
    if row is not None and (row["gone_since"] is not None) != gone:
        action = "course_gone" if gone else "course_back"
        audit(db, "mirror", action, f"course {course.lms}/{course.course_id}", plain(course.name), now)


def _columns_of(mark: Mark, now: datetime) -> dict[str, object]:
    return {
        "product_id": mark.product_id,
        "field": plain(mark.field),
        "sent": mark.sent,
        "stored": mark.stored,
        "ours": json.dumps(mark.ours),
        "known": json.dumps(mark.known),
        "pending": mark.pending,
        "pending_since": text_of(mark.pending_since),
        "pending_ours": json.dumps(mark.pending_ours),
        "rewrites": mark.rewrites,
        "standing": mark.standing.value,
        "note": plain(mark.note),
        "now": render_instant(now),
    }


def _mark_of(row: sqlite3.Row) -> Mark:
    return Mark(
        product_id=ProductId(row["product_id"]),
        field=row["field"],
        sent=row["sent"],
        stored=row["stored"],
        ours=tuple(json.loads(row["ours"])),
        known=tuple(json.loads(row["known"])),
        pending=row["pending"],
        pending_since=instant_of(row["pending_since"]),
        pending_ours=tuple(json.loads(row["pending_ours"])),
        rewrites=row["rewrites"],
        standing=Standing(row["standing"]),
        note=row["note"],
    )


def _columns_of_course(course: KnownCourse) -> dict[str, object]:
    return {
        "lms": course.lms,
        "course_id": course.course_id,
        "name": plain(course.name),
        "state": course.state.value,
        "seen_at": render_instant(course.seen_at),
        "gone_since": text_of(course.gone_since),
    }


def _course_of(row: sqlite3.Row) -> KnownCourse:
    return KnownCourse(
        lms=LmsName(row["lms"]),
        course_id=CourseId(row["course_id"]),
        name=row["name"],
        state=CourseState(row["state"]),
        seen_at=parse_instant(row["seen_at"]),
        gone_since=instant_of(row["gone_since"]),
    )


def _draft_of(row: sqlite3.Row) -> DraftMark:
    return DraftMark(
        lms=LmsName(row["lms"]),
        course_id=CourseId(row["course_id"]),
        sku=row["sku"],
        product_id=None if row["product_id"] is None else ProductId(row["product_id"]),
        sending_since=instant_of(row["sending_since"]),
    )
