"""A day-old backup in the ledger's place: all that was done since is found again, and nothing is done twice."""

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.proofs import Proof
from tests.system.till import ANA, BEA, Till
from wcsync.ledger.lock import only_instance

SEEDS = {"short": 5, "full": 50}[os.environ.get("WCSYNC_PROVE", "short")]
MIRROR = "[course_sync]\nenabled = true\n"


@dataclass
class Day:
    """A day of a shop, and what its sandboxes hold."""

    till: Till
    dice: random.Random
    courses: list[tuple[int, int]] = field(default_factory=list)
    group: tuple[int, str] = (0, "")
    orders: list[int] = field(default_factory=list)
    put_right: dict[str, str] = field(default_factory=dict)

    def open(self) -> None:
        self.till.configure(MIRROR)
        self.courses = [self.till.sells_course() for _ in range(4)]
        self.group = self.till.sells_group()

    def sell(self, number: int) -> None:
        for _ in range(number):
            buyer = f"buyer{self.dice.randrange(90)}.marked@personal.example.test"
            product = self.dice.choice([*self.courses, self.group])[0]
            self.orders.append(self.till.buy(buyer, product))
            self.till.time.tick(1)

    def refund(self, among: list[int], number: int) -> list[int]:
        chosen = self.dice.sample([one for one in among if self.is_paid(one)], number)
        for order_id in chosen:
            self.till.shop.refund(order_id)
            self.till.time.tick(1)
        return chosen

    def rename(self, place: int, name: str) -> None:
        self.till.moodle.courses[self.courses[place][1]].fullname = name

    def put_an_address_right(self, among: list[int]) -> int:
        """Of a buyer with one order alone. Which order that is."""
        counts = Counter(order["billing"]["email"] for order in self.till.shop.orders.values())
        order_id = next(
            one
            for one in among
            if self.is_paid(one) and counts[self.till.shop.orders[one]["billing"]["email"]] == 1
        )
        old = self.till.shop.orders[order_id]["billing"]["email"]
        self.put_right[old] = f"right.{old}"
        self.say_it()
        return order_id

    def say_it(self) -> None:
        for old, new in self.put_right.items():
            self.till.run("relink", old, new)

    def learner_of(self, order: dict[str, Any]) -> str:
        email = str(order["billing"]["email"])
        return self.put_right.get(email, email)

    def is_paid(self, order_id: int) -> bool:
        return bool(self.till.shop.orders[order_id]["status"] == "completed")

    def work(self) -> None:
        """What a mass of refunds waits for is allowed by a person."""
        self.till.pass_days(0.05)
        if self.till.ask("withdrawals")["stopped"]:
            self.till.run("withdrawals", "allow")
            self.till.pass_days()

    def expected(self) -> set[tuple[str, Any]]:
        places = dict([*self.courses, self.group])
        return {
            (self.learner_of(order), places[line["product_id"]])
            for number, order in self.till.shop.orders.items()
            for line in order["line_items"]
            if self.is_paid(number)
        }

    def inside(self) -> set[tuple[str, Any]]:
        return {*self.till.moodle.active_enrolments(), *self.till.academy.learners()}

    def holdings(self) -> Counter[tuple[Any, ...]]:
        """What there must be no second of, by the sandboxes' own records."""
        found = Counter[tuple[Any, ...]]()
        moodle = self.till.moodle
        for user in moodle.users.values():
            found["account", user.email] += 1
        for row in [*moodle.enrolments, *moodle.former_enrolments]:
            calls = [one for one in row.history if one.action == "enrolled"]
            found["enrolling", row.user_id, row.course_id] += len(calls)
        found.update({("mail", *key): count for key, count in moodle.mails.items()})
        for order_id in self.till.shop.orders:
            found["notes", order_id] = len(self.till.notes(order_id))
        found["products",] = len(self.till.shop.products)
        return found


