"""Whatever becomes of orders, whatever people say, whatever fails and wherever the process is killed: nobody loses a
course, nobody is in twice, unpaid, or put out by accident; in the end all is as a plain reading of the shop says."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.machines import STEPS, play
from tests.proofs import Proof
from tests.sale_stage import ADDRESSES, DAY, DAYS, GROUP, LATER_TERMS, NEW, UNTIL
from tests.sale_troubles import SHOP_FAULTS, SaleTroubles
from tests.sale_world import SaleWorld
from wcsync.sandbox.shop_lines import Sold

EXAMPLES = {"short": 25, "full": 1500}[os.environ.get("WCSYNC_PROVE", "short")]
COUNTS = {name: name for name in ("seats", "accounts", "notes")}


class Sales(SaleTroubles):
    """All that may happen, in any order."""


def test_what_the_trash_took_before_it_was_sold_is_not_sold_by_a_later_mapping(tmp_path: Path) -> None:
    world, ana = SaleWorld(tmp_path), ADDRESSES[0]
    with_end = world.buy(ana, [Sold(product_id=GROUP, meta={"learner_email": ana})])
    unmapped = world.buy(ana, [Sold(product_id=NEW)])
    assert world.poll()
    world.work()
    for order_id in (with_end, unmapped):
        world.trash(order_id)
    assert world.poll()
    world.edit_mapping(NEW, LATER_TERMS[1])
    world.settle()
    world.check_settled()
    assert list(world.wishes()) == [(ana, "academy:a1")]
    world.close()


def test_a_line_that_waits_for_its_mapping_is_sold_as_it_was_read_though_the_shop_has_moved_on(
    tmp_path: Path,
) -> None:
    world, ana = SaleWorld(tmp_path), ADDRESSES[0]
    order_id = world.buy(ana, [Sold(product_id=NEW)])
    assert world.poll()
    world.refund_all(order_id)
    world.edit_mapping(NEW, LATER_TERMS[0])
    world.work()
    world.check()
    world.settle()
    world.check_settled()
    assert not world.wishes()
    world.close()


def test_seats_that_were_held_are_open_to_those_the_order_names_once_the_row_says_so(tmp_path: Path) -> None:
    world, (ana, bea, *_) = SaleWorld(tmp_path), ADDRESSES
    order_id = world.buy(ana, [Sold(product_id=UNTIL, quantity=2, meta={"learner_email": bea})])
    assert world.poll()
    assert not world.wishes()
    world.edit_mapping(UNTIL, replace(world.terms[UNTIL], seats="buyer-once"))
    world.set_status(order_id, "processing")
    world.set_status(order_id, "completed")
    assert world.poll()
    assert list(world.wishes()) == [(bea, "campus:py102")]
    world.close()


def test_an_order_read_by_a_clock_that_is_ahead_is_not_over_once_the_clock_is_right(tmp_path: Path) -> None:
    world, ana = SaleWorld(tmp_path), ADDRESSES[0]
    world.skew(400 * DAY)
    world.buy(ana, [Sold(product_id=DAYS)])
    assert world.poll()
    assert not world.wishes()
    world.settle()
    world.check_settled()
    assert {place for _, place in world.wishes()} == {"campus:py101", "campus:py102"}
    world.close()


def test_a_sale_read_after_its_time_is_told_of_although_the_learner_was_put_out_before(
    tmp_path: Path,
) -> None:
    world, ana = SaleWorld(tmp_path), ADDRESSES[0]
    first = world.buy(ana, [Sold(product_id=DAYS)])
    assert world.poll()
    world.work()
    world.refund_all(first)
    assert world.poll()
    world.work()
    second = world.buy(ana, [Sold(product_id=DAYS)])
    world.tick(10 * DAY)
    assert world.poll()
    world.check()
    world.settle()
    world.check_settled()
    listed = world.rows("SELECT DISTINCT order_id FROM parked WHERE kind = 'never_in'")
    assert [row["order_id"] for row in listed] == [second]
    world.close()


def test_a_pause_that_a_shop_asks_for_while_our_clock_is_an_hour_ahead_comes_to_its_end(
    tmp_path: Path,
) -> None:
    world, ana = SaleWorld(tmp_path), ADDRESSES[0]
    world.skew(3600.0)
    world.merchant.spoils[:] = [SHOP_FAULTS["maintenance"]] * 3
    assert not world.poll(believed=False)
    world.buy(ana, [Sold(product_id=DAYS)])
    world.settle()
    world.check_settled()
    world.close()


def test_a_sale_lives_as_a_plain_reading_of_the_shop_says(proof: Proof) -> None:
    play(Sales, proof, "a few sales", 10, 25, **COUNTS)


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_many_sales_live_as_a_plain_reading_of_the_shop_says(proof: Proof) -> None:
    play(Sales, proof, "sales", EXAMPLES, STEPS, **COUNTS)
