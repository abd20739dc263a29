"""Sales of which more than one person or one day is part: a gift, a company's seats, ninety days; and what of them is
given back."""

import time
from collections.abc import Callable

from wcsync.app import App, plan_of_today
from wcsync.demo.books import ATTENDEE, RECIPIENT, TICKETS
from wcsync.demo.curriculum import DAYS_SKU, NAMED_SKU
from wcsync.demo.stage import Buyer, Stage
from wcsync.ledger.desk import Giving, OpenSeats
from wcsync.model import OrderId, Person

PATIENCE_S = 30.0

GIVER: Buyer = ("grandma@example.test", "Rosa", "Conti")
RECIPIENT_IS: Buyer = ("grandson@example.test", "Luca", "Conti")
GIFT_SKUS, GIVEN_BACK_SKU = ("DE-A1", "GDPR"), "GDPR"

COMPANY: Buyer = ("purchasing@company.example", "Marie", "Achats")
COMPANY_SEATS = 5
STAFF: tuple[Buyer, ...] = (
    ("amir@company.example", "Amir", "Haddad"),
    ("Berthe@Company.example", "Berthe", "Lévy"),
)
NAMED_LATER: Buyer = ("chloe@company.example", "Chloé", "Petit")

STUDENT: Buyer = ("student@example.test", "Ines", "Ferreira")

Sold = tuple[str, Callable[[], int]]


def special_sales(stage: Stage) -> list[Sold]:
    """What each is, and what makes it."""
    return [
        (
            "buys two courses as a gift; the order names who is to learn",
            lambda: stage.sell(GIVER, GIFT_SKUS, meta=_gift_meta()),
        ),
        (
            "buys five seats for a company and names two who are to learn",
            lambda: stage.sell(COMPANY, (NAMED_SKU,), quantity=COMPANY_SEATS, meta=_company_meta()),
        ),
        ("buys a course for 90 days", lambda: stage.sell(STUDENT, (DAYS_SKU,))),
        ("buys 90 days more of it", lambda: stage.sell(STUDENT, (DAYS_SKU,))),
    ]


def assign_by_hand(stage: Stage, app: App, say: Callable[[str], None]) -> bool:
    """Gives one of the company's open seats to a learner, once the daemon has read the order. False if it does not."""
    email, first, last = NAMED_LATER
    seats = _wait_for_open_seats(stage, app)
    if seats is None:
        return False
    say("By hand, as by `wcsync parked assign`: one of the company's three open seats gets a learner.")
    learner = Person(email=email, first_name=first, last_name=last)
    giving = Giving(order_id=seats.order_id, line_id=seats.line_id, learners=(learner,))
    app.ledger.desk.assign([giving], plan_of_today(app.config, app.ledger), app.clock())
    stage.by_hand.setdefault(int(seats.order_id), []).append(email)
    app.pool.wake()
    return True


def give_back(stage: Stage, say: Callable[[str], None]) -> None:
    """Half of the gift, and one seat of the company."""
    say("One of the company's two open seats is refunded.")
    _refund_one(stage, COMPANY, NAMED_SKU)
    say("Of the gift's two courses one is refunded.")
    _refund_one(stage, GIVER, GIVEN_BACK_SKU)


def _refund_one(stage: Stage, buyer: Buyer, sku: str) -> None:
    for sale in stage.sales_to(buyer):
        if sale.sku == sku:
            stage.shop.refund(sale.order_id, {sale.line_id: 1})


def _wait_for_open_seats(stage: Stage, app: App) -> OpenSeats | None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not app.stop.is_set():
        for sale in stage.sales_to(COMPANY):
            for seats in _read_open_seats(app, sale.order_id):
                return seats
        app.stop.wait(0.2)
    return None


def _read_open_seats(app: App, order_id: int) -> list[OpenSeats]:
    try:
        return app.ledger.desk.read_open_seats(OrderId(order_id))
    except KeyError:  # not read yet
        return []


def _gift_meta() -> dict[str, object]:
    email, first, last = RECIPIENT_IS
    return {RECIPIENT: email, "learner_first_name": first, "learner_last_name": last}


def _company_meta() -> dict[str, object]:
    tickets = {
        str(number): {
            f"{ATTENDEE}Email": email,
            f"{ATTENDEE}Name": first,
            f"{ATTENDEE}LastName": last,
        }
        for number, (email, first, last) in enumerate(STAFF, start=1)
    }
    return {TICKETS: {"1": tickets}}
