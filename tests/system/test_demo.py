"""`wcsync demo` would say so if learners, seats, ends, products or its proof were not as they should be."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from wcsync.app import App
from wcsync.config import load_config
from wcsync.demo.after_sale import judge_after_sale
from wcsync.demo.course_changes import EDITED, EDITED_SKU
from wcsync.demo.curriculum import DAYS_SKU, NAMED_SKU
from wcsync.demo.misfortunes import MISFORTUNES, misfortune_before
from wcsync.demo.proof import judge_proof, prove
from wcsync.demo.sales import (
    COMPANY,
    GIFT_SKUS,
    GIVEN_BACK_SKU,
    GIVER,
    NAMED_LATER,
    RECIPIENT_IS,
    STAFF,
    STUDENT,
    give_back,
    special_sales,
)
from wcsync.demo.shop_window import Window
from wcsync.demo.stage import Place, Stage, opened
from wcsync.ledger.mirror import DONE
from wcsync.pollers.courses import Options

pytestmark = pytest.mark.prove
"""The demo's own judgement, outcome by outcome; that it agrees is tried with the commands."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with opened(tmp_path) as stage:
        yield stage


@pytest.fixture
def window(stage: Stage) -> Window:
    """Course data was carried over once, and then a person rewrote a description."""
    window = Window.of(stage)
    assert window.wrong()
    app = App(load_config(stage.config_path, {}).config)
    app.load()
    assert app.courses(lambda: app.mapping.current).run(Options()).outcome == DONE
    app.close()
    stage.shop.edit_product(stage.products[EDITED_SKU], description=EDITED)
    return window


def test_what_the_mirror_leaves_behind_is_in_order(window: Window) -> None:
    assert (window.wrong(), window.lost(), window.touched(), window.covers()) == ([], [], [], (2, 4))


