"""Who buys in the demo's shop, and what goes wrong meanwhile."""

import random
from collections.abc import Callable

from wcsync.demo.curriculum import DAYS_SKU
from wcsync.demo.misfortunes import misfortune_before
from wcsync.demo.sales import Sold, special_sales
from wcsync.demo.stage import IGNORED_SKU, UNMAPPED_SKU, Buyer, Stage

SHOPPING_S = 8.0
"""About how long the shoppers take, however many orders they make."""

SHOPPERS: tuple[Buyer, ...] = (
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
    special = [*_special_orders(stage), *special_sales(stage)]
    ordinary, skus = orders - len(special), sorted(stage.courses.keys() - {DAYS_SKU})
    pause_s = min(SHOPPING_S / orders, 0.3)
    sold: list[int] = []
    for number in range(ordinary):
        if misfortune := misfortune_before(number, ordinary):
            say(f"Bad luck: {misfortune.what}.")
            misfortune.strike(stage)
        between(number)
        chosen = tuple(dice.sample(skus, dice.choice((1, 1, 1, 2, 3))))
        sold.append(stage.sell(_shopper(dice.randrange(len(SHOPPERS) + orders // 2)), chosen))
        if wait(pause_s):
            return
    for what, sell in special:
        say(f"A shopper: {what}.")
        sell()
    say("An order is refunded in full.")
    stage.shop.set_status(sold[0], "refunded")


def _special_orders(stage: Stage) -> list[Sold]:
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


def _shopper(number: int) -> Buyer:
    if number < len(SHOPPERS):
        return SHOPPERS[number]
    return f"guest{number}@example.test", "Guest", f"Number {number}"
