"""What is wrong, from the ledger's own rows, and what people were told of it.

`plan` reads only; `record` runs inside the caller's transaction.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from wcsync.health import Condition
from wcsync.ledger import withdrawals
from wcsync.ledger.base import Limits, TroubleRecord
from wcsync.ledger.facts import read_fact
from wcsync.ledger.outbox import queue
from wcsync.ledger.rows import instant_of, plain
from wcsync.ledger.sqlite_mirror import read_runs
from wcsync.ledger.sqlite_proof import LAST, parse_last
from wcsync.mappers.alerts import ALERTS, Kind, News, Turn, digest_news, dump_news, fold, parse_news
from wcsync.mappers.notes import NOTE_CHANNEL
from wcsync.mappers.troubles import (
    RECENT,
    CoursesFact,
    Facts,
    Known,
    Look,
    Moves,
    ProofFact,
    RowFact,
    Rules,
    ServiceFact,
    StopFact,
    Trouble,
    WaitingFact,
    concerns_way,
    news_of,
    plan_moves,
)
from wcsync.mappers.troubles_found import find_troubles
from wcsync.times import parse_instant, render_instant

SHOWN_OF_HASH = 16
"""Keys of troubles leave this machine: they hold the beginning of a learner's hash, enough to tell learners apart."""
HISTORY = timedelta(days=90)
"""Troubles that are over are kept so long."""

_DEAD = """
    SELECT e.lms, e.course_id, e.learner_key, e.desired, e.error, e.changed_at, (
        SELECT group_concat(DISTINCT coalesce(o.number, s.order_id)) FROM entitlements AS s
        LEFT JOIN orders AS o USING (order_id)
        WHERE s.lms = e.lms AND s.course_id = e.course_id AND s.learner_key IN (e.learner_key, a.new_key)) AS orders
    FROM enrolments AS e INDEXED BY enrolments_dead
    LEFT JOIN aliases AS a ON a.old_key = e.learner_key WHERE e.state = 'dead' ORDER BY e.changed_at
"""
_PARKED = """
    SELECT p.order_id, p.line_id, p.kind, p.reason, p.since, o.number
    FROM parked AS p INDEXED BY parked_open LEFT JOIN orders AS o USING (order_id)
    WHERE p.dropped_at IS NULL AND p.kind <> 'budget' ORDER BY p.since, p.order_id, p.line_id
"""
# What waits for room in a budget is one trouble for each LMS, not one for each line.
_BUDGETS = """
    SELECT lms, count(*) AS waiting, min(changed_at) AS since FROM enrolments INDEXED BY enrolments_waiting
    WHERE state IN ('due', 'leased') AND error_kind = 'budget' GROUP BY lms ORDER BY lms
"""
_NOTES = """
    SELECT key, subject, error, changed_at FROM outbox INDEXED BY outbox_dead
    WHERE state = 'dead' AND channel = ? ORDER BY changed_at
"""
_NEWEST_ALERT = """
    SELECT state, error, changed_at FROM outbox INDEXED BY outbox_of_subject
    WHERE channel = ? AND subject = ? AND state IN ('settled', 'dead') ORDER BY number DESC LIMIT 1
"""
_OPEN = """
    SELECT t.*, (SELECT count(*) FROM troubles AS o WHERE o.key = t.key AND o.since >= :recent) AS recent
    FROM troubles AS t INDEXED BY troubles_open WHERE t.ended_at IS NULL ORDER BY t.since, t.key
"""
_UNSENT = """
    SELECT key, payload FROM outbox WHERE channel = ? AND subject = ? AND state = 'due' AND sending_since IS NULL
    ORDER BY number
"""
_BEGIN = """
    INSERT INTO troubles (key, occurrence, kind, grade, title, detail, advice, since, told_at)
    SELECT :key, coalesce(max(occurrence), 0) + 1, :kind, :grade, :title, :detail, :advice, :since, :told_at
    FROM troubles WHERE key = :key RETURNING occurrence
"""


def plan(db: sqlite3.Connection, rules: Rules, look: Look) -> Moves:
    """What a look at the ledger changes; nothing in most of them."""
    known = _read_open(db, rules, look.now)
    seen = find_troubles(
        _read_facts(db, rules, look.now), {entry.trouble.key for entry in known}, rules, look
    )
    return plan_moves(seen, known, _told_last(db), rules, look.now)


def record(db: sqlite3.Connection, moves: Moves, rules: Rules, now: datetime) -> TroubleRecord:
    stamp = render_instant(now)
    news = [*_record_begun(db, moves, stamp), *_record_seen(db, moves, stamp), *_record_ended(db, moves, now)]
    messages = sum(_tell(db, way, service, news, now) for way, service in rules.ways.items())
    db.execute("DELETE FROM troubles WHERE ended_at < ?", (render_instant(now - HISTORY),))
    began = sum(item.turn is Turn.BEGAN for item in news)
    return TroubleRecord(began=began, ended=len(news) - began, messages=messages)