@pytest.mark.parametrize(
    ("sku", "changes"),
    [
        ("PY-101", {"price": "1.00"}),
        ("PY-101", {"status": "draft"}),
        ("PY-101", {"sku": "PY-102"}),
        ("PY-101", {"tags": []}),
        ("PY-101", {"attributes": {}}),
        ("ES-DIS", {"manage_stock": False}),
        ("ES-DIS", {"images": []}),
        ("ES-DIS", {"meta": {"_yoast_wpseo_title": None}}),
        ("MUG-1", {"name": "Tea mug"}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_change_of_what_is_not_the_mirrors_business_is_seen(
    stage: Stage, window: Window, sku: str, changes: dict[str, Any]
) -> None:
    stage.shop.edit_product(stage.products[sku], **changes)
    assert window.touched()


@pytest.mark.parametrize(
    ("sku", "field"),
    [
        ("DE-A1", "description"),
        (EDITED_SKU, "description"),
        ("PY-TEAM", "name"),
        ("GDPR", "short_description"),
    ],
)
def test_a_text_of_people_that_is_lost_is_seen(stage: Stage, window: Window, sku: str, field: str) -> None:
    changes: dict[str, Any] = {field: "<p>From the course.</p>"}
    stage.shop.edit_product(stage.products[sku], **changes)
    assert window.lost()


@pytest.mark.parametrize(
    "change",
    [
        lambda stage: stage.moodle.describe_course(int(stage.courses["PY-101"][1]), name="Another"),
        lambda stage: stage.moodle.describe_course(int(stage.courses["PY-101"][1]), skills=["Another"]),
        lambda stage: stage.moodle.describe_course(int(stage.courses["ES-DIS"][1]), modules=[]),
        lambda stage: stage.academy.describe_path(stage.paths[stage.courses["GDPR"][1]], steps=[]),
    ],
    ids=["name", "skills", "modules", "steps"],
)
def test_a_course_that_is_not_shown_as_it_is_now_is_seen(
    stage: Stage, window: Window, change: Callable[[Stage], None]
) -> None:
    change(stage)
    assert window.wrong()


# -- what the shop's books say ---------------------------------------------------------------------------------------
ADDRESSES = {email.casefold() for email, _, _ in (*STAFF, NAMED_LATER)}


@pytest.fixture
def sold(stage: Stage) -> Stage:
    """The gift, the company's seats, one of them given by hand, and the ninety days."""
    for _, sell in special_sales(stage):
        sell()
    stage.by_hand[stage.sales_to(COMPANY)[0].order_id] = [NAMED_LATER[0]]
    return stage


def learners_of(stage: Stage, sku: str) -> set[str]:
    return {email for email, place in stage.expected() if place == stage.courses[sku]}


def test_the_one_a_gift_is_for_is_expected_and_its_giver_is_not(sold: Stage) -> None:
    assert [learners_of(sold, sku) for sku in GIFT_SKUS] == [{RECIPIENT_IS[0]}, {RECIPIENT_IS[0]}]


def test_a_company_is_expected_to_have_those_it_named_and_open_seats(sold: Stage) -> None:
    (sale,) = sold.sales_to(COMPANY)
    assert (set(sale.learners), sale.open_seats) == (ADDRESSES, 2)


def test_a_refunded_seat_is_an_open_one_and_a_refunded_line_is_nobodys(sold: Stage) -> None:
    give_back(sold, say=lambda _text: None)
    (sale,) = sold.sales_to(COMPANY)
    assert (set(sale.learners), sale.open_seats, sale.given_back) == (ADDRESSES, 1, 1)
    assert [learners_of(sold, sku) for sku in GIFT_SKUS] == [{RECIPIENT_IS[0]}, set()]


def test_an_order_refunded_as_a_whole_or_not_paid_lets_nobody_in(stage: Stage) -> None:
    stage.shop.refund(stage.sell(STUDENT, ("PY-101",)))
    stage.sell(STUDENT, ("PY-101",), status="processing", paid=False)
    assert (stage.sales(), stage.expected()) == ([], set())


def test_days_bought_twice_are_expected_to_add_up_by_the_shops_clock(stage: Stage) -> None:
    noon = datetime(2026, 1, 10, 11, tzinfo=UTC)
    for at in (noon, noon + timedelta(days=10)):
        stage.shop.buy(*STUDENT, [(stage.products[DAYS_SKU], 1)], at=at)
    assert stage.expected_ends() == {(STUDENT[0], DAYS_SKU): datetime(2026, 7, 9, 10, tzinfo=UTC)}


# -- and what the LMSs hold ------------------------------------------------------------------------------------------
@pytest.fixture
def played(sold: Stage) -> Stage:
    """As it should be in the end; by hand, not by wcsync."""
    for email, place in sold.expected():
        let_in(sold, email, place)
    give_back(sold, say=lambda _text: None)
    academy = sold.academy
    (account,) = academy.accounts(RECIPIENT_IS[0])
    academy.remove_role(sold.courses[GIVEN_BACK_SKU][1], account.id)
    return sold


def let_in(stage: Stage, email: str, place: Place) -> None:
    lms, course = place
    if lms == "academy":
        stage.academy.add_role(course, stage.academy.add_user(email))
        return
    known = stage.moodle.accounts(email)
    user_id = known[0].id if known else stage.moodle.add_user(email)
    end = stage.expected_ends().get((email, DAYS_SKU))
    ends = place == stage.courses[DAYS_SKU] and end
    stage.moodle.enrol(user_id, int(course), timeend=int(end.timestamp()) if ends and end else 0)


def put_out(stage: Stage, email: str, sku: str) -> None:
    (account,) = stage.moodle.accounts(email)
    stage.moodle.unenrol(account.id, int(stage.courses[sku][1]))


def shift_end(stage: Stage, seconds: int) -> None:
    (account,) = stage.moodle.accounts(STUDENT[0])
    enrolment = stage.moodle.find_enrolment(account.id, int(stage.courses[DAYS_SKU][1]))
    assert enrolment is not None
    enrolment.timeend += seconds


def agrees(stage: Stage, *, held_open: int = 1) -> bool:
    company, gift = stage.courses[NAMED_SKU], [stage.courses[sku] for sku in GIFT_SKUS]
    before = {(email, company) for email in ADDRESSES} | {(RECIPIENT_IS[0], place) for place in gift}
    return bool(judge_after_sale(stage, before, held_open)["agree"])


def test_what_is_as_it_should_be_after_the_sales_agrees(played: Stage) -> None:
    assert agrees(played)


@pytest.mark.parametrize(
    "change",
    [
        lambda stage: let_in(stage, GIVER[0], stage.courses[GIFT_SKUS[0]]),
        lambda stage: let_in(stage, COMPANY[0], stage.courses[NAMED_SKU]),
        lambda stage: let_in(stage, RECIPIENT_IS[0], stage.courses[GIVEN_BACK_SKU]),
        lambda stage: put_out(stage, RECIPIENT_IS[0], GIFT_SKUS[0]),
        lambda stage: put_out(stage, NAMED_LATER[0], NAMED_SKU),
        lambda stage: put_out(stage, STUDENT[0], DAYS_SKU),
        lambda stage: shift_end(stage, 3600),
        lambda stage: shift_end(stage, -90 * 86_400),
    ],
    ids=[
        "the giver is in",
        "the company's buyer is in",
        "the refunded course is still open to the recipient",
        "the recipient lost both courses",
        "an open seat's refund put a learner out",
        "the ninety days are missing",
        "the end is an hour off",
        "the second ninety days are missing",
    ],
)
def test_what_is_wrong_after_the_sales_is_seen(played: Stage, change: Callable[[Stage], None]) -> None:
    change(played)
    assert not agrees(played)


def test_open_seats_that_the_ledger_counts_otherwise_are_seen(played: Stage) -> None:
    assert not agrees(played, held_open=2)


def test_without_the_sales_nothing_agrees(stage: Stage) -> None:
    assert not judge_after_sale(stage, set(), 0)["agree"]


# -- the proof -------------------------------------------------------------------------------------------------------
@pytest.fixture
def app(stage: Stage) -> Iterator[App]:
    """One course was bought, and its buyer let in."""
    stage.sell(STUDENT, ("PY-101",))
    app = App(load_config(stage.config_path, {}).config)
    app.prepare()
    assert app.run_cycle()
    yield app
    app.close()


def test_the_proof_of_a_sale_that_was_carried_out_holds(stage: Stage, app: App) -> None:
    judged = judge_proof(stage, prove(app))
    assert (judged["agree"], judged["paid_lines"], judged["enrolled"]) == (True, 1, 1)


def test_a_proof_that_says_less_than_the_shops_books_does_not_hold(stage: Stage, app: App) -> None:
    proven = prove(app)
    stage.sell(STUDENT, ("DE-A1",))
    assert not judge_proof(stage, proven)["agree"]


def test_a_proof_that_misses_a_learner_does_not_hold(stage: Stage, app: App) -> None:
    put_out(stage, STUDENT[0], "PY-101")
    assert not judge_proof(stage, prove(app))["agree"]


def test_a_proof_without_an_end_does_not_hold(stage: Stage, app: App) -> None:
    app.stop.set()
    proven = prove(app)
    assert proven is None
    assert not judge_proof(stage, proven)["agree"]


def test_every_misfortune_strikes_once_and_none_beside_another() -> None:
    struck = [misfortune_before(number, 28) for number in range(28)]
    assert [one for one in struck if one] == list(MISFORTUNES)


def test_few_orders_have_few_misfortunes() -> None:
    struck = [misfortune_before(number, 8) for number in range(8)]
    assert [one for one in struck if one] == list(MISFORTUNES[:2])