def live_on(day: Day) -> int:
    """The day that the backup knows nothing of. Returns the order of which an address was put right."""
    day.till.time.tick(3600)
    old, fresh = list(day.orders), len(day.orders)
    for name in ("Another name", "A third name"):
        day.sell(20)
        day.rename(0, name)
        day.till.pass_days(0.3)
        day.refund(day.orders[fresh:], 2)
        day.refund(old, 2)
        day.work()
    decided = day.put_an_address_right(day.orders[fresh:])
    day.work()
    return decided


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_day_old_backup_finds_all_again_and_does_nothing_twice(till: Till, proof: Proof, seed: int) -> None:
    day = Day(till, random.Random(seed))
    day.open()
    day.sell(37)
    day.work()
    day.sell(3)
    day.refund(day.orders, 3)
    day.work()
    copy = till.folder / "copy.db"
    till.run("backup", str(copy))
    fresh = len(day.orders)
    decided = live_on(day)
    held, shown = day.holdings(), [till.shop.product(number) for number in sorted(till.shop.products)]
    assert day.inside() == day.expected()
    till.run("restore", str(copy))
    till.time.tick(60)
    day.work()
    till.pass_days(0.3)
    after = day.holdings()
    del held["notes", decided], after["notes", decided]  # that it is held is news
    doubled = sum((after - held).values())
    lost = len(day.inside() ^ day.expected())
    shown_now = [till.shop.product(number) for number in sorted(till.shop.products)]
    status = till.ask("status")
    holds = [row["order_id"] for row in status["held"]]
    day.say_it()
    till.run("release", str(decided))
    day.work()
    again = day.holdings()
    del again["notes", decided]
    doubled += sum((again - after).values())
    lost += len(day.inside() ^ day.expected())
    late = day.refund(day.orders[fresh:], 5)
    day.work()
    left = len(day.inside() ^ day.expected())
    proof.tell(
        "machine",
        "restored from a day-old backup",
        trials=1,
        lost=lost + left,
        doubled=doubled,
        seed=seed,
        orders=len(day.orders),
        refunds_later=len(late),
    )
    assert after == held, (after - held, held - after)
    assert doubled == 0
    assert shown_now == shown
    assert (lost, left) == (0, 0)
    assert holds == [decided]
    assert [text.count("is enrolled") for text in till.notes(decided)[:4]] == [1, 1, 0, 1]
    assert status["restored"]["caught_up_at"] is not None
    assert status["summary"]["unexplained"] == 0
    assert set(till.parked()) <= {"bought_again"}
    assert till.ask("dead", "list") == []


def test_commands_back_up_and_restore_a_ledger_that_then_catches_up(till: Till) -> None:
    product, course = till.sells_course()
    till.buy(ANA, product)
    till.pass_days()
    copy = till.folder / "copy.db"
    taken = till.ask("backup", str(copy))
    assert (taken["orders"], taken["enrolments"], taken["bytes"]) == (1, 1, copy.stat().st_size)
    assert f"restore {copy}" in till.run("backup", str(copy)).output.replace("\n", " ")
    till.buy(BEA, product)
    till.pass_days(0.5)
    assert till.ask("status")["restored"] is None
    assert till.ask("restore", str(copy))["taken_at"].startswith("2026-11-21")
    assert "not caught up yet" in till.run("status").output.replace("\n", " ")
    found = {one["code"] for one in till.ask("check")["diagnoses"]}
    assert "ledger_restored" in found
    till.pass_days()
    till.pass_days()
    assert till.ask("status")["restored"]["caught_up_at"] is not None
    assert "not caught up yet" not in till.run("status").output.replace("\n", " ")
    assert till.inside(course) == {ANA, BEA}


def test_a_folder_of_backups_keeps_the_newest(till: Till) -> None:
    product, _ = till.sells_course()
    till.buy(ANA, product)
    till.pass_days()
    folder = till.folder / "backups"
    removed = []
    for _ in range(4):
        removed += till.ask("backup", str(folder), "--keep", "2")["removed"]
        till.time.tick(86400)
    assert len(removed) == 2
    assert [one.name[:15] for one in sorted(folder.iterdir())] == ["wcsync-20261123", "wcsync-20261124"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_nothing_is_restored_under_a_daemon_that_works(till: Till) -> None:
    product, _ = till.sells_course()
    till.buy(ANA, product)
    till.pass_days()
    copy = till.folder / "copy.db"
    till.run("backup", str(copy))
    with only_instance(till.folder / "ledger.db"):
        till.run("restore", str(copy), exit_code=75)
    till.run("backup", str(till.folder / "config.toml"), exit_code=78)
    till.run("backup", str(till.folder / "ledger.db"), "--force", exit_code=78)
    till.run("restore", str(till.folder / "config.toml"), exit_code=78)


def test_products_made_since_the_backup_are_found_and_not_made_again(till: Till) -> None:
    product, _ = till.sells_course()
    till.buy(ANA, product)
    till.pass_days()
    copy = till.folder / "copy.db"
    mapping = (till.folder / "mapping.toml").read_text()
    till.run("backup", str(copy))
    course = till.moodle.add_course("A new course")
    till.run("courses", "import", "--lms", "campus", "--only", str(course))
    products = set(till.shop.products)
    (till.folder / "mapping.toml").write_text(mapping)
    till.run("restore", str(copy))
    till.pass_days()
    till.run("courses", "import", "--lms", "campus", "--only", str(course))
    assert set(till.shop.products) == products