def _record_begun(db: sqlite3.Connection, moves: Moves, stamp: str) -> Iterator[News]:
    for trouble in moves.begun:
        told = trouble.key in moves.told
        since, told_at = render_instant(trouble.since), stamp if told else None
        values = _columns(trouble) | {"kind": trouble.kind.value, "since": since, "told_at": told_at}
        [(occurrence,)] = db.execute(_BEGIN, values).fetchall()
        if told:
            yield news_of(trouble, occurrence, Turn.BEGAN, trouble.since, None)


def _record_seen(db: sqlite3.Connection, moves: Moves, stamp: str) -> Iterator[News]:
    for entry in moves.back:
        _update(db, entry, "gone_at = NULL")
    for entry in moves.gone:
        _update(db, entry, "gone_at = :now", now=stamp)
    for entry, trouble in moves.worse:
        columns = "grade = :grade, title = :title, detail = :detail, advice = :advice, told_at = :now"
        _update(db, entry, columns, now=stamp, **_columns(trouble))
        yield news_of(trouble, entry.occurrence, Turn.BEGAN, entry.trouble.since, None)
    for entry in moves.late:
        _update(db, entry, "told_at = :now", now=stamp)
        yield news_of(entry.trouble, entry.occurrence, Turn.BEGAN, entry.trouble.since, None)


def _record_ended(db: sqlite3.Connection, moves: Moves, now: datetime) -> Iterator[News]:
    for entry in moves.ended:
        told = entry.trouble.key in moves.told
        told_at = ", told_at = :now" if told else ""
        _update(
            db, entry, f"gone_at = coalesce(gone_at, :now), ended_at = :now{told_at}", now=render_instant(now)
        )
        if told:
            until = max(entry.gone_at or now, entry.trouble.since)
            yield news_of(entry.trouble, entry.occurrence, Turn.ENDED, entry.trouble.since, until)


def _tell(db: sqlite3.Connection, way: str, service: str, news: Sequence[News], now: datetime) -> int:
    """One message for this way: what is new, and what waits unsent. The number of messages made, 0 or 1."""
    fresh = [item for item in news if not concerns_way(item.key, way, service)]
    if not fresh:
        return 0
    unsent = db.execute(_UNSENT, (way, ALERTS)).fetchall()
    db.executemany("DELETE FROM outbox WHERE key = ?", [(row["key"],) for row in unsent])
    waiting = [item for row in unsent for item in parse_news(row["payload"])]
    left = fold(waiting, fresh)
    if not left:
        return 0
    payload = dump_news(left)
    queue(db, way, ALERTS, payload=payload, digest=digest_news(payload), now=now)
    return 1


def _read_open(db: sqlite3.Connection, rules: Rules, now: datetime) -> list[Known]:
    rows = db.execute(_OPEN, {"recent": render_instant(now - RECENT)}).fetchall()
    waiting = {way: _unheard(db, way) for way in rules.ways} if rows else {}
    return [_known_of(row, waiting, rules) for row in rows]


def _unheard(db: sqlite3.Connection, way: str) -> set[tuple[str, int]]:
    """The troubles of whose beginning only messages tell that nobody can have got yet."""
    return {
        (item.key, item.occurrence)
        for row in db.execute(_UNSENT, (way, ALERTS)).fetchall()
        for item in parse_news(row["payload"])
        if item.turn is Turn.BEGAN
    }


def _known_of(row: sqlite3.Row, waiting: Mapping[str, set[tuple[str, int]]], rules: Rules) -> Known:
    trouble = Trouble(
        key=row["key"],
        kind=Kind(row["kind"]),
        title=row["title"],
        detail=row["detail"],
        advice=row["advice"],
        since=parse_instant(row["since"]),
        grade=row["grade"],
    )
    return Known(
        trouble=trouble,
        occurrence=row["occurrence"],
        told_at=instant_of(row["told_at"]),
        gone_at=instant_of(row["gone_at"]),
        recent=row["recent"],
        unheard=all(
            (row["key"], row["occurrence"]) in waiting[way]
            for way, service in rules.ways.items()
            if not concerns_way(row["key"], way, service)
        ),
    )


def _read_facts(db: sqlite3.Connection, rules: Rules, now: datetime) -> Facts:
    refusal = read_fact(db, "mapping_refusal")
    refused = json.loads(refusal) if refusal else {"since": None, "problems": []}
    services = db.execute("SELECT name, condition, since, reason FROM services WHERE condition <> 'up'")
    return Facts(
        services=tuple(
            ServiceFact(
                name=row["name"],
                condition=Condition(row["condition"]),
                since=parse_instant(row["since"]),
                reason=row["reason"],
            )
            for row in services.fetchall()
        ),
        refused_since=instant_of(refused["since"]),
        refusals=tuple(refused["problems"]),
        rows=tuple(row for kind, read in _ROW_READERS.items() if kind in rules.kinds for row in read(db)),
        courses=_courses(db),
        proof=_proof(db),
        barred=_barred(db, rules, now),
        budgets=tuple(_budgets(db)),
        speechless=dict(_speechless(db, rules)),
    )


