"""Learners that stand for others since a person said so. Everything here runs inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from wcsync.model import LearnerKey
from wcsync.times import render_instant

_IN_USE = """
    WITH RECURSIVE chain (learner_key) AS (
        SELECT ? UNION SELECT a.new_key FROM aliases AS a JOIN chain AS c ON a.old_key = c.learner_key)
    SELECT learner_key FROM chain WHERE learner_key NOT IN (SELECT old_key FROM aliases)
"""
_STANDING_FOR = """
    WITH RECURSIVE tree (learner_key) AS (
        SELECT ? UNION SELECT a.old_key FROM aliases AS a JOIN tree AS t ON a.new_key = t.learner_key)
    SELECT learner_key FROM tree
"""


def key_in_use(db: sqlite3.Connection, key: LearnerKey) -> LearnerKey:
    """Whom this learner stands for, chains followed: itself where nobody said anything."""
    row = db.execute(_IN_USE, (key,)).fetchone()
    return key if row is None else LearnerKey(row["learner_key"])


def all_keys_of(db: sqlite3.Connection, key: LearnerKey) -> tuple[LearnerKey, ...]:
    """All that are one person with this learner, the one in use first."""
    return tuple(
        LearnerKey(row["learner_key"]) for row in db.execute(_STANDING_FOR, (key_in_use(db, key),)).fetchall()
    )


def record_alias(db: sqlite3.Connection, old: LearnerKey, new: LearnerKey, now: datetime) -> None:
    """From now on `old` stands for `new`, which stands for nobody else any more: so no chain ever runs in a circle."""
    db.execute("DELETE FROM aliases WHERE old_key = ?", (new,))
    db.execute(
        "INSERT INTO aliases (old_key, new_key, at) VALUES (?, ?, ?) "
        "ON CONFLICT (old_key) DO UPDATE SET new_key = excluded.new_key, at = excluded.at",
        (old, new, render_instant(now)),
    )


def marks(keys: Iterable[object]) -> str:
    """So many question marks as a list in SQL."""
    return ", ".join("?" for _ in keys)
