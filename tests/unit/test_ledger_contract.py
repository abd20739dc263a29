"""What every `Ledger` keeps of orders, of how far they were read, and of services."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.ledger_stage import (
    CREATED,
    LedgerContract,
    OnSqlite,
    Stage,
    at,
    deferral,
    later,
)
from wcsync.health import Condition, Health
from wcsync.ledger.base import Claim, CursorMove, Walk
from wcsync.model import (
    Entitlement,
    Order,
    OrderId,
    OrderPlan,
    Person,
    Unreadable,
)
from wcsync.sale import Circumstances


class ReadingContract(LedgerContract):
    # -- orders ------------------------------------------------------------------------------------------------------
    def test_a_page_brings_facts_seats_and_wishes(self, stage: Stage) -> None:
        lines = (make_line(1), make_line(2, sku="NEW"), make_line(3, quantity="0"))
        record = stage.ledger.record_page([make_order(lines=lines)], (), stage.plan, None, T0)
        assert (record.fetched, record.fresh, record.lines, record.unmapped, record.parked) == (1, 1, 3, 1, 1)
        assert stage.ledger.next_due_at(CAMPUS) == T0
        assert (stage.summary().orders, stage.summary().lines, stage.summary().due) == (1, 3, 1)

    def test_a_crash_in_the_middle_of_a_page_leaves_nothing_of_it(self, stage: Stage) -> None:
        stage.ledger.start_cursor("orders", T0, T0)

        def crash_on_the_second(
            order: Order, known: Sequence[Entitlement], _circumstances: Circumstances
        ) -> OrderPlan:
            if order.order_id == 2:
                raise KeyboardInterrupt
            return stage.plan(order, known)

        move = CursorMove(name="orders", position=at(60))
        with pytest.raises(KeyboardInterrupt):
            stage.ledger.record_page([make_order(1), make_order(2)], (), crash_on_the_second, move, T0)
        assert stage.summary().orders == 0
        assert stage.ledger.next_due_at(CAMPUS) is None
        cursor = stage.ledger.read_cursor("orders")
        assert cursor is not None
        assert cursor.position == T0

    def test_after_such_a_crash_the_page_can_be_recorded(self, stage: Stage) -> None:
        def crash(_order: Order, _known: Sequence[Entitlement], _circumstances: Circumstances) -> OrderPlan:
            raise RuntimeError("boom")

        with pytest.raises(RuntimeError):
            stage.ledger.record_page([make_order()], (), crash, None, T0)
        stage.record(make_order())
        assert stage.summary().orders == 1

    def test_the_same_again_is_no_news(self, stage: Stage) -> None:
        stage.record(make_order())
        record = stage.ledger.record_page([make_order()], (), stage.plan, None, at(60))
        assert (record.fetched, record.fresh) == (1, 0)
        assert stage.ledger.next_due_at(CAMPUS) == T0

    def test_an_older_reading_never_overwrites_a_newer_one(self, stage: Stage) -> None:
        order = make_order()
        stage.record(later(order, "refunded"))
        record = stage.ledger.record_page([order], (), stage.plan, None, T0)
        assert record.fresh == 0
        assert stage.ledger.next_due_at(CAMPUS) is None

    def test_a_newer_reading_of_the_same_second_counts(self, stage: Stage) -> None:
        stage.record(make_order(status="pending"))
        stage.record(make_order(status="completed"))
        assert stage.summary().due == 1

    def test_a_date_from_the_future_holds_nothing_back_once_the_clock_is_right(self, stage: Stage) -> None:
        stage.record(make_order(status="pending", modified_at=T0 + timedelta(days=365)))
        stage.record(make_order(status="completed", modified_at=at(60)), now=at(60))
        assert stage.summary().due == 1

    def test_names_of_a_learner_are_kept_and_not_blanked_by_an_order_without(self, stage: Stage) -> None:
        stage.record(make_order(1))
        nameless = replace(make_order(2), buyer=Person(email="ANA@example.test"))
        renamed = replace(
            make_order(3), buyer=Person(email="ana@example.test", first_name="Ana María", last_name="")
        )
        stage.record(nameless, renamed)
        assert stage.claim().seat.learner == Person(
            email="ana@example.test", first_name="Ana María", last_name="Núñez"
        )

    def test_a_paid_order_without_an_address_has_no_learner(self, stage: Stage) -> None:
        stage.record(make_order(email=""))
        assert (stage.kinds(), stage.summary().due, stage.summary().unexplained) == (["no_address"], 0, 0)

    def test_an_address_added_later_enrols(self, stage: Stage) -> None:
        stage.record(make_order(email=""))
        stage.record(make_order(modified_at=at(60)))
        assert (stage.kinds(), stage.claim(at(60)).seat.learner.email) == ([], "ana@example.test")

    def test_one_address_in_any_spelling_is_one_learner(self, stage: Stage) -> None:
        stage.record(make_order(1), make_order(2, email=" ANA@Example.TEST "))
        assert stage.summary().due == 1
        assert stage.ledger.identify("ana@example.test") == stage.ledger.identify(" ANA@Example.TEST ")
        assert "ana" not in stage.ledger.identify("ana@example.test")

    @pytest.mark.parametrize(
        "poison",
        [
            pytest.param(replace(make_order(2), customer_id=2**63), id="number beyond 64 bit"),
            pytest.param(replace(make_order(2), order_id=OrderId(2**63)), id="id beyond 64 bit"),
            pytest.param(replace(make_order(2), number="\ud800"), id="half a character in the number"),
            pytest.param(
                make_order(2, lines=(replace(make_line(), name="\udfff"),)), id="in a product's name"
            ),
            pytest.param(
                replace(make_order(2), buyer=Person(email="bea@example.test", last_name="\ud800")),
                id="in a buyer's name",
            ),
            pytest.param(make_order(2, email="bea\ud800@example.test"), id="in an address"),
            pytest.param(
                make_order(2, lines=(replace(make_line(), quantity=Decimal("NaN")),)), id="no number at all"
            ),
        ],
    )
    def test_an_order_the_ledger_cannot_take_is_parked_and_blocks_no_other(
        self, stage: Stage, poison: Order
    ) -> None:
        stage.ledger.start_cursor("orders", T0, T0)
        move = CursorMove(name="orders", position=at(60))
        record = stage.ledger.record_page(
            [make_order(1), poison, make_order(3, email="eva@example.test")], (), stage.plan, move, T0
        )
        assert (record.fetched, record.fresh, record.parked) == (3, 2, 1)
        assert stage.kinds() == ["unreadable"]
        assert stage.summary().orders == 2
        cursor = stage.ledger.read_cursor("orders")
        assert cursor is not None
        assert cursor.position == at(60)

    def test_nothing_of_an_order_that_could_not_be_taken_stays(self, stage: Stage) -> None:
        stage.record(make_order(1, lines=(make_line(1), replace(make_line(2), total="\ud800"))))
        assert (stage.summary().orders, stage.summary().due) == (0, 0)

    def test_an_order_the_ledger_could_not_take_is_news_once(self, stage: Stage) -> None:
        poison = replace(make_order(2), customer_id=2**63)
        first = stage.ledger.record_page([poison], (), stage.plan, None, T0)
        second = stage.ledger.record_page([poison], (), stage.plan, None, at(60))
        assert (first.parked, second.parked) == (1, 0)

    @pytest.mark.parametrize("order_id", [OrderId(7), OrderId(2**70), None], ids=["known", "huge", "unknown"])
    def test_an_unreadable_order_is_parked(self, stage: Stage, order_id: OrderId | None) -> None:
        entry = Unreadable(order_id=order_id, reason="line_items.0: \ud800")
        record = stage.ledger.record_page((), [entry], stage.plan, None, T0)
        assert (record.fetched, record.parked) == (1, 1)
        assert stage.kinds() == ["unreadable"]

    @pytest.mark.parametrize("minutes", [0, 1], ids=["unchanged", "changed"])
    def test_an_order_that_can_be_read_again_leaves_the_list(self, stage: Stage, minutes: int) -> None:
        order = make_order()
        stage.record(order)
        stage.ledger.record_page((), [Unreadable(order_id=OrderId(1), reason="half")], stage.plan, None, T0)
        assert stage.kinds() == ["unreadable"]
        stage.record(later(order, "completed", minutes))
        assert stage.kinds() == []

    def test_a_parked_entry_dropped_by_a_person_stays_dropped_while_its_reason_is_the_same(
        self, stage: Stage
    ) -> None:
        order = make_order(lines=(make_line(quantity="3"),))
        stage.record(order)
        assert stage.ledger.desk.drop_parked(1, None, T0) == 1
        stage.record(later(order, "completed"))
        assert stage.kinds() == []
        more = make_order(lines=(make_line(quantity="4"),), modified_at=T0 + timedelta(minutes=9))
        stage.record(more)
        assert stage.kinds() == ["open_seats"]

    def test_only_the_named_line_is_dropped(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(1, quantity="3"), make_line(2, quantity="2"))))
        assert stage.ledger.desk.drop_parked(1, 2, T0) == 1
        assert [entry["line_id"] for entry in stage.parked()] == [1]
        assert stage.ledger.desk.drop_parked(1, 2, T0) == 0
        assert stage.ledger.desk.drop_parked(99, None, T0) == 0

    # -- the mapping's edits -----------------------------------------------------------------------------------------
    def test_lines_the_mapping_has_learnt_are_enrolled(self, stage: Stage) -> None:
        stage.record(
            *(make_order(n, email=f"{n}@example.test", lines=(make_line(sku="NEW"),)) for n in range(1, 450))
        )
        assert stage.summary().unmapped == 449
        stage.mapping.by_sku["NEW"] = ("campus", "44")
        record = stage.ledger.replan_unmapped(stage.plan, at(60))
        assert (record.fresh, record.unmapped) == (449, 0)
        assert (stage.summary().unmapped, stage.summary().due) == (0, 449)

    def test_planning_again_can_be_left_between_two_batches(self, stage: Stage) -> None:
        stage.record(
            *(make_order(n, email=f"{n}@example.test", lines=(make_line(sku="NEW"),)) for n in range(1, 450))
        )
        stage.mapping.by_sku["NEW"] = ("campus", "44")
        assert 0 < stage.ledger.replan_unmapped(stage.plan, at(60), lambda: True).fresh < 449
        stage.ledger.replan_unmapped(stage.plan, at(60))
        assert stage.summary().unmapped == 0

    def test_lines_still_unmapped_stay_so(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(sku="NEW"),)))
        assert stage.ledger.replan_unmapped(stage.plan, T0).unmapped == 1
        assert stage.summary().unmapped == 1

    def test_planning_again_touches_nothing_that_was_sold(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(1), make_line(2, sku="NEW"))))
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.mapping.by_sku["PY-101"] = ("campus", "99")
        stage.ledger.replan_unmapped(stage.plan, at(60))
        assert stage.ledger.next_due_at(CAMPUS) is None

    # -- cursors -----------------------------------------------------------------------------------------------------
    def test_a_ledger_that_never_polled_has_no_cursor(self, stage: Stage) -> None:
        assert stage.ledger.read_cursor("orders") is None

    def test_a_beginning_is_made_once(self, stage: Stage) -> None:
        stage.ledger.start_cursor("orders", T0, T0)
        stage.ledger.start_cursor("orders", at(500), T0)
        cursor = stage.ledger.read_cursor("orders")
        assert cursor is not None
        assert (cursor.position, cursor.walk, cursor.polled_at) == (T0, None, None)

    @pytest.mark.parametrize("position", [at(-60), None], ids=["earlier", "none"])
    def test_a_cursor_never_goes_back(self, stage: Stage, position: datetime | None) -> None:
        stage.ledger.start_cursor("orders", T0, T0)
        move = CursorMove(name="orders", position=position)
        stage.ledger.record_page((), (), stage.plan, move, at(5))
        cursor = stage.ledger.read_cursor("orders")
        assert cursor is not None
        assert (cursor.position, cursor.polled_at) == (T0, at(5))

    def test_a_walk_under_way_is_kept_and_ends_with_its_last_page(self, stage: Stage) -> None:
        stage.ledger.start_cursor("orders", T0, T0)
        walk = Walk(since=at(-300), started_at=at(1), page=2, newest=at(-1), total=9)
        stage.ledger.record_page((), (), stage.plan, CursorMove(name="orders", walk=walk), T0)
        under_way = stage.ledger.read_cursor("orders")
        stage.ledger.record_page((), (), stage.plan, CursorMove(name="orders", position=at(1)), at(5))
        done = stage.ledger.read_cursor("orders")
        assert under_way is not None
        assert (under_way.walk, under_way.polled_at, under_way.position) == (walk, None, T0)
        assert done is not None
        assert (done.walk, done.polled_at, done.position) == (None, at(5), at(1))

    # -- services and the mapping ------------------------------------------------------------------------------------
    def test_an_unknown_service_is_up(self, stage: Stage) -> None:
        known = stage.ledger.read_service("campus", T0)
        assert (known.identity, known.health, known.checked_at) == (
            "",
            Health(condition=Condition.UP, since=T0),
            None,
        )

    def test_health_is_kept_beside_the_identity(self, stage: Stage) -> None:
        health = Health(
            condition=Condition.DOWN, since=T0, failures=3, retry_at=at(9), reason="half \ud800" * 999
        )
        stage.ledger.record_health("campus", health)
        stage.ledger.record_identity("campus", "https://campus.example.com", "Campus", at(1))
        known = stage.ledger.read_service("campus", T0)
        assert (known.identity, known.checked_at) == ("https://campus.example.com", at(1))
        assert replace(known.health, reason="") == replace(health, reason="")
        assert known.health.reason.startswith("half \\ud800")
        assert len(known.health.reason) == 2000

    def test_another_identity_forgets_its_account_ids_and_no_other(self, stage: Stage) -> None:
        stage.ledger.record_identity("campus", "https://one.example.com", "Campus", T0)
        stage.record(make_order(1))
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.record(make_order(2, lines=(make_line(sku="BOTH"),)))
        stage.ledger.record_identity("campus", "https://one.example.com", "Campus", T0)
        stage.ledger.record_identity("academy", "https://two.example.com", "Academy", T0)
        known = stage.claim()
        assert known.seat.user_id == "100"
        stage.ledger.settle_deferred(known, deferral(0), T0)
        stage.ledger.record_identity("campus", "https://new.example.com", "Campus", T0)
        assert stage.claim().seat.user_id is None

    def test_the_last_good_mapping_is_kept(self, stage: Stage) -> None:
        assert stage.ledger.read_mapping() is None
        stage.ledger.record_mapping("{1}", T0)
        stage.ledger.record_mapping("{2}", T0)
        assert stage.ledger.read_mapping() == "{2}"

    # -- threads and processes ---------------------------------------------------------------------------------------
    def test_two_threads_never_hold_one_row(self, stage: Stage) -> None:
        stage.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 31)))
        claims: list[Claim] = []
        start = threading.Barrier(2)

        def take() -> None:
            start.wait()
            while (claim := stage.ledger.claim(CAMPUS, T0)) is not None:
                claims.append(claim)
                stage.ledger.settle_applied(claim, CREATED, T0)

        threads = [threading.Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({claim.learner_key for claim in claims}) == len(claims) == 30
        assert stage.summary().enrolled == 30

    def test_all_is_there_after_a_restart(self, stage: Stage, tmp_path: Path) -> None:
        stage.record(make_order())
        key = stage.ledger.identify("ana@example.test")
        stage.claim()
        stage.ledger.close()
        ledger, summary, _ = self.open(tmp_path)
        assert ledger.identify("ana@example.test") == key
        assert (summary().orders, summary().due) == (1, 1)
        assert ledger.recover(T0, T0) == 1
        ledger.close()

    def test_two_ledgers_know_one_person_by_different_keys(self, stage: Stage, tmp_path: Path) -> None:
        folder = tmp_path / "other"
        folder.mkdir()
        other, _, _ = self.open(folder)
        assert other.identify("ana@example.test") != stage.ledger.identify("ana@example.test")
        other.close()


class TestReadingOnSqlite(OnSqlite, ReadingContract):
    pass