def _courses(db: sqlite3.Connection) -> CoursesFact:
    runs = read_runs(db)
    stop = runs.stop
    return CoursesFact(
        run_at=runs.last_run.at if runs.last_run is not None else None,
        good_at=runs.last_good_at,
        bad_since=runs.bad_since,
        reason=runs.last_run.reason if runs.last_run is not None and runs.bad_since is not None else "",
        stop=None if stop is None else StopFact(at=stop.at, reason=stop.reason, advice=stop.advice),
    )


def _proof(db: sqlite3.Connection) -> ProofFact:
    text = read_fact(db, LAST)
    if text is None:
        return ProofFact()
    last = parse_last(text)
    return ProofFact(
        unexplained=last.counts.get("unexplained", 0),
        unexplained_since=last.unexplained_since,
        suspects={one.name: (one.since, one.why) for one in last.suspects},
        worked_at=last.worked_at,
        failed_since=last.failed_since,
        tried_at=last.tried_at,
        reason=last.reason,
    )


def _barred(db: sqlite3.Connection, rules: Rules, now: datetime) -> WaitingFact | None:
    limits = Limits(most=rules.most, share=rules.share, sparing=rules.sparing)
    barred = withdrawals.barred(db, limits, now)
    if barred is None:
        return None
    return WaitingFact(rows=barred.waiting, since=withdrawals.waiting_since(db, limits) or now)


def _budgets(db: sqlite3.Connection) -> Iterator[WaitingFact]:
    for row in db.execute(_BUDGETS).fetchall():
        yield WaitingFact(name=row["lms"], rows=row["waiting"], since=parse_instant(row["since"]))


def _dead_rows(db: sqlite3.Connection) -> Iterator[RowFact]:
    for row in db.execute(_DEAD).fetchall():
        what = "access to end: " if row["desired"] == "out" else ""
        yield RowFact(
            kind=Kind.DEAD,
            key=f"dead/{row['lms']}/{row['course_id']}/{row['learner_key'][:SHOWN_OF_HASH]}",
            title=f"{what}{_orders(row['orders'])}, {row['lms']} course {row['course_id']}, "
            f"learner {row['learner_key'][:8]}…",
            reason=row["error"],
            since=parse_instant(row["changed_at"]),
        )


def _parked_rows(db: sqlite3.Connection) -> Iterator[RowFact]:
    for row in db.execute(_PARKED).fetchall():
        order = _orders(row["number"] or str(row["order_id"])) if row["order_id"] else "an order without id"
        line = f", line {row['line_id']}" if row["line_id"] else ""
        yield RowFact(
            kind=Kind.PARKED,
            key=f"parked/{row['order_id']}/{row['line_id']}/{row['kind']}",
            title=f"{order}{line} ({row['kind']})",
            reason=row["reason"],
            since=parse_instant(row["since"]),
        )


def _lost_notes(db: sqlite3.Connection) -> Iterator[RowFact]:
    for row in db.execute(_NOTES, (NOTE_CHANNEL,)).fetchall():
        yield RowFact(
            kind=Kind.MESSAGE,
            key=f"message/{row['key']}",
            title=f"the note beside {row['subject']}",
            reason=row["error"],
            since=parse_instant(row["changed_at"]),
        )


_ROW_READERS = {Kind.DEAD: _dead_rows, Kind.PARKED: _parked_rows, Kind.MESSAGE: _lost_notes}


def _orders(numbers: str | None) -> str:
    if not numbers:
        return "no order"
    return f"order{'s' if ',' in numbers else ''} {numbers.replace(',', ', ')}"


def _speechless(db: sqlite3.Connection, rules: Rules) -> Iterator[tuple[str, tuple[datetime, str]]]:
    for way in rules.ways:
        row = db.execute(_NEWEST_ALERT, (way, ALERTS)).fetchone()
        if row is not None and row["state"] == "dead":
            yield way, (parse_instant(row["changed_at"]), row["error"])


def _told_last(db: sqlite3.Connection) -> dict[Kind, datetime]:
    found = {}
    for kind in Kind:
        row = db.execute("SELECT max(told_at) FROM troubles WHERE kind = ?", (kind.value,)).fetchone()
        if row[0] is not None:
            found[kind] = parse_instant(row[0])
    return found


def _columns(trouble: Trouble) -> dict[str, object]:
    return {
        "key": trouble.key,
        "grade": trouble.grade,
        "title": plain(trouble.title),
        "detail": plain(trouble.detail),
        "advice": plain(trouble.advice),
    }


def _update(db: sqlite3.Connection, entry: Known, assignments: str, **values: object) -> None:
    db.execute(
        f"UPDATE troubles SET {assignments} WHERE key = :key AND occurrence = :occurrence",
        {**values, "key": entry.trouble.key, "occurrence": entry.occurrence},
    )
