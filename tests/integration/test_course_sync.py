"""Courses flow into the shop's products, and whatever goes wrong on the way does not hurt the shop."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tests.fakes import CAMPUS, FakeLms
from tests.mirror_spine import GENEROUS, PNG, QUARANTINE_S, MirrorSpine, make_course, row, target
from wcsync.course import Attribute, CourseReading, CourseState, Image, Patch, Picture, Term, TermKind
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.ledger.mirror import DONE, FAILED, STOPPED
from wcsync.ledger.sqlite_mirror import SqliteMirror
from wcsync.mappers.courses.drafting import MADE_FROM
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.mappers.courses.rules import DEFAULT_OWNERSHIP, Rules
from wcsync.model import CourseId, LmsName, ProductId
from wcsync.pollers.course_push import Tally
from wcsync.pollers.course_shelf import Complaint, tell_left
from wcsync.pollers.courses import INTERRUPTED
from wcsync.pulse import beat
from wcsync.store.base import BatchFailed

pytestmark = pytest.mark.prove
"""Whole runs of the mirror; its rules are tried piece by piece elsewhere."""

PICTURE = "https://campus.example.com/cover.png"
TAGGED = Rules(ownership={**DEFAULT_OWNERSHIP, Field.TAGS: Ownership.OWN_UNLESS_EDITED})


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[MirrorSpine]:
    world = MirrorSpine(tmp_path)
    yield world
    world.ledger.close()


@pytest.fixture
def events() -> LogCapture:
    capture = LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    return capture


def named(events: LogCapture, name: str) -> list[Any]:
    return [entry for entry in events.entries if entry["event"] == name]


def sell_many(spine: MirrorSpine, many: int) -> list[int]:
    ids = list(range(1000, 1000 + many))
    for product_id in ids:
        spine.sell(product_id, str(product_id))
    return ids


def pictured(course_id: str, version: str = "1", **values: Any) -> dict[str, Any]:
    return {"cover": Picture(url=f"{PICTURE}?{course_id}", version=version), **values}


class TestARun:
    def test_a_course_fills_its_product(self, spine: MirrorSpine) -> None:
        spine.sell(1017, "42")
        run = spine.run()
        assert (run.outcome, run.written, run.products, run.courses) == (DONE, 1, 1, 1)
        product = spine.product(1017)
        assert product.name == "Course 42"
        assert "All about 42." in product.description
        assert spine.options(1017, "Skills") == ("Python",)

    def test_a_second_run_writes_nothing_to_the_shop(self, spine: MirrorSpine) -> None:
        sell_many(spine, 25)
        spine.run()
        writes = spine.shop.writes
        run = spine.run()
        assert (spine.shop.writes, run.changed, run.written) == (writes, 0, 0)

    def test_a_run_with_nothing_to_do_costs_a_read_for_each_hundred_products(
        self, spine: MirrorSpine
    ) -> None:
        sell_many(spine, 250)
        spine.run()
        reads = spine.shop.reads
        spine.run()
        assert spine.shop.reads - reads == 3

    def test_only_what_changed_is_written(self, spine: MirrorSpine) -> None:
        sell_many(spine, 5)
        spine.run()
        spine.shop.pushed.clear()
        spine.change("1003", skills=("Python", "SQL"))
        assert spine.run().written == 1
        [patch] = spine.shop.pushed
        assert patch.product_id == 1003
        assert (patch.name, patch.short_description, patch.images) == (None, None, None)
        assert spine.options(1003, "Skills") == ("Python", "SQL")

    def test_what_a_person_edited_stays_and_the_rest_goes_on(self, spine: MirrorSpine) -> None:
        spine.sell(1017, "42")
        spine.run()
        spine.shop.edit(1017, description="<p>Ours is better.</p>")
        spine.change("42", name="Renamed", description="<p>New.</p>")
        run = spine.run()
        assert (run.written, run.edited) == (1, 1)
        assert spine.product(1017).description == "<p>Ours is better.</p>"
        assert spine.product(1017).name == "Renamed"

    def test_what_was_edited_is_taken_back_only_when_a_person_says_so(self, spine: MirrorSpine) -> None:
        spine.sell(1017, "42")
        spine.run()
        spine.shop.edit(1017, description="<p>Ours is better.</p>")
        spine.run(take_back=frozenset({Field.DESCRIPTION}))
        assert "All about 42." in spine.product(1017).description
        spine.change("42", description="<p>New.</p>")
        spine.run()
        assert "New." in spine.product(1017).description

    def test_products_and_variations_are_found_as_orders_find_their_rows(self, spine: MirrorSpine) -> None:
        spine.sell(1017, "42")
        spine.sell(1018, "43", parent_id=1017)
        spine.shop.add_choice(1019, 1017)
        spine.run()
        assert "All about 42." in spine.product(1017).description
        assert "All about 43." in spine.product(1018).description
        assert spine.product(1019).description == ""

    def test_a_variation_with_a_sku_of_its_own_is_found_by_it(self, spine: MirrorSpine) -> None:
        spine.lms.courses[CourseId("42")] = make_course("42")
        spine.rows = [row("42", sku="A1")]
        spine.shop.add(1, sku="LEVELS")
        spine.shop.add_choice(2, 1, sku="a1")
        assert spine.run().written == 1
        assert spine.product(1).description == ""
        assert "All about 42." in spine.product(2).description

    def test_rows_that_say_another_kind_of_product_are_reported(self, spine: MirrorSpine) -> None:
        spine.lms.courses[CourseId("42")] = make_course("42")
        spine.rows = [
            row("42", product_id=ProductId(2)),
            row("42", variation_id=ProductId(1), line=2),
            row("42", sku="NONE", line=3),
        ]
        spine.shop.add(1)
        spine.shop.add_choice(2, 1)
        codes = [one.code for one in spine.sync().look().left]
        assert codes == ["is_a_variation", "is_no_variation", "unknown_sku"]
        assert spine.run().written == 0

    def test_a_row_can_switch_the_mirror_off_for_its_product(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        spine.rows[0] = replace(spine.rows[0], sync=(("sync", "off"),))
        assert spine.run().written == 0
        assert spine.product(1).name == ""

    def test_a_target_without_course_data_leaves_its_product_alone(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        [sold] = spine.rows[0].targets
        spine.lms.fetch_courses = lambda *_, **__: CourseReading(  # type: ignore[method-assign]
            courses={}, silent={sold: "the row names no path"}
        )
        [left] = spine.sync().look().left
        assert (left.code, left.reason) == ("no_course_data", "the row names no path")
        assert spine.run().outcome == DONE

    def test_a_product_of_two_courses_waits_until_both_are_to_be_seen(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42", "43")
        spine.sell(2, "42")
        spine.run()
        before = spine.product(1)
        del spine.lms.courses[CourseId("43")]
        spine.change("42", description="<p>New.</p>")
        spine.run()
        assert spine.product(1) == before
        assert "New." in spine.product(2).description

    def test_open_rows_walk_the_catalogue(self, spine: MirrorSpine) -> None:
        spine.lms.courses[CourseId("42")] = make_course("42")
        spine.rows = [row("42", sku="PY-*")]
        for product_id, sku in ((1, "PY-1"), (2, "py-2"), (3, "OTHER")):
            spine.shop.add(product_id, sku=sku)
        assert spine.run().written == 2
        assert spine.product(3).description == ""

    def test_skus_that_are_courses_need_no_row(self, spine: MirrorSpine) -> None:
        spine.sku_is_course = CAMPUS
        spine.lms.courses[CourseId("42")] = make_course("42")
        spine.shop.add(1, sku="42")
        spine.shop.add(2, sku="")
        assert spine.run().written == 1
        assert "All about 42." in spine.product(1).description

    def test_several_courses_of_one_product_make_its_texts_but_not_its_name(self, spine: MirrorSpine) -> None:
        spine.sell(1017, "42", "43", name="Both")
        spine.run()
        product = spine.product(1017)
        assert product.name == "Both"
        assert all(word in product.description for word in ("All about 42.", "All about 43."))

    def test_a_run_can_be_about_some_products_alone(self, spine: MirrorSpine) -> None:
        sell_many(spine, 3)
        spine.shop.edit(1001, sku="PY-1")
        for word in ("1000", "py-1", "campus/1002"):
            assert spine.run(only=frozenset({word})).written == 1, word
        assert spine.ledger.mirror.read_runs().last_run is None

    def test_a_look_writes_nothing_anywhere(self, spine: MirrorSpine) -> None:
        sell_many(spine, 3)
        spine.change("1000", **pictured("1000"))
        spine.pictures.files[f"{PICTURE}?1000"] = PNG
        outlook = spine.sync().look()
        assert len(outlook.changes) == 3
        assert spine.shop.writes == 0
        assert spine.ledger.mirror.read_marks([ProductId(1000)]) == {1000: {}}
        assert spine.ledger.mirror.read_courses(CAMPUS) == {}
        assert spine.ledger.mirror.read_picture(f"{PICTURE}?1000", "1") is None


class TestListsThatAreShort:
    def test_an_lms_that_shows_nothing_stops_the_run(self, spine: MirrorSpine, events: LogCapture) -> None:
        sell_many(spine, 4)
        spine.run()
        before = dict(spine.shop.products)
        spine.lms.courses.clear()
        run = spine.run()
        assert run.outcome == STOPPED
        assert run.reason
        assert run.advice
        assert spine.shop.products == before
        assert len(named(events, "courses_stopped")) == 1
        assert all(one.gone_since is None for one in spine.ledger.mirror.read_courses(CAMPUS).values())

    def test_less_than_half_of_the_known_courses_stop_the_run(self, spine: MirrorSpine) -> None:
        sell_many(spine, 5)
        spine.run()
        for course_id in ("1000", "1001", "1002"):
            del spine.lms.courses[CourseId(course_id)]
        spine.change("1003", name="Renamed")
        assert spine.run().outcome == STOPPED
        assert spine.product(1003).name == "Course 1003"

    def test_an_lms_that_is_short_costs_the_others_nothing(self, spine: MirrorSpine) -> None:
        other = type(spine.lms)(name=LmsName("academy"))
        spine.lmss[other.name] = other
        spine.sell(1, "1")
        spine.rows.append(
            replace(
                row("9", product_id=ProductId(2)),
                targets=(row("9").targets[0].__class__(lms=other.name, course_id=CourseId("9")),),
            )
        )
        other.courses[CourseId("9")] = replace(make_course("9"), lms=other.name)
        spine.shop.add(2)
        spine.run()
        spine.lms.courses.clear()
        other.courses[CourseId("9")] = replace(make_course("9", name="Renamed"), lms=other.name)
        run = spine.run()
        assert (run.outcome, run.written) == (STOPPED, 1)
        assert spine.product(2).name == "Renamed"

    def test_a_person_may_say_that_the_courses_are_really_gone(self, spine: MirrorSpine) -> None:
        sell_many(spine, 4)
        spine.run()
        before = dict(spine.shop.products)
        spine.lms.courses.clear()
        assert spine.run(allow_gone=frozenset({CAMPUS})).outcome == DONE
        assert spine.shop.products == before
        assert all(one.gone_since for one in spine.ledger.mirror.read_courses(CAMPUS).values())

    def test_a_course_that_vanished_is_told_once_and_never_acted_on(
        self, spine: MirrorSpine, events: LogCapture
    ) -> None:
        sell_many(spine, 4)
        spine.run()
        before = spine.product(1000)
        gone = spine.lms.courses.pop(CourseId("1000"))
        assert spine.run().outcome == DONE
        spine.run()
        assert spine.product(1000) == before
        assert [one["course_id"] for one in named(events, "course_gone")] == ["1000"]
        spine.lms.courses[CourseId("1000")] = gone
        spine.run()
        assert [one["course_id"] for one in named(events, "course_back")] == ["1000"]

    def test_a_course_that_was_hidden_is_told_once(self, spine: MirrorSpine, events: LogCapture) -> None:
        sell_many(spine, 2)
        spine.run()
        spine.change("1000", state=CourseState.HIDDEN)
        spine.run()
        spine.run()
        assert [one["course_id"] for one in named(events, "course_gone")] == ["1000"]

    def test_a_course_that_is_gone_marks_its_product_only_where_that_is_asked_for(
        self, tmp_path: Path
    ) -> None:
        spine = MirrorSpine(tmp_path, rules=Rules(mark_gone=True))
        sell_many(spine, 4)
        spine.run()
        before = spine.product(1000)
        gone = spine.lms.courses.pop(CourseId("1000"))
        spine.run()
        after = spine.product(1000)
        assert after.meta["_wcsync_state"] == "gone"
        assert replace(after, meta=before.meta, modified_gmt=before.modified_gmt) == before
        spine.lms.courses[CourseId("1000")] = gone
        spine.run()
        assert spine.product(1000).meta == before.meta

    def test_too_many_changes_stop_before_the_first_write(self, tmp_path: Path) -> None:
        spine = MirrorSpine(tmp_path, pacing=replace(GENEROUS, max_changes=2, max_share=0.1))
        sell_many(spine, 4)
        run = spine.run()
        assert (run.outcome, run.changed, run.written) == (STOPPED, 4, 0)
        assert "--allow-many" in run.advice
        assert spine.shop.writes == 0
        assert spine.run(allow_many=True).written == 4

    def test_drafts_just_made_of_courses_are_not_too_many(self, tmp_path: Path) -> None:
        """An import makes them without their pictures."""
        spine = MirrorSpine(tmp_path, pacing=replace(GENEROUS, max_changes=2, max_share=0.1))
        for product_id in sell_many(spine, 12):
            spine.shop.edit(product_id, status="draft", meta={MADE_FROM: f"campus/{product_id}"})
        spine.shop.edit(1000, status="publish")
        run = spine.run()
        assert (run.outcome, run.written) == (DONE, 12)

    def test_drafts_that_people_made_count_as_any_other(self, tmp_path: Path) -> None:
        spine = MirrorSpine(tmp_path, pacing=replace(GENEROUS, max_changes=2))
        for product_id in sell_many(spine, 4):
            spine.shop.edit(product_id, status="draft")
        assert spine.run().outcome == STOPPED

    def test_a_course_no_row_names_any_more_is_no_longer_expected(self, spine: MirrorSpine) -> None:
        sell_many(spine, 4)
        spine.run()
        del spine.rows[1:]
        spine.run()
        assert spine.ledger.mirror.read_courses(CAMPUS).keys() == {"1000"}


class TestTheShopInTrouble:
    def test_products_that_are_gone_or_in_the_trash_are_reported_and_not_touched(
        self, spine: MirrorSpine
    ) -> None:
        sell_many(spine, 4)
        spine.run()
        spine.shop.delete(1000)
        spine.shop.edit(1001, status="trash")
        spine.shop.unreadable[ProductId(1002)] = "name: is no text"
        for course_id in ("1000", "1001", "1002", "1003"):
            spine.change(course_id, name="Renamed")
        outlook = spine.sync().look()
        assert {one.code for one in outlook.left} == {"unknown_product", "in_trash", "unreadable"}
        assert spine.run().written == 1
        assert spine.product(1001).name == "Course 1001"

    def test_a_product_that_goes_away_during_the_run_costs_the_others_nothing(
        self, spine: MirrorSpine
    ) -> None:
        sell_many(spine, 4)

        def delete(_patches: Sequence[Patch]) -> None:
            spine.shop.products.pop(ProductId(1001), None)

        spine.shop.before_push = delete
        run = spine.run()
        assert (run.outcome, run.written, run.failed) == (DONE, 3, 1)

    def test_a_product_that_turned_variable_keeps_what_buyers_choose_by(self, spine: MirrorSpine) -> None:
        spine.sell(1017, "42")
        spine.run()
        level = Attribute(name="Level", options=("A1", "A2"), variation=True)
        product = spine.product(1017)
        spine.shop.edit(1017, kind="variable", attributes=(*product.attributes, level))
        spine.shop.add_choice(1018, 1017)
        spine.change("42", skills=("SQL",))
        spine.run()
        assert level in [replace(one, position=0) for one in spine.product(1017).attributes]
        assert spine.options(1017, "Skills") == ("SQL",)

    def test_a_fault_in_the_middle_of_a_batch_costs_nothing(self, spine: MirrorSpine) -> None:
        ids = sell_many(spine, 10)
        broken = [True]

        def fail(patch: Patch) -> None:
            if patch.product_id == 1006 and broken:
                broken.clear()
                raise BatchFailed("shop: reports an error inside it")

        spine.shop.before_item = fail
        run = spine.run()
        assert (run.outcome, run.written, run.failed) == (DONE, 10, 0)
        assert all(spine.product(one).name == f"Course {one}" for one in ids)
        assert spine.run().changed == 0

    def test_a_product_that_always_breaks_the_shop_is_found_and_the_rest_goes_on(
        self, spine: MirrorSpine, events: LogCapture
    ) -> None:
        ids = sell_many(spine, 23)

        def fail(patch: Patch) -> None:
            if patch.product_id == 1006:
                raise BatchFailed("shop: reports an error inside it")

        spine.shop.before_item = fail
        run = spine.run()
        assert (run.outcome, run.written, run.failed) == (DONE, 22, 1)
        assert [one["product_id"] for one in named(events, "product_not_written")] == [1006]
        assert all(spine.product(one).name == f"Course {one}" for one in ids if one != 1006)
        marks = spine.ledger.mirror.read_marks([ProductId(1006)])[ProductId(1006)]
        assert any(one.standing is Standing.FAILED for one in marks.values())

    def test_a_product_the_shop_refuses_is_recorded_and_the_rest_goes_on(self, spine: MirrorSpine) -> None:
        sell_many(spine, 5)
        spine.shop.refused[ProductId(1002)] = "woocommerce_rest_cannot_edit"
        tally = Tally()
        run = spine.run(tally)
        assert (run.written, run.failed) == (4, 1)
        assert tally.refused.keys() == {1002}

    def test_a_shop_that_takes_fewer_at_a_time_gets_fewer(self, spine: MirrorSpine) -> None:
        sell_many(spine, 40)

        def refuse_many(patches: Sequence[Patch]) -> None:
            if len(patches) > 3:
                raise BatchFailed("shop: the request is too large")

        spine.shop.before_push = refuse_many
        assert spine.run().written == 40

    def test_a_quick_shop_is_sent_more_at_a_time_and_a_slow_one_fewer(self, spine: MirrorSpine) -> None:
        sell_many(spine, 230)
        sizes = list[int]()

        def note(patches: Sequence[Patch]) -> None:
            sizes.append(len(patches))
            spine.seconds += 16.0 if len(patches) > 30 else 0.5

        spine.shop.before_push = note
        spine.run()
        assert sizes[:5] == [10, 20, 40, 20, 40]

    def test_a_key_that_may_only_read_ends_the_run_and_leaves_nothing_open(
        self, spine: MirrorSpine, events: LogCapture
    ) -> None:
        sell_many(spine, 3)

        def refuse(_patches: Sequence[Patch]) -> None:
            raise ServiceBlocked("shop: the key may not write")

        spine.shop.before_push = refuse
        run = spine.run()
        assert (run.outcome, run.written, run.reason) == (FAILED, 0, "shop: the key may not write")
        assert len(named(events, "service_blocked")) == 1
        spine.shop.before_push = lambda _patches: None
        assert spine.run().written == 3

    def test_a_call_that_never_left_is_simply_made_again(self, spine: MirrorSpine) -> None:
        sell_many(spine, 3)

        def refuse(_patches: Sequence[Patch]) -> None:
            raise TransientError("shop: cannot be reached", whole_service=True)

        spine.shop.before_push = refuse
        assert spine.run().outcome == FAILED
        spine.shop.before_push = lambda _patches: None
        assert spine.run().written == 3

    @pytest.mark.parametrize("arrived", [True, False], ids=["it took effect", "it never did"])
    def test_after_a_lost_answer_the_next_run_waits_and_then_finds_out(
        self, spine: MirrorSpine, arrived: bool
    ) -> None:
        sell_many(spine, 3)
        spine.shop.acts_late = True
        assert spine.run().outcome == FAILED
        spine.shop.acts_late = False
        waiting = spine.run()
        assert (waiting.written, spine.shop.writes) == (0, 1)
        if arrived:
            spine.shop.catch_up()
        spine.clock.tick(QUARANTINE_S + 1)
        assert spine.run().written == (0 if arrived else 3)
        assert spine.product(1000).name == "Course 1000"
        assert spine.run().changed == 0

    def test_one_product_that_always_times_out_keeps_no_other_waiting(self, spine: MirrorSpine) -> None:
        sell_many(spine, 30)

        def hang(patch: Patch) -> None:
            if patch.product_id == 1000:
                raise TransientError("shop: no answer in time", answer_lost=True)

        spine.shop.before_item = hang
        for _ in range(8):
            spine.run()
            spine.clock.tick(QUARANTINE_S + 1)
        done = [one for one in range(1000, 1030) if spine.product(one).name == f"Course {one}"]
        assert len(done) == 29

    def test_what_changed_beside_our_write_is_told(self, spine: MirrorSpine, events: LogCapture) -> None:
        spine.sell(1017, "42")
        spine.shop.after_push = lambda _patches: None

        def meddle(_patch: Patch) -> None:
            spine.shop.edit(1017, status="draft")

        spine.shop.before_item = meddle
        spine.run()
        [event] = named(events, "product_changed_elsewhere")
        assert event["product_id"] == 1017


class TestPictures:
    def test_a_picture_is_uploaded_once_for_all_its_products(self, spine: MirrorSpine) -> None:
        for product_id in (1, 2, 3):
            spine.sell(product_id, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG + b"one"
        assert spine.run().written == 3
        assert spine.shop.uploads == 1
        assert len({spine.product(one).images[0].image_id for one in (1, 2, 3)}) == 1
        spine.run()
        assert spine.shop.uploads == 1
        assert len(spine.pictures.asked) == 1

    def test_a_picture_that_may_still_come_with_one_product_is_not_uploaded_for_another(
        self, spine: MirrorSpine
    ) -> None:
        for product_id in (1, 2):
            spine.sell(product_id, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG + b"one"

        def lose(_patches: object) -> None:
            raise TransientError("shop: broke off the connection", answer_lost=True)

        spine.shop.before_push = lose
        spine.run()
        spine.shop.before_push = lambda _patches: None
        outlook = spine.sync().look()
        assert [one.plan.waits for one in outlook.judged] == [True, True]
        assert (spine.run().written, spine.shop.uploads) == (0, 0)
        spine.clock.tick(QUARANTINE_S)
        assert (spine.run().written, spine.shop.uploads) == (2, 1)

    def test_another_picture_takes_its_place_and_the_gallery_stays(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG + b"one"
        spine.run()
        ours = spine.product(1).images[0]
        spine.shop.edit(1, images=(ours, Image(image_id=77, src="https://x/77.png", name="gallery")))
        spine.pictures.files[f"{PICTURE}?42"] = PNG + b"two"
        spine.change("42", **pictured("42", version="2"))
        spine.run()
        assert [one.image_id == 77 for one in spine.product(1).images] == [False, True]
        assert spine.product(1).images[0].image_id != ours.image_id

    def test_a_full_run_looks_at_the_bytes_again(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG + b"one"
        spine.run()
        spine.pictures.files[f"{PICTURE}?42"] = PNG + b"two"
        spine.run()
        assert spine.shop.uploads == 1
        spine.run(full=True)
        assert spine.shop.uploads == 2

    @pytest.mark.parametrize("content", [None, b"<html>login</html>"], ids=["absent", "a login page"])
    def test_a_picture_that_cannot_be_had_is_told_once_and_the_rest_goes_on(
        self, spine: MirrorSpine, content: bytes | None
    ) -> None:
        for product_id in (1, 2):
            spine.sell(product_id, "42")
        spine.change("42", **pictured("42"))
        if content:
            spine.pictures.files[f"{PICTURE}?42"] = content
        assert len(spine.sync().look().messages) == 1
        assert spine.run().written == 2
        assert spine.product(1).images == ()
        assert spine.product(1).name == "Course 42"

    def test_a_picture_that_is_out_of_reach_for_a_while_is_believed_to_be_what_it_was(
        self, spine: MirrorSpine
    ) -> None:
        spine.sell(1, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG
        spine.run()
        spine.pictures.files.clear()
        tally = Tally()
        run = spine.run(tally, full=True)
        assert (run.outcome, run.changed, tally.messages) == (DONE, 0, [])
        assert spine.product(1).images

    @pytest.mark.parametrize(
        "url",
        [
            "https://bob:s3cret@campus.example.com/a.png",
            "https://campus.example.com/tokenpluginfile.php/s3cret/1/a.png",
            "file:///etc/s3cret.png",
            "http://[s3cret/a.png",
        ],
    )
    def test_a_picture_whose_address_is_not_for_everybody_goes_nowhere(
        self, spine: MirrorSpine, url: str
    ) -> None:
        spine.sell(1, "42")
        spine.change("42", cover=Picture(url=url, version="1"))
        spine.pictures.files[url] = PNG
        [message] = spine.sync().look().messages
        assert "s3cret" not in message
        assert spine.run().written == 1
        assert (spine.pictures.asked, spine.product(1).images) == ([], ())

    def test_a_host_that_sends_no_picture_is_not_waited_for_a_hundred_times(self, spine: MirrorSpine) -> None:
        for number in range(9):
            spine.sell(number + 1, str(number))
            spine.change(str(number), **pictured(str(number)))
        spine.pictures.trouble = TransientError("pictures of campus: did not answer in time")
        assert len(spine.sync().look().messages) == 9
        assert len(spine.pictures.asked) == 5
        spine.pictures.trouble = None
        spine.pictures.files |= {f"{PICTURE}?{number}": PNG for number in range(9)}
        assert spine.sync().look().messages == ()

    def test_a_host_of_pictures_that_does_not_answer_costs_the_picture_alone(
        self, spine: MirrorSpine, events: LogCapture
    ) -> None:
        spine.sell(1, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.trouble = TransientError(
            "pictures of campus: sent more than 16777216 bytes in one answer"
        )
        [message] = spine.sync().look().messages
        assert "sent more than" in message
        assert spine.run().written == 1
        before, tally = spine.ledger.mirror.read_marks([ProductId(1)]), Tally()
        mark = before[ProductId(1)]["images"]
        assert (mark.standing, mark.note) == (Standing.FAILED, message)
        assert spine.run(tally).changed == 0
        assert tally.messages == [message]
        assert [one["field"] for one in named(events, "product_not_written")] == ["images"]
        assert spine.ledger.mirror.read_marks([ProductId(1)]) == before

    def test_a_picture_the_shop_cannot_fetch_is_told_once_and_the_rest_goes_on(
        self, spine: MirrorSpine
    ) -> None:
        for product_id in (1, 2):
            spine.sell(product_id, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG
        spine.shop.unreachable.add(f"{PICTURE}?42")
        tally = Tally()
        run = spine.run(tally)
        assert (run.outcome, run.written, run.failed) == (DONE, 2, 0)
        assert len(tally.messages) == 1
        assert spine.product(1).name == "Course 42"
        assert spine.product(1).images == ()

    def test_an_image_the_shop_has_lost_is_uploaded_again_once(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG
        spine.run()
        spine.shop.media.clear()
        spine.sell(2, "42")
        assert spine.run().written == 1
        assert spine.shop.uploads == 2
        assert spine.product(2).images[0].image_id in spine.shop.media

    @pytest.mark.parametrize(
        "trouble",
        [BatchFailed("shop: broke down"), TransientError("shop: 504", answer_lost=True)],
        ids=["breaks down", "does not answer"],
    )
    def test_an_image_the_shop_cannot_digest_is_sent_three_times_and_costs_itself_alone(
        self, spine: MirrorSpine, trouble: Exception
    ) -> None:
        spine.sell(1017, "42", name="Course 42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG
        sent = list[Patch]()

        def choke(patches: Sequence[Patch]) -> None:
            heavy = [patch for patch in patches if any(not image.image_id for image in patch.images or ())]
            sent.extend(heavy)
            if heavy:
                raise trouble

        spine.shop.before_push = choke
        for _ in range(6):
            spine.run()
            spine.clock.tick(3600)
        assert len(sent) == 3
        assert "All about 42" in spine.product(1017).description
        [mark] = spine.ledger.mirror.read_standing()
        assert (mark.field, mark.standing) == ("images", Standing.FAILED)
        assert "3 times the shop broke down over it" in mark.note
        spine.spare()
        assert spine.run().changed == 0
        spine.run(take_back=frozenset({Field.IMAGES}))
        assert spine.product(1017).images
        assert spine.ledger.mirror.read_standing() == ()

    def test_an_image_the_shop_refuses_is_tried_again_once_a_day(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG
        spine.shop.unreachable.add(f"{PICTURE}?42")
        spine.run()
        pushed = len(spine.shop.pushed)
        for _ in range(3):
            spine.clock.tick(3600)
            assert spine.run().changed == 0
        assert len(spine.shop.pushed) == pushed
        spine.shop.unreachable.clear()
        spine.clock.tick(86400)
        assert spine.run().written == 1
        assert spine.product(1).images
        assert spine.ledger.mirror.read_standing() == ()

    def test_an_image_whose_number_a_restored_shop_gave_away_is_uploaded_again(
        self, spine: MirrorSpine
    ) -> None:
        spine.sell(1, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG
        spine.run()
        [ours] = spine.product(1).images
        spine.shop.media[ours.image_id] = replace(ours, name="a-cat", src="https://shop.example.com/cat.png")
        spine.sell(2, "42")
        assert spine.run().written == 1
        assert [image.name for image in spine.product(2).images] == [ours.name]
        spine.sell(3, "42")
        spine.run()
        assert spine.product(3).images == spine.product(2).images
        assert spine.shop.uploads == 2
        assert spine.run().changed == 0

    def test_an_upload_whose_answer_was_lost_is_found_again(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        spine.sell(2, "42")
        spine.change("42", **pictured("42"))
        spine.pictures.files[f"{PICTURE}?42"] = PNG

        def lose(patches: Sequence[Patch]) -> None:
            raise TransientError("shop: broke off the connection", answer_lost=True)

        spine.shop.after_push = lose
        spine.run()
        spine.shop.after_push = lambda _patches: None
        spine.clock.tick(QUARANTINE_S + 1)
        spine.run()
        assert spine.shop.uploads == 1
        assert spine.run().changed == 0


class TestWhatComesLate:
    def test_a_write_that_takes_effect_after_the_quarantine_is_not_taken_for_a_persons(
        self, spine: MirrorSpine
    ) -> None:
        spine.sell(1, "42")
        spine.run()
        spine.change("42", name="Second")
        spine.shop.acts_late = True
        assert spine.run().outcome == FAILED
        spine.shop.acts_late = False
        spine.clock.tick(QUARANTINE_S + 1)
        spine.change("42", name="Third")
        assert spine.run().written == 1
        spine.shop.catch_up()
        assert spine.product(1).name == "Second"
        assert spine.run().edited == 0
        assert spine.product(1).name == "Third"
        assert spine.run().changed == 0

    def test_a_product_whose_saving_breaks_down_afterwards_is_not_taken_for_a_persons(
        self, spine: MirrorSpine
    ) -> None:
        spine.sell(1, "42")
        spine.change("42", name="Second")

        def break_down(_patches: Sequence[Patch]) -> None:
            raise BatchFailed("shop: broke down")

        def change_meanwhile(_patches: Sequence[Patch]) -> None:
            spine.shop.before_push = lambda _patches: None
            spine.shop.after_push = break_down
            raise BatchFailed("shop: broke down")

        spine.shop.before_push = change_meanwhile
        assert spine.run().failed == 1
        assert spine.product(1).name == "Second"
        spine.spare()
        spine.change("42", name="Third")
        assert spine.run().edited == 0
        assert spine.product(1).name == "Third"


class TestWhatIsTold:
    def test_what_is_not_mirrored_any_more_does_not_stand_out(self, spine: MirrorSpine) -> None:
        for product_id in (1, 2, 3):
            spine.sell(product_id, "42")
        spine.run()
        for product_id in (1, 2, 3):
            spine.shop.edit(product_id, name="A person's")
        spine.run()
        assert len(spine.ledger.mirror.read_standing()) == 3
        spine.shop.delete(1)
        removed = spine.rows.pop(1)
        assert spine.run().outcome == DONE
        assert [mark.product_id for mark in spine.ledger.mirror.read_standing()] == [3]
        spine.rows.append(removed)
        spine.change("42", name="Second")
        spine.run()
        assert spine.product(2).name == "A person's"
        assert [mark.product_id for mark in spine.ledger.mirror.read_standing()] == [2, 3]

    def test_what_stops_run_after_run_is_told_once(self, spine: MirrorSpine, events: LogCapture) -> None:
        spine.sell(1, "42")
        spine.run()
        spine.lms.courses.clear()
        for _ in range(3):
            assert spine.run().outcome == STOPPED
        told = [entry["log_level"] for entry in named(events, "courses_stopped")]
        assert told == ["error", "debug", "debug"]
        spine.change("42")
        spine.run()
        spine.lms.courses.clear()
        spine.run()
        assert named(events, "courses_stopped")[-1]["log_level"] == "error"

    def test_a_product_that_is_refused_again_and_again_is_told_of_once(
        self, spine: MirrorSpine, events: LogCapture
    ) -> None:
        spine.sell(1, "42")
        spine.shop.refused[ProductId(1)] = "woocommerce_rest_no"
        for _ in range(3):
            assert spine.run().failed == 1
        assert [entry["log_level"] for entry in named(events, "product_not_written")] == [
            "warning",
            "debug",
            "debug",
        ]

    def test_a_product_that_is_gone_is_told_of_once(self, spine: MirrorSpine, events: LogCapture) -> None:
        spine.sell(1, "42")
        spine.sell(2, "42")
        spine.shop.edit(2, status="trash")
        told = frozenset[Complaint]()

        def run() -> None:
            nonlocal told
            tally = Tally()
            spine.run(tally)
            told = tell_left(tally.left, told, complete=True)

        run()
        spine.shop.delete(1)
        run()
        run()
        assert [entry["code"] for entry in named(events, "product_left_alone")] == [
            "in_trash",
            "unknown_product",
        ]
        spine.shop.edit(2, status="publish")
        run()
        spine.shop.edit(2, status="trash")
        run()
        assert [entry["code"] for entry in named(events, "product_left_alone")][2:] == ["in_trash"]

    def test_an_lms_in_trouble_does_not_have_the_others_read_in_full_each_time(
        self, spine: MirrorSpine
    ) -> None:
        spine.sell(1, "42")
        spine.shop.add(2)
        spine.rows.append(
            replace(row("42", line=9, product_id=ProductId(2)), targets=(target("9", "elsewhere"),))
        )
        for _ in range(3):
            assert spine.run().outcome == FAILED
        assert spine.lms.full_readings == 1


class TestTerms:
    def test_a_list_that_is_only_filled_is_nobodys_edit(self, tmp_path: Path) -> None:
        spine = MirrorSpine(
            tmp_path, rules=Rules(ownership={**DEFAULT_OWNERSHIP, Field.TAGS: Ownership.FILL})
        )
        spine.sell(1, "42")
        spine.run()
        spine.change("42", skills=("SQL",))
        assert spine.run().edited == 0
        assert [term.name for term in spine.product(1).tags] == ["Python"]
        assert not spine.ledger.mirror.read_standing()
        spine.ledger.close()

    def test_an_edit_while_the_shop_makes_tags_stays(self, tmp_path: Path) -> None:
        spine = MirrorSpine(tmp_path, rules=TAGGED)
        spine.sell(1, "42")
        spine.run()
        make = spine.shop.ensure_term

        def make_slowly(kind: TermKind, name: str) -> Term:
            spine.shop.edit(1, description="<p>A person's.</p>")
            return make(kind, name)

        spine.shop.ensure_term = make_slowly  # type: ignore[method-assign]  # the one place where it takes its time
        spine.change("42", description="<p>Other.</p>", skills=("SQL",))
        assert spine.run().written == 1
        assert spine.product(1).description == "<p>A person's.</p>"
        assert [term.name for term in spine.product(1).tags] == ["SQL"]
        spine.ledger.close()

    def test_tags_are_made_once_and_others_stay(self, tmp_path: Path) -> None:
        spine = MirrorSpine(tmp_path, rules=TAGGED)
        for product_id in (1, 2):
            spine.sell(product_id, "42", tags=(Term(name="Sale", term_id=9),))
        spine.run()
        assert {one.name for one in spine.product(2).tags} == {"Sale", "Python"}
        assert len(spine.shop.terms) == 2
        assert spine.run().changed == 0

    def test_a_name_the_shop_refuses_costs_that_tag_alone(self, tmp_path: Path) -> None:
        spine = MirrorSpine(tmp_path, rules=TAGGED)
        spine.sell(1, "42")
        ensure = spine.shop.ensure_term

        def refuse(kind: Any, name: str) -> Term:
            if name == "SQL":
                raise PermanentError("shop: refuses 'SQL' as a name")
            return ensure(kind, name)

        spine.shop.ensure_term = refuse  # type: ignore[method-assign]
        spine.change("42", skills=("Python", "SQL"))
        tally = Tally()
        spine.run(tally)
        assert {one.name for one in spine.product(1).tags} == {"Python"}
        assert tally.messages == ["shop: refuses 'SQL' as a name"]
        writes = spine.shop.writes
        assert (spine.run().written, spine.shop.writes) == (0, writes)


class TestTheSchedule:
    def test_a_stop_leaves_an_lms_between_two_of_its_calls(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        calls = list[int]()

        def call() -> None:
            for number in range(10):
                beat()
                calls.append(number)

        spine.lms.before_read = call
        spine.stop_after = 4
        assert spine.run().code == INTERRUPTED
        assert 0 < len(calls) < 10
        assert spine.ledger.mirror.read_runs().last_run is None

    def test_a_stop_leaves_a_long_reading_of_products(self, spine: MirrorSpine) -> None:
        ids = sell_many(spine, 1200)
        spine.stop_after = 8
        assert spine.run().code == INTERRUPTED
        assert 0 < spine.shop.reads < len(ids) / 100

    def test_a_run_is_due_by_the_ledger_whoever_asks(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        assert spine.sync().is_due()
        spine.run()
        spine.reopen()
        assert not spine.sync().is_due()
        spine.clock.tick(3600)
        assert spine.sync().is_due()

    def test_a_run_a_service_ended_is_repeated_soon(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        spine.resting.add(CAMPUS)
        assert spine.run().outcome == FAILED
        assert spine.shop.reads == 0
        spine.clock.tick(600)
        assert spine.sync().is_due()

    def test_one_lms_that_is_down_for_days_costs_the_others_nothing(self, spine: MirrorSpine) -> None:
        other = LmsName("academy")
        spine.sell(1, "42")
        spine.lmss[other] = FakeLms(name=other)
        spine.rows.append(replace(row("7", product_id=ProductId(2)), targets=(target("7", other),)))
        spine.shop.add(2)
        spine.resting.add(other)
        assert (spine.run().outcome, spine.run().code) == (FAILED, "lms_unavailable")
        assert spine.lms.full_readings == 1
        spine.clock.tick(600)
        assert not spine.sync().is_due()
        spine.clock.tick(3000)
        assert spine.sync().is_due()
        spine.run()
        assert spine.lms.full_readings == 1

    def test_what_was_learnt_of_thousands_of_products_is_kept_in_small_transactions(
        self, spine: MirrorSpine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Workers wait for the ledger meanwhile."""
        ids = sell_many(spine, 250)
        spine.run()
        blank = [
            Mark(product_id=ProductId(one), field=field) for one in ids for field in ("name", "description")
        ]
        spine.ledger.mirror.record_marks(blank, spine.clock())
        keep, sizes = SqliteMirror.record_marks, list[int]()

        def record(self: SqliteMirror, marks: Sequence[Mark], now: datetime) -> None:
            sizes.append(len({mark.product_id for mark in marks}))
            keep(self, marks, now)

        monkeypatch.setattr(SqliteMirror, "record_marks", record)
        spine.run()
        assert (sum(sizes), max(sizes)) == (250, 100)

    def test_whether_a_run_is_due_is_one_row_however_many_products_there_are(
        self, spine: MirrorSpine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spine.sell(1, "42")
        spine.run()
        for name in ("read_marks", "read_standing", "read_courses"):
            monkeypatch.delattr(SqliteMirror, name)
        assert not spine.sync().is_due()

    def test_a_fault_of_ours_is_not_met_again_every_minute(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")

        def break_down() -> None:
            raise RuntimeError("a bug")

        spine.shop.before_read = break_down
        with pytest.raises(RuntimeError, match="a bug"):
            spine.run()
        assert not spine.sync().is_due()
        spine.clock.tick(600)
        assert spine.sync().is_due()

    def test_once_a_day_nothing_kept_is_relied_on(self, spine: MirrorSpine) -> None:
        spine.sell(1, "42")
        spine.run()
        spine.run()
        assert spine.lms.full_readings == 1
        spine.clock.tick(86400)
        spine.run()
        assert spine.lms.full_readings == 2

    def test_a_stop_is_obeyed_between_two_calls_and_the_next_run_does_the_rest(
        self, spine: MirrorSpine
    ) -> None:
        sell_many(spine, 60)
        for asked in range(0, 90, 7):
            spine.stop_after = asked
            assert spine.run().code in {"interrupted", ""}
        spine.stop_after = None
        spine.run()
        assert all(spine.product(one).name == f"Course {one}" for one in range(1000, 1060))
        assert spine.run().changed == 0
