"""What came of the gift, the company's seats, the ninety days and what was given back: by the LMSs' own state."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from wcsync.demo.sales import COMPANY, COMPANY_SEATS, GIFT_SKUS, GIVER, STUDENT
from wcsync.demo.stage import Buyer, Seat, Stage


def judge_after_sale(stage: Stage, before: AbstractSet[Seat], held_open: int) -> dict[str, Any]:
    """`before`: who was in before anything of these sales was given back; `held_open`: how many seats wcsync's ledger
    says nobody has."""
    gift, company = _judge(stage, GIVER, before), _judge(stage, COMPANY, before)
    ends = _judge_ends(stage)
    open_seats = sum(sale.open_seats for sale in stage.sales() if sale.sku in stage.courses)
    return {
        "gift": gift,
        "company": company,
        "ends": ends,
        "open_seats": {"shop": open_seats, "ledger": held_open},
        "agree": _is_half_a_gift(gift)
        and _is_one_open_seat_less(company)
        and ends["right"] == ends["expected"] == 1
        and open_seats == held_open,
    }


def print_after_sale(found: dict[str, Any]) -> None:
    gift, company, ends, seats = (found[part] for part in ("gift", "company", "ends", "open_seats"))
    click.echo(
        f"\nA gift of {gift['seats']} courses: the one it is for was in {gift['were_in']}; {gift['given_back']} was "
        f"refunded, now it is {gift['are_in']}. Accounts of the giver: {gift['buyers_accounts']}.\n"
        f"{company['seats']} seats for a company: {company['were_in']} learners were in; {company['given_back']} seat "
        f"was refunded, {company['are_in']} are in; still open: {company['open']}. Accounts of the buyer: "
        f"{company['buyers_accounts']}.\n"
        f"90 days, bought twice: Moodle ends them {ends['says'] or 'never'}. As they should: {ends['right']} of "
        f"{ends['expected']}.\n"
        f"Seats that nobody has, in all orders: {seats['shop']} by the shop's own books, {seats['ledger']} by wcsync's."
    )
    click.echo(
        "What came after these sales is as it should be."
        if found["agree"]
        else "WHAT CAME AFTER THESE SALES IS NOT AS IT SHOULD BE."
    )


def _judge(stage: Stage, buyer: Buyer, before: AbstractSet[Seat]) -> dict[str, Any]:
    """Who learns by one buyer's lines. `are_right`: exactly those who should be in are in."""
    sales = stage.sales_to(buyer)
    places = {stage.courses[sale.sku] for sale in sales}
    others = {seat for sale in stage.sales() if sale not in sales for seat in _seats(stage, [sale])}
    wanted = _seats(stage, sales)
    learners = {learner for learner, _ in wanted}
    now = _among(stage.actual() - others, learners, places)
    return {
        "seats": sum(sale.sold for sale in sales),
        "given_back": sum(sale.given_back for sale in sales),
        "were_in": len(_among(before - others, learners, places)),
        "are_in": len(now),
        "open": sum(sale.open_seats for sale in sales),
        "buyers_accounts": stage.accounts(buyer[0]),
        "are_right": now == wanted,
    }


def _seats(stage: Stage, sales: Iterable[Any]) -> set[Seat]:
    return {
        (learner, stage.courses[sale.sku])
        for sale in sales
        for learner in sale.learners
        if sale.sku in stage.courses
    }


def _among(seats: AbstractSet[Seat], learners: AbstractSet[str], places: AbstractSet[Any]) -> set[Seat]:
    return {(learner, place) for learner, place in seats if learner in learners and place in places}


def _is_half_a_gift(gift: dict[str, Any]) -> bool:
    seats = len(GIFT_SKUS)
    counts = (gift["seats"], gift["were_in"], gift["given_back"], gift["are_in"], gift["buyers_accounts"])
    return gift["are_right"] and counts == (seats, seats, 1, seats - 1, 0)


def _is_one_open_seat_less(company: dict[str, Any]) -> bool:
    counts = (company["seats"], company["given_back"], company["open"], company["buyers_accounts"])
    in_all_along = company["were_in"] == company["are_in"] == COMPANY_SEATS - 2
    return company["are_right"] and in_all_along and counts == (COMPANY_SEATS, 1, 1, 0)


def _judge_ends(stage: Stage) -> dict[str, Any]:
    expected = {
        (email, int(stage.courses[sku][1])): end for (email, sku), end in stage.expected_ends().items()
    }
    said = {seat: _end_in_moodle(stage, *seat) for seat in expected}
    student = next((end for (email, _), end in said.items() if email == STUDENT[0]), None)
    return {
        "expected": len(expected),
        "right": sum(_is_right(said[seat], end) for seat, end in expected.items()),
        "says": f"{student:%Y-%m-%d %H:%M} UTC" if student else None,
    }


def _is_right(said: datetime | None, end: datetime) -> bool:
    """To the second; less than the hour is off where clocks skip the one in which it would end."""
    return said is not None and abs(said - end) < timedelta(hours=1)


def _end_in_moodle(stage: Stage, email: str, course_id: int) -> datetime | None:
    """None if the learner is not in, or without end."""
    for account in stage.moodle.accounts(email):
        enrolment = stage.moodle.find_enrolment(account.id, course_id)
        if enrolment is not None and enrolment.timeend:
            return datetime.fromtimestamp(enrolment.timeend, UTC)
    return None
