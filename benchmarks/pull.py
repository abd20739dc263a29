"""Rows about reading orders."""

from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks.harness import Samples, interleave, measure
from benchmarks.meter import Sample
from benchmarks.pull_subjects import SINCE
from benchmarks.rows import Row, Target, against_settings
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
    yield _shipped_row(sizes, cut["by_wcsync"], whole["by_package"])
    yield from _ledger_rows(sizes, cut)


def pull_with_latency(sizes: Sizes) -> Iterator[Row]:
    """What is added to the time a shop takes anyway, page by page. The last page is short, so none is asked beyond."""
    orders = sizes.latency_pages * sizes.page_size - 1
    with running("shop", orders=orders, page_size=sizes.page_size, fields=FIELDS) as shop:
        found = interleave(
            {
                name: partial(_sample, shop, name, sizes, orders, latency_s=sizes.shop_latency_s)
                for name in ("by_wcsync", "by_two_at_once")
            },
            sizes.slow_repetitions,
        )
    for name, subject, key, measured, most in (
        ("first", "by_wcsync", "wall_s", "first walk of a process", None),
        ("next", "by_wcsync", "again_wall_s", "each walk after it, one connection", 1.05),
        ("two_at_once", "by_two_at_once", "again_wall_s", "a backfill's walk, two pages at once", 0.56),
    ):
        yield Row(
            name=f"pull_latency.{name}",
            measured=f"{measured}, {sizes.latency_pages} pages at {sizes.shop_latency_s * 1000:.0f} ms each",
            against="pages x latency",
            unit="s",
            samples=found[subject].of(key),
            floor_samples=against_settings(sizes.latency_pages * sizes.shop_latency_s),
            calculated=True,
            target=Target(at=most) if most else None,
        )


def pull_many(sizes: Sizes) -> Iterator[Row]:
    """Whether memory depends on how many orders there are: the same pages again and again."""
    many = sizes.many_pages * sizes.page_size
    settings = {"page_size": sizes.page_size, "fields": FIELDS, "distinct_pages": 20}
    samples: dict[int, Samples] = {}
    for orders in (sizes.orders, many):
        with running("shop", orders=orders, **settings) as shop:
            subject = partial(_sample, shop, "by_wcsync", sizes, orders)
            samples[orders] = interleave({"wcsync": subject}, sizes.slow_repetitions)["wcsync"]
    yield Row(
        name="pull_many.memory",
        measured=f"most memory held while pulling {many} orders",
        against=f"{sizes.orders} orders, and 5 MB more",
        unit="MB",
        samples=samples[many].of("peak_mb"),
        floor_samples=samples[sizes.orders].of("peak_mb", more=5.0),
        target=Target(at=1.0),
    )


def _value_rows(sizes: Sizes, found: Mapping[str, Samples], name: str, form: str) -> Iterator[Row]:
    for suffix, rival, against, most in (
        ("", "by_raw_socket", RAW, 4.0),
        ("_package", "by_package", PACKAGE, None),
    ):
        yield Row(
            name=f"pull_10000.{name}.cpu{suffix}",
            measured=f"{sizes.orders} orders to values, {form}",
            against=against,
            unit="s cpu",
            samples=found["by_wcsync"].of("cpu_s"),
            floor_samples=found[rival].of("cpu_s"),
            target=Target(at=most) if most else None,
        )


def _shipped_row(sizes: Sizes, ours: Samples, package: Samples) -> Row:
    """The package asks for whole orders, as its README shows; wcsync for the fields it reads."""
    return Row(
        name="pull_10000.as_shipped",
        measured=f"{sizes.orders} orders to values, each as it asks for them",
        against=f"{PACKAGE}, whole orders",
        unit="s cpu",
        samples=ours.of("cpu_s"),
        floor_samples=package.of("cpu_s"),
        target=Target(at=0.25),
    )


def _cost_rows(sizes: Sizes, found: Mapping[str, Samples]) -> Iterator[Row]:
    yield Row(
        name="pull_10000.memory",
        measured="most memory held while pulling",
        against=RAW,
        unit="MB",
        samples=found["by_wcsync"].of("peak_mb"),
        floor_samples=found["by_raw_socket"].of("peak_mb"),
        target=Target(at=60.0, by_value=True),
    )
    for key, against, floor, most in (
        ("connections", "one, kept open", 1, 1.0),
        ("requests", "pages", 2 * sizes.pages, None),
    ):
        yield Row(
            name=f"pull_10000.{key}",
            measured="two walks of one process",
            against=against,
            unit=key,
            samples=found["by_wcsync"].of(key),
            floor_samples=against_settings(floor),
            calculated=True,
            target=Target(at=most) if most else None,
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
