"""What every `Mirror` keeps. Another implementation adds a class that says how it is opened."""

import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from tests.fakes import CAMPUS, T0
from wcsync.course import CourseState
from wcsync.ledger.connection import connect, transaction
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.mirror import DONE, FAILED, STOPPED, DraftMark, KnownCourse, Mirror, MirrorState, Run
from wcsync.ledger.rehearsal import Rehearsal
from wcsync.ledger.schema import migrations
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.model import CourseId, LmsName, ProductId

ONE, TWO = ProductId(1017), ProductId(1018)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def make_mark(product_id: int = 1017, field: str = "description", standing: Standing = Standing.OURS) -> Mark:
    return Mark(
        product_id=ProductId(product_id),
        field=field,
        sent="aa",
        stored="bb",
        ours=("Python", 'half "quoted", ñ'),
        known=("Python", "Java"),
        pending="cc",
        pending_since=at(-30),
        pending_ours=("Java",),
        rewrites=2,
        standing=standing,
        note="somebody wrote here",
    )


def make_course(course_id: str = "42", gone_since: datetime | None = None) -> KnownCourse:
    return KnownCourse(
        lms=CAMPUS,
        course_id=CourseId(course_id),
        name="Python & more",
        state=CourseState.HIDDEN,
        seen_at=at(-60),
        gone_since=gone_since,
    )


def make_run(outcome: str = DONE, seconds: float = 0) -> Run:
    return Run(
        at=at(seconds),
        outcome=outcome,
        code="" if outcome == DONE else "too_many_changes",
        reason="" if outcome == DONE else "90 of 100 products would change",
        courses=3,
        products=4,
        changed=2,
        written=1,
        edited=1,
        duration_s=1.5,
    )


