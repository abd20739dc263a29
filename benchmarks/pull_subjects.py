"""Pulling orders, each way in a process of its own."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.meter import Sample, peak_memory_mb, timed

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
Query = dict[str, str]
"""What wcsync asks for, the page aside, so that all contenders get the same bytes."""


def by_two_at_once(*, url: str, query: Query, orders: int) -> Sample:
    """As `by_wcsync`, two pages under way at any moment, as a backfill reads."""
    return by_wcsync(url=url, query=query, orders=orders, at_once=2)


def by_wcsync(*, url: str, query: Query, orders: int, at_once: int = 1) -> Sample:
    """Bytes to values, twice: the second walk finds the connection open and the statuses known."""
    from benchmarks.product import KEY, SECRET
    from wcsync.store.client import WooCommerce

    page_size = int(query["per_page"])
    store = WooCommerce(
        url=url, consumer_key=KEY, consumer_secret=SECRET, page_size=page_size, ended=["refunded"]
    )

    def walk() -> int:
        return sum(len(page.orders) for page in store.fetch_pages(SINCE, at_once=at_once))

    first = _measured(walk, orders)
    again = _measured(walk, orders)
    store.close()
    return first | {f"again_{key}": figure for key, figure in again.items()}


def by_raw_socket(*, url: str, query: Query, orders: int) -> Sample:
    from benchmarks import raw

    def walk() -> int:
        return sum(len(page) for page in raw.pages(url, query))

    return _measured(walk, orders)


def by_package(*, url: str, query: Query, orders: int) -> Sample:
    """The `woocommerce` package as its README shows it."""
    import woocommerce

    from benchmarks.product import KEY, SECRET

    api = woocommerce.API(url=url, consumer_key=KEY, consumer_secret=SECRET, version="wc/v3", timeout=30)

    def walk() -> int:
        return sum(len(page) for page in _package_pages(api, query))

    return _measured(walk, orders)


def by_poller(*, url: str, query: Query, orders: int) -> Sample:
    """A poll that brings everything, and one that brings the same again."""
    from benchmarks.product import opened

    with opened(shop_url=url, page_size=int(query["per_page"]), start="2026-01-01") as app:

        def poll() -> int:
            assert app.poll().complete
            return app.summary().orders

        first = _measured(poll, orders)
        again = _measured(poll, orders)
    return first | {f"again_{key}": figure for key, figure in again.items()}


def by_raw_socket_and_sqlite(*, url: str, query: Query, orders: int) -> Sample:
    from benchmarks import raw

    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        ledger = raw.PlainLedger(Path(folder, "plain.db"))

        def poll() -> int:
            read = 0
            for page in raw.pages(url, query):
                ledger.record(page)
                read += len(page)
            return read

        first = _measured(poll, orders)
        again = _measured(poll, orders)
        ledger.close()
    return first | {f"again_{key}": figure for key, figure in again.items()}


def _measured(walk: Callable[[], int], orders: int) -> Sample:
    """Raises if the walk did not bring every order: a figure of half the work is none."""
    with timed() as span:
        brought = walk()
    assert brought == orders, (brought, orders)
    return {"cpu_s": span.cpu_s, "wall_s": span.wall_s, "peak_mb": peak_memory_mb()}


def _package_pages(api: Any, query: Query) -> Iterator[list[Any]]:
    for number in count(1):
        page = api.get("orders", params=query | {"page": str(number)}).json()
        if page:
            yield page
        if len(page) < int(query["per_page"]):
            break
