"""From a sandbox shop with subscriptions, by the real client and ledger, into an LMS: who is in, and until when."""

import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from tests.fakes import CAMPUS, FakeStore
from tests.spine import Spine
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.base import Capability
from wcsync.mappers.mapping_table import Match
from wcsync.model import CourseId, Line, Target
from wcsync.sale import Access, Terms, Withdrawal
from wcsync.sandbox.shop import SandboxShop
from wcsync.store.client import WooCommerce

DAY = 86400.0
ANA = "ana@example.test"
WITH_SUBSCRIPTION = Terms(access=Access(with_subscription=True))
THIRTY_DAYS = Terms(access=Access(days=30))


@dataclass
class OneCourse:
    """Every line sells course 42 on these terms."""

    terms: Terms

    def match(self, _line: Line) -> Match:
        target = Target(lms=CAMPUS, course_id=CourseId("42"))
        return Match(targets=(target,), source="mapping.toml:1", terms=(self.terms,))


class Campus(Spine):
    """The spine behind a real client and the sandbox. `pass_time` lets days go by, and everybody look and work."""

    def __init__(self, folder: Path, shop: SandboxShop, client: WooCommerce, terms: Terms) -> None:
        self.shop = shop
        self._client = client
        self._terms = terms
        super().__init__(folder)

    def _open(self) -> SqliteLedger:
        self.store = cast("FakeStore", self._client)
        self.mapping = cast("Any", OneCourse(self._terms))
        self.lms.capabilities = frozenset({Capability.END_DATE, Capability.SUSPEND})
        return super()._open()

    def tick(self, seconds: float) -> None:
        self.clock.tick(seconds)

    def look(self) -> None:
        """Everybody looks once and works off what follows."""
        assert self.poller.poll_once().complete
        self.subscriptions.poll_once()
        self.ledger.end_expired(self.clock())
        self.work()

    def pass_time(self, days: float = 1) -> None:
        for _ in range(4):
            self.tick(days * DAY / 4)
            self.look()

    def subscribe(self) -> int:
        """Ana buys the course by a subscription."""
        order_id = self.shop.buy(ANA, lines=[(self.product, 1)])
        number = self.shop.start_subscription(order_id)
        self.look()
        return number

    @property
    def product(self) -> int:
        return next(iter(self.shop.products))

    @property
    def standing(self) -> str:
        """How Ana stands in the course: in, suspended or out."""
        users = [user_id for address, user_id in self.lms.accounts if address == ANA]
        keys = [(user_id, "42") for user_id in users if (user_id, "42") in self.lms.enrolled]
        if not keys:
            return "out"
        return "suspended" if keys[0] in self.lms.suspended else "in"

    @property
    def ends_at(self) -> datetime | None:
        [until] = [end for (_, course), end in self.lms.enrolled.items() if course == "42"]
        return until


class World:
    """Makes campuses and takes them down."""

    def __init__(self, folder: Path, shop: SandboxShop, client: WooCommerce) -> None:
        self._folder, self._shop, self._client = folder, shop, client
        self.made: list[Campus] = []

    def __call__(self, terms: Terms = WITH_SUBSCRIPTION) -> Campus:
        campus = Campus(self._folder, self._shop, self._client, terms)
        self._shop.clock = campus.clock
        self._shop.gate.clock = campus.clock
        self.made.append(campus)
        campus.look()
        campus.tick(60)
        return campus


@pytest.fixture
def world(tmp_path: Path, server_tls: ssl.SSLContext, ca_file: Path) -> Iterator[World]:
    with (
        SandboxShop(tls=server_tls) as shop,
        closing(
            WooCommerce(
                url=shop.url, consumer_key="ck_sandbox", consumer_secret="cs_sandbox", ca_file=ca_file
            )
        ) as client,
    ):
        shop.add_product("Introducción a Python", sku="PY-101")
        shop.offers_subscriptions = True
        made = World(tmp_path, shop, client)
        yield made
        for campus in made.made:
            campus.close()


def test_who_buys_a_subscription_is_in_without_end(world: World) -> None:
    campus = world()
    campus.subscribe()
    assert (campus.standing, campus.ends_at) == ("in", None)


