"""Rows about reading orders."""

from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks.harness import Samples, interleave, measure
from benchmarks.meter import Sample
from benchmarks.pull_subjects import SINCE
from benchmarks.rows import Row, against_settings
from benchmarks.sites import Site, running
from benchmarks.sizes import Sizes
from wcsync.store.wire import STATUSES, render_order_query, render_orders_query

FIELDS = render_order_query()["_fields"]
RAW = "raw socket + msgspec"
RAW_SQLITE = "raw socket + msgspec + plain sqlite3, same durability"
PACKAGE = "woocommerce package, get().json()"
TO_VALUES = ("by_wcsync", "by_raw_socket", "by_package")
TO_LEDGER = ("by_poller", "by_raw_socket_and_sqlite")


def pull_without_latency(sizes: Sizes) -> Iterator[Row]:
    """CPU and memory of bringing in orders while the shop answers at once."""
    with running("shop", orders=sizes.orders, page_size=sizes.page_size, fields=FIELDS) as shop:
        cut = _compare(shop, sizes, (*TO_VALUES, *TO_LEDGER))
    yield from _value_rows(sizes, cut, "cut", "cut by _fields")
    yield from _cost_rows(sizes, cut)
    with running("shop", orders=sizes.orders, page_size=sizes.page_size, fields=FIELDS, whole=True) as shop:
        whole = _compare(shop, sizes, TO_VALUES)
    yield from _value_rows(sizes, whole, "whole", "4 KB each")
    yield from _ledger_rows(sizes, cut)


def pull_with_latency(sizes: Sizes) -> Iterator[Row]:
    """What is added to the time a shop takes anyway, page by page. The last page is short, so none is asked beyond."""
    orders = sizes.latency_pages * sizes.page_size - 1
    with running("shop", orders=orders, page_size=sizes.page_size, fields=FIELDS) as shop:
        subject = partial(_sample, shop, "by_wcsync", sizes, orders, latency_s=sizes.shop_latency_s)
        samples = interleave({"wcsync": subject}, sizes.slow_repetitions)["wcsync"]
    for name, key, measured in (
        ("first", "wall_s", "first walk of a process"),
        ("next", "again_wall_s", "each walk after it"),
    ):
        yield Row(
            name=f"pull_latency.{name}",
            measured=f"{measured}, {sizes.latency_pages} pages at {sizes.shop_latency_s * 1000:.0f} ms each",
            against="pages x latency",
            unit="s",
            samples=samples.of(key),
            floor_samples=against_settings(sizes.latency_pages * sizes.shop_latency_s),
            calculated=True,
        )


def _value_rows(sizes: Sizes, found: Mapping[str, Samples], name: str, form: str) -> Iterator[Row]:
    for suffix, rival, against in (("", "by_raw_socket", RAW), ("_package", "by_package", PACKAGE)):
        yield Row(
            name=f"pull_10000.{name}.cpu{suffix}",
            measured=f"{sizes.orders} orders to values, {form}",
            against=against,
            unit="s cpu",
            samples=found["by_wcsync"].of("cpu_s"),
            floor_samples=found[rival].of("cpu_s"),
        )


def _cost_rows(sizes: Sizes, found: Mapping[str, Samples]) -> Iterator[Row]:
    yield Row(
        name="pull_10000.memory",
        measured="most memory held while pulling",
        against=RAW,
        unit="MB",
        samples=found["by_wcsync"].of("peak_mb"),
        floor_samples=found["by_raw_socket"].of("peak_mb"),
    )
    for key, against, floor in (("connections", "one, kept open", 1), ("requests", "pages", 2 * sizes.pages)):
        yield Row(
            name=f"pull_10000.{key}",
            measured="two walks of one process",
            against=against,
            unit=key,
            samples=found["by_wcsync"].of(key),
            floor_samples=against_settings(floor),
            calculated=True,
        )


def _ledger_rows(sizes: Sizes, found: Mapping[str, Samples]) -> Iterator[Row]:
    for name, key, unit, measured in (
        ("first.cpu", "cpu_s", "s cpu", f"{sizes.orders} new orders into the ledger"),
        ("again.cpu", "again_cpu_s", "s cpu", f"{sizes.orders} known orders, nothing new"),
        ("first.memory", "peak_mb", "MB", "most memory held while orders go into the ledger"),
    ):
        yield Row(
            name=f"pull_10000.{name}",
            measured=measured,
            against=RAW_SQLITE,
            unit=unit,
            samples=found["by_poller"].of(key),
            floor_samples=found["by_raw_socket_and_sqlite"].of(key),
        )


def _compare(shop: Site, sizes: Sizes, subjects: tuple[str, ...]) -> dict[str, Samples]:
    return interleave(
        {subject: partial(_sample, shop, subject, sizes, sizes.orders) for subject in subjects},
        sizes.repetitions,
    )


def _sample(shop: Site, subject: str, sizes: Sizes, orders: int, *, latency_s: float = 0.0) -> Sample:
    shop.reset(latency_s)
    query = render_orders_query(SINCE, page=1, page_size=sizes.page_size, statuses=STATUSES)
    sample = measure(f"pull_subjects:{subject}", url=shop.url, query=query, orders=orders)
    stats = shop.stats()
    return sample | {"connections": stats.connections, "requests": stats.requests}
