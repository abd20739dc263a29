"""Who buys in the demo's shop, and what goes wrong meanwhile."""

import random
from collections.abc import Callable

from wcsync.demo.stage import IGNORED_SKU, UNMAPPED_SKU, Stage
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault

SHOPPING_S = 8.0
"""About how long the shoppers take, however many orders they make."""

SHOPPERS = (
    ("ana.garcia@example.test", "Ana", "García Núñez"),
    ("O'Neil@example.test", "Seán", "O'Neil"),
    ("zoe+courses@example.test", "Zoë", "Brontë & Sœurs"),
    ("jan.kowalski@example.test", "Jan", "Kowalski"),
    ("mei.lin@example.test", "美玲", "林"),
    ("party@example.test", "🎉", ""),
    ("nguyen@example.test", "Nguyễn", "Văn An"),
    ("bobby@example.test", "Robert'); DROP TABLE students;--", "<b>Tables</b>"),
)

Say = Callable[[str], None]
Wait = Callable[[float], bool]
"""Waits so many seconds; True if it is all to end."""


def go_shopping(
    stage: Stage, orders: int, *, say: Say, wait: Wait, between: Callable[[int], None] = lambda _number: None
) -> None:
    """`between`: called before each of the ordinary orders, with its number."""
    dice = random.Random(7)  # noqa: S311 - the same shoppers each time
    special = _special_orders(stage)
    pause_s = min(SHOPPING_S / orders, 0.3)
    refundable: list[int] = []
    for number in range(orders - len(special)):
        _misfortune(stage, number, orders, say)
        between(number)
        skus = tuple(dice.sample(sorted(stage.courses), dice.choice((1, 1, 1, 2, 3))))
        refundable.append(stage.sell(_shopper(dice.randrange(len(SHOPPERS) + orders // 2)), skus))
        if wait(pause_s):
            return
    for what, sell in special:
        say(f"A shopper: {what}.")
        refundable.append(sell())
    say("An order is refunded in full.")
    stage.take_back(refundable[0])


def _special_orders(stage: Stage) -> list[tuple[str, Callable[[], int]]]:
    return [
        (
            "buys a course that is in no mapping row",
            lambda: stage.sell(SHOPPERS[0], ("PY-101", UNMAPPED_SKU)),
        ),
        ("buys a mug, which is no course", lambda: stage.sell(SHOPPERS[1], (IGNORED_SKU,))),
        (
            "pays cash on delivery, not yet paid",
            lambda: stage.sell(SHOPPERS[2], ("DE-A1",), status="processing", paid=False),
        ),
        ("has not paid", lambda: stage.sell(SHOPPERS[3], ("DE-A1",), status="pending", paid=False)),
        (
            "buys three seats and names nobody else",
            lambda: stage.sell(SHOPPERS[4], ("JA-KAN",), quantity=3),
        ),
        ("buys the same course again", lambda: stage.sell(SHOPPERS[4], ("JA-KAN",))),
    ]


def _shopper(number: int) -> tuple[str, str, str]:
    if number < len(SHOPPERS):
        return SHOPPERS[number]
    return f"guest{number}@example.test", "Guest", f"Number {number}"


def _misfortune(stage: Stage, number: int, orders: int, say: Callable[[str], None]) -> None:
    """The bad day, in small: each of these has cost somebody an order."""
    if number == orders // 8:
        say("Bad luck: Moodle enrols two learners, but both answers get lost on the way.")
        stage.moodle.faults.add(Fault(kind="reset_after", match="enrol_manual_enrol_users", times=2))
    elif number == orders // 4:
        say("Bad luck: Moodle creates an account a second after wcsync lost the connection.")
        stage.moodle.faults.add(Fault(kind="late_effect", match="core_user_create_users", seconds=1.0))
    elif number == 3 * orders // 8:
        say("Bad luck: the shop takes a note beside an order, but its answer gets lost on the way.")
        stage.shop.faults.add(Fault(kind="reset_after", match=_is_new_note))
    elif number == orders // 2:
        say("Bad luck: the shop answers with a page of HTML, status 200.")
        stage.shop.faults.add(Fault(kind="html200", match="/wc/v3/orders"))
    elif number == 5 * orders // 8:
        say("Bad luck: 360Learning invites a learner, but the answer gets lost on the way.")
        stage.academy.faults.add(Fault(kind="reset_after", match="POST /api/v2/users"))
    elif number == 3 * orders // 4:
        say("Bad luck: Moodle goes into maintenance for a moment.")
        stage.moodle.faults.add(
            Fault(kind="status", status=503, headers={"Retry-After": "1"}, body="Maintenance", times=2)
        )


def _is_new_note(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/notes")