class MirrorContract(ABC):
    @abstractmethod
    def open(self, folder: Path) -> tuple[Mirror, Callable[[], None]]:
        """A mirror in `folder`, empty or as it was left, and how it is closed."""

    @pytest.fixture
    def mirror(self, tmp_path: Path) -> Iterator[Mirror]:
        mirror, close = self.open(tmp_path)
        yield mirror
        close()

    # -- marks -------------------------------------------------------------------------------------------------------
    def test_a_mark_comes_back_as_it_was_kept(self, mirror: Mirror) -> None:
        mirror.record_marks([make_mark()], T0)
        assert mirror.read_marks([ONE]) == {ONE: {"description": make_mark()}}

    def test_a_product_without_marks_has_none(self, mirror: Mirror) -> None:
        mirror.record_marks([make_mark()], T0)
        assert mirror.read_marks([TWO]) == {TWO: {}}
        assert mirror.read_marks([]) == {}

    def test_a_mark_takes_the_place_of_the_one_before(self, mirror: Mirror) -> None:
        later = replace(make_mark(), sent="dd", pending="", pending_since=None, pending_ours=(), rewrites=0)
        mirror.record_marks([make_mark(), make_mark(field="name")], T0)
        mirror.record_marks([later], at(1))
        assert mirror.read_marks([ONE])[ONE] == {"description": later, "name": make_mark(field="name")}

    def test_what_does_not_stand_as_we_left_it_is_told(self, mirror: Mirror) -> None:
        edited = make_mark(1018, "name", Standing.EDITED)
        mirror.record_marks([make_mark(), edited], T0)
        assert mirror.read_standing() == (edited,)

    def test_half_a_character_is_no_trouble(self, mirror: Mirror) -> None:
        odd = replace(make_mark(), ours=("\ud83d",), note="\ud83d")
        mirror.record_marks([odd], T0)
        assert mirror.read_marks([ONE])[ONE]["description"].ours == ("\ud83d",)

    def test_thousands_of_marks_are_quick(self, mirror: Mirror) -> None:
        fields = ["name", "description", "short_description", "images", "meta:_wcsync_hash", "tags"]
        marks = [make_mark(number, field) for number in range(1000, 2000) for field in fields]
        began = time.monotonic()
        mirror.record_marks(marks, T0)
        found = mirror.read_marks([ProductId(number) for number in range(1000, 2000)])
        assert time.monotonic() - began < 5
        assert sum(map(len, found.values())) == len(marks)

    def test_a_look_at_ten_thousand_products_is_one_question(self, mirror: Mirror) -> None:
        assert len(mirror.read_marks([ProductId(number) for number in range(10_000)])) == 10_000

    # -- courses -----------------------------------------------------------------------------------------------------
    def test_courses_are_known_by_lms(self, mirror: Mirror) -> None:
        gone = make_course("43", gone_since=at(-5))
        mirror.record_courses([make_course(), gone], T0)
        assert mirror.read_courses(CAMPUS) == {"42": make_course(), "43": gone}
        assert mirror.read_courses(LmsName("academy")) == {}

    def test_a_course_that_is_not_expected_any_more_is_forgotten(self, mirror: Mirror) -> None:
        mirror.record_courses([make_course("42"), make_course("43")], T0)
        mirror.forget_courses(CAMPUS, [CourseId("42"), CourseId("77")])
        assert list(mirror.read_courses(CAMPUS)) == ["43"]

    def test_a_course_that_came_back_is_there(self, mirror: Mirror) -> None:
        mirror.record_courses([make_course(gone_since=at(-5))], T0)
        mirror.record_courses([replace(make_course(), state=CourseState.OPEN)], at(1))
        assert mirror.read_courses(CAMPUS)[CourseId("42")].gone_since is None

    # -- pictures ----------------------------------------------------------------------------------------------------
    def test_a_picture_is_known_in_its_version_alone(self, mirror: Mirror) -> None:
        url = "https://campus.example.com/a.png"
        mirror.record_picture(url, "1", "aa", T0)
        assert (mirror.read_picture(url, "1"), mirror.read_picture(url, "2")) == ("aa", None)
        mirror.record_picture(url, "2", "bb", T0)
        assert (mirror.read_picture(url, "1"), mirror.read_picture(url, "2")) == (None, "bb")

    def test_the_shops_image_is_known_by_its_bytes(self, mirror: Mirror) -> None:
        mirror.record_upload("aa", 77, T0)
        assert (mirror.read_upload("aa"), mirror.read_upload("bb")) == (77, None)
        mirror.record_upload("aa", 78, T0)
        assert mirror.read_upload("aa") == 78
        mirror.record_upload("aa", None, T0)
        assert mirror.read_upload("aa") is None

    def test_a_picture_under_way_is_known_until_its_product_is_settled(self, mirror: Mirror) -> None:
        sent = Mark(product_id=ProductId(1), field="images", pending="aa", pending_since=T0)
        mirror.record_marks([sent, replace(sent, field="name", pending="bb")], T0)
        assert mirror.read_sending("images", "aa", ProductId(2)) == T0
        assert mirror.read_sending("images", "aa", ProductId(1)) is None
        assert mirror.read_sending("images", "bb", ProductId(2)) is None
        mirror.record_marks([sent.cleared], T0)
        assert mirror.read_sending("images", "aa", ProductId(2)) is None

    def test_tries_of_an_upload_are_counted_until_one_came_to_an_end(self, mirror: Mirror) -> None:
        for digest in ("aa", "aa", "bb"):
            mirror.record_try(digest)
        assert [mirror.read_tries(digest) for digest in ("aa", "bb", "cc")] == [2, 1, 0]
        mirror.record_upload("aa", 77, T0)
        mirror.record_upload("bb", None, T0)
        assert [mirror.read_tries(digest) for digest in ("aa", "bb", "cc")] == [0, 0, 0]

    # -- drafts ------------------------------------------------------------------------------------------------------
    def test_a_draft_is_known_before_and_after_it_is_made(self, mirror: Mirror) -> None:
        draft = DraftMark(lms=CAMPUS, course_id=CourseId("42"), sku="PY-101", sending_since=T0)
        mirror.record_draft(draft, T0)
        assert mirror.read_drafts(CAMPUS) == {"42": draft}
        made = replace(draft, product_id=ONE, sending_since=None)
        mirror.record_draft(made, T0)
        assert mirror.read_drafts(CAMPUS) == {"42": made}
        assert mirror.read_drafts(LmsName("academy")) == {}

    # -- runs --------------------------------------------------------------------------------------------------------
    def test_before_the_first_run_there_is_nothing_to_tell(self, mirror: Mirror) -> None:
        assert mirror.read_runs() == MirrorState()

    def test_the_last_run_is_kept_as_it_was(self, mirror: Mirror) -> None:
        mirror.record_run(make_run(), full=False)
        state = mirror.read_runs()
        assert (state.last_run, state.last_good_at, state.last_full_at) == (make_run(), T0, None)

    def test_a_full_run_counts_unless_no_course_was_read(self, mirror: Mirror) -> None:
        mirror.record_run(replace(make_run(FAILED), courses=0), full=True)
        assert mirror.read_runs().last_full_at is None
        mirror.record_run(make_run(FAILED, 30), full=True)
        assert mirror.read_runs().last_full_at == at(30)
        mirror.record_run(make_run(STOPPED, 60), full=True)
        assert mirror.read_runs().last_full_at == at(60)
        mirror.record_run(make_run(DONE, 120), full=False)
        assert mirror.read_runs().last_full_at == at(60)

    def test_a_stop_is_remembered_until_a_run_is_good(self, mirror: Mirror) -> None:
        stop = make_run(STOPPED, 60)
        for run in (make_run(), stop, make_run(FAILED, 120)):
            mirror.record_run(run, full=False)
        state = mirror.read_runs()
        assert (state.last_run, state.stop, state.bad_since) == (make_run(FAILED, 120), stop, at(60))
        assert state.last_good_at == T0
        mirror.record_run(make_run(DONE, 180), full=False)
        state = mirror.read_runs()
        assert (state.stop, state.bad_since, state.last_good_at) == (None, None, at(180))

    # -- all of it ---------------------------------------------------------------------------------------------------
    def test_all_of_it_survives_the_process(self, mirror: Mirror, tmp_path: Path) -> None:
        mirror.record_marks([make_mark()], T0)
        mirror.record_run(make_run(), full=True)
        again, close = self.open(tmp_path)
        try:
            assert again.read_marks([ONE]) == mirror.read_marks([ONE])
            assert again.read_runs() == mirror.read_runs()
        finally:
            close()

    def test_threads_may_write_beside_each_other(self, mirror: Mirror) -> None:
        def write(first: int) -> None:
            for number in range(first, first + 20):
                mirror.record_marks([make_mark(number)], T0)

        threads = [threading.Thread(target=write, args=(first,)) for first in (0, 100, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        marks = mirror.read_marks([ProductId(number) for number in range(300)])
        assert sum(map(len, marks.values())) == 60


class TestSqliteMirror(MirrorContract):
    def open(self, folder: Path) -> tuple[Mirror, Callable[[], None]]:
        ledger = SqliteLedger(folder / "ledger.db")
        return ledger.mirror, ledger.close


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    made = SqliteLedger(tmp_path / "ledger.db")
    yield made
    made.close()


def since(ledger: SqliteLedger) -> str:
    with closing(connect(ledger.path)) as db:
        return str(db.execute("SELECT standing_since FROM mirror_fields").fetchone()[0])


def test_since_when_a_field_stands_so_does_not_move_with_each_look(ledger: SqliteLedger) -> None:
    ledger.mirror.record_marks([make_mark(standing=Standing.EDITED)], T0)
    ledger.mirror.record_marks([make_mark(standing=Standing.EDITED)], at(60))
    assert since(ledger) == "2026-11-21T12:00:00.000000Z"
    ledger.mirror.record_marks([make_mark()], at(120))
    assert since(ledger) == "2026-11-21T12:02:00.000000Z"


def audit_of(ledger: SqliteLedger) -> list[tuple[str, str, str, str]]:
    with closing(connect(ledger.path)) as db:
        rows = db.execute("SELECT actor, action, subject, detail FROM audit ORDER BY id").fetchall()
        return [tuple(row) for row in rows]


def test_what_people_and_courses_change_is_in_the_audit(ledger: SqliteLedger) -> None:
    ledger.mirror.record_marks([make_mark()], T0)
    for gone_since in (None, T0, T0, None):
        ledger.mirror.record_courses([make_course(gone_since=gone_since)], T0)
    for product_id in (None, ONE):
        draft = DraftMark(lms=CAMPUS, course_id=CourseId("42"), sku="PY-101", product_id=product_id)
        ledger.mirror.record_draft(draft, T0)
    assert audit_of(ledger) == [
        ("mirror", "course_gone", "course campus/42", "Python & more"),
        ("mirror", "course_back", "course campus/42", "Python & more"),
        ("operator", "product_made", "product 1017", "course campus/42"),
    ]


def test_a_write_that_is_cut_short_leaves_nothing(ledger: SqliteLedger) -> None:
    broken = replace(make_mark(1018), rewrites="many")  # type: ignore[arg-type]  # a column that refuses it
    with pytest.raises(sqlite3.IntegrityError):
        ledger.mirror.record_marks([make_mark(), broken], T0)
    assert ledger.mirror.read_marks([ONE, TWO]) == {ONE: {}, TWO: {}}


def test_a_rehearsal_has_a_mirror_that_changes_nothing(ledger: SqliteLedger) -> None:
    ledger.mirror.record_marks([make_mark()], T0)
    rehearsal = Rehearsal(ledger.path)
    try:
        assert rehearsal.mirror.read_marks([ONE]) == {ONE: {"description": make_mark()}}
        rehearsal.mirror.record_marks([make_mark(standing=Standing.EDITED)], T0)
    finally:
        rehearsal.close()
    assert ledger.mirror.read_marks([ONE]) == {ONE: {"description": make_mark()}}


def test_a_ledger_from_before_the_mirror_keeps_all_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(connect(path)) as db, transaction(db):
        migrations.apply(Database(db), stop_before="m005_mirror")
    with closing(connect(path)) as db:
        assert db.execute("SELECT count(*) FROM mirror").fetchone()[0] == 0
        db.execute("INSERT INTO facts VALUES ('mapping', '[]'), ('identity_key', ?)", ("ab" * 32,))
        db.execute("INSERT INTO cursors (name, position) VALUES ('orders', '2026-11-21T12:00:00.000000Z')")
        db.execute("INSERT INTO mirror VALUES (1, 'name', 'digest', '2026-11-21T12:00:00.000000Z')")
    ledger = SqliteLedger(path)
    try:
        cursor = ledger.read_cursor("orders")
        assert cursor is not None
        assert (cursor.position, ledger.read_mapping()) == (T0, "[]")
        assert ledger.mirror.read_runs() == MirrorState()
        ledger.mirror.record_marks([make_mark()], T0)
        assert ledger.mirror.read_marks([ONE])[ONE]
    finally:
        ledger.close()
