"""The hour that a site's clock skips in spring must not swallow orders."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wcsync.sandbox.shop import SandboxShop
from wcsync.store.client import WooCommerce, before_skipped_hour

ZONES = [
    ZoneInfo(name) for name in ("Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
]
BEGIN = datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
"""02:30 is an hour that Madrid's clock skips that night; the instant itself is 04:30 there."""


@given(
    since=st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(ZONES),
)
def test_the_cutoff_is_on_the_sites_clock_and_never_later(since: datetime, zone: ZoneInfo) -> None:
    begin = before_skipped_hour(since, zone)
    digits = begin.replace(tzinfo=zone)
    assert digits.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == begin.replace(tzinfo=None)
    assert timedelta() <= since - begin <= timedelta(hours=1)


@pytest.fixture
def shop() -> Iterator[SandboxShop]:
    with SandboxShop(timezone="Europe/Madrid") as shop:
        yield shop


def test_an_order_changed_in_the_skipped_hour_is_read(shop: SandboxShop) -> None:
    product = shop.add_product("Course", sku="C-1")
    order_id = shop.buy("ana@example.test", lines=[(product, 1)], at=BEGIN + timedelta(minutes=10))
    store = WooCommerce(url=shop.url, consumer_key="ck_sandbox", consumer_secret="cs_sandbox")
    try:
        store.fetch_identity()
        seen = [order.order_id for page in store.fetch_pages(BEGIN) for order in page.orders]
    finally:
        store.close()
    assert seen == [order_id]