def test_who_pays_is_in_before_the_subscription_is_read_again(world: World) -> None:
    campus = world()
    order_id = campus.shop.buy(ANA, lines=[(campus.product, 1)], status="pending", paid=False)
    campus.shop.start_subscription(order_id)
    campus.tick(600)
    campus.look()
    assert campus.standing == "out"
    campus.tick(60)
    campus.shop.set_status(order_id, "completed")
    assert campus.poller.poll_once().complete
    campus.work()
    assert campus.standing == "in"


def test_a_subscription_on_hold_suspends_and_one_taken_up_again_lets_in(world: World) -> None:
    campus = world()
    number = campus.subscribe()
    campus.shop.hold_subscription(number)
    campus.pass_time()
    assert campus.standing == "suspended"
    campus.shop.reactivate_subscription(number)
    campus.pass_time()
    assert campus.standing == "in"


def test_what_is_cancelled_by_its_buyer_lasts_as_long_as_it_is_paid(world: World) -> None:
    campus = world()
    number = campus.subscribe()
    campus.shop.cancel_subscription(number)
    campus.pass_time(20)
    assert campus.standing == "in"
    campus.shop.end_subscription(number)
    campus.pass_time()
    assert campus.standing == "suspended"


@pytest.mark.parametrize("end", ["end_subscription", "expire_subscription", "trash_subscription"])
def test_a_subscription_that_ended_ends_access(world: World, end: str) -> None:
    campus = world()
    number = campus.subscribe()
    getattr(campus.shop, end)(number)
    campus.pass_time()
    assert campus.standing == "suspended"


def test_a_mapping_that_says_unenrol_is_heeded(world: World) -> None:
    campus = world(Terms(access=Access(with_subscription=True), on_withdraw=Withdrawal.UNENROL))
    number = campus.subscribe()
    campus.shop.end_subscription(number)
    campus.pass_time()
    assert campus.standing == "out"


def test_a_renewal_that_is_paid_lets_in_again(world: World) -> None:
    campus = world()
    number = campus.subscribe()
    campus.pass_time(30)
    renewal = campus.shop.renew_subscription(number, status="pending")
    campus.pass_time()
    assert campus.standing == "suspended"
    campus.shop.pay_renewal(renewal)
    campus.pass_time()
    assert campus.standing == "in"


def test_a_renewed_subscription_that_is_cancelled_ends_what_all_its_orders_gave(world: World) -> None:
    campus = world()
    number = campus.subscribe()
    campus.pass_time(30)
    campus.shop.renew_subscription(number)
    campus.pass_time()
    campus.shop.end_subscription(number)
    campus.pass_time()
    assert campus.standing == "suspended"


def test_the_plugin_switched_off_ends_nobodys_access(world: World) -> None:
    campus = world()
    campus.subscribe()
    campus.shop.offers_subscriptions = False
    campus.pass_time(10)
    assert campus.standing == "in"


def test_a_subscription_is_known_before_its_order_and_after_it(world: World) -> None:
    campus = world()
    order_id = campus.shop.buy(ANA, lines=[(campus.product, 1)])
    number = campus.shop.start_subscription(order_id)
    campus.shop.hold_subscription(number)
    campus.subscriptions.poll_once()
    campus.look()
    assert campus.standing == "out"
    campus.shop.reactivate_subscription(number)
    campus.pass_time()
    assert campus.standing == "in"


def test_days_of_access_are_extended_by_each_renewal(world: World) -> None:
    campus = world(THIRTY_DAYS)
    number = campus.subscribe()
    began = campus.clock()
    assert campus.ends_at == began + timedelta(days=30)
    campus.pass_time(20)
    campus.shop.renew_subscription(number)
    campus.look()
    assert campus.ends_at == began + timedelta(days=60)
    campus.pass_time(35)
    assert campus.standing == "in"


def test_days_that_were_paid_stay_when_the_subscription_ends(world: World) -> None:
    campus = world(THIRTY_DAYS)
    number = campus.subscribe()
    campus.shop.end_subscription(number)
    campus.pass_time(20)
    assert campus.standing == "in"


def test_reading_all_of_it_again_changes_nothing(world: World) -> None:
    campus = world(THIRTY_DAYS)
    number = campus.subscribe()
    campus.pass_time(10)
    campus.shop.renew_subscription(number)
    campus.look()
    ends_at, writes = campus.ends_at, len(campus.lms.writes)
    campus.poller.read_since(datetime(2026, 1, 1, tzinfo=UTC))
    campus.look()
    assert (campus.ends_at, len(campus.lms.writes)) == (ends_at, writes)
