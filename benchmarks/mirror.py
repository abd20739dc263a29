"""Rows about carrying course data into products."""

from collections.abc import Iterator, Mapping
from functools import partial
from math import ceil

from benchmarks.harness import Samples, interleave, measure
from benchmarks.meter import Sample
from benchmarks.rows import Row, against_settings
from benchmarks.sites import Site, running
from benchmarks.sizes import Sizes
from wcsync.model import ProductId
from wcsync.store.wire import stored
from wcsync.store.wire.products import render_ids, render_window

TOGETHER = 100
"""So many products a shop shows on a page and takes in a batch, and so many courses a Moodle tells of in a call."""
FIELDS = stored.render_fields()["_fields"]
RAW = "raw socket + msgspec"


def mirror(sizes: Sizes) -> Iterator[Row]:
    """What a run costs that has nothing to do, and one that changes every product."""
    with (
        running("shelf", products=sizes.products, fields=FIELDS) as shop,
        running("courses", courses=sizes.products, summary_b=sizes.description_b) as campus,
    ):
        found = _mirrored(shop, campus, sizes)
        by_sku = interleave({"by_sku": partial(_mirror, shop, campus, sizes, by_sku=True)}, 1)
        read = _courses(campus, sizes)
    yield from _nothing_rows(sizes, found["wcsync"], by_sku["by_sku"])
    yield from _read_rows(sizes, found)
    yield from _write_rows(sizes, found)
    yield from _course_rows(sizes, read)


def _mirrored(shop: Site, campus: Site, sizes: Sizes) -> dict[str, Samples]:
    """The floors read what the mirror wrote and send what it sent: it comes first, and they leave the shop as it is."""
    slow = {"latency_s": sizes.shop_latency_s}
    writing = {"latency_s": sizes.write_latency_s, "item_s": sizes.item_s}
    contenders = {
        "wcsync": partial(_mirror, shop, campus, sizes, slow=slow, writing=writing),
        "reader": partial(_floor, shop, sizes, "by_raw_reader", {}, queries=_queries(sizes)),
        "slow_reader": partial(_floor, shop, sizes, "by_raw_reader", slow, queries=_queries(sizes)),
        "writer": partial(_floor, shop, sizes, "by_raw_writer", writing),
    }
    return interleave(contenders, sizes.slow_repetitions)


def _courses(campus: Site, sizes: Sizes) -> dict[str, Samples]:
    def sample(subject: str) -> Sample:
        campus.reset()
        return measure(f"mirror_subjects:{subject}", campus_url=campus.url, courses=sizes.products)

    return interleave(
        {name: partial(sample, name) for name in ("by_adapter", "by_raw_calls")}, sizes.repetitions
    )


def _nothing_rows(sizes: Sizes, by_id: Samples, by_sku: Samples) -> Iterator[Row]:
    pages = ceil(sizes.products / TOGETHER)
    run = f"a run over {sizes.products} products with nothing to do"
    for name, samples, key, measured, floor, against in (
        (
            "product_reads",
            by_id,
            "shop_requests",
            f"{run}, rows by product_id: all that the shop is asked",
            pages,
            "one per hundred products, no write",
        ),
        (
            "product_reads_by_sku",
            by_sku,
            "shop_requests",
            "the same, rows by sku",
            pages,
            "one per hundred products, no write",
        ),
        (
            "lms_calls",
            by_id,
            "campus_requests",
            "the same: all that the LMS is asked",
            1 + pages,
            "one, and one per hundred courses",
        ),
    ):
        yield Row(
            name=f"mirror.nothing.{name}",
            measured=measured,
            against=against,
            unit="requests",
            samples=samples.of(key),
            floor_samples=against_settings(floor),
            calculated=True,
        )


def _read_rows(sizes: Sizes, found: Mapping[str, Samples]) -> Iterator[Row]:
    """The floor reads the pages of products alone; the run reads the courses too, makes all texts anew and compares."""
    yield Row(
        name="mirror.read.cpu",
        measured=f"a run over {sizes.products} products with nothing to do, of courses too",
        against=f"{RAW}, the pages of products alone",
        unit="s cpu",
        samples=found["wcsync"].of("cpu_s"),
        floor_samples=found["reader"].of("cpu_s"),
    )
    for name, key, floor, latency_s in (
        ("rate", "per_s", "reader", 0.0),
        ("latency.rate", "slow_per_s", "slow_reader", sizes.shop_latency_s),
    ):
        yield Row(
            name=f"mirror.read.{name}",
            measured=f"the same by the clock, {latency_s * 1000:.0f} ms for each page",
            against=f"{RAW}, the pages of products alone",
            unit="products/s",
            samples=found["wcsync"].of(key),
            floor_samples=found[floor].of("per_s"),
            better="higher",
        )
    yield Row(
        name="mirror.read.memory",
        measured=f"most memory held, {sizes.description_b / 1000:.0f} kB of description each",
        against=f"{RAW}, a page at a time",
        unit="MB",
        samples=found["wcsync"].of("peak_mb"),
        floor_samples=found["reader"].of("peak_mb"),
    )


def _write_rows(sizes: Sizes, found: Mapping[str, Samples]) -> Iterator[Row]:
    pace = f"{sizes.write_latency_s * 1000:.0f} ms an answer and {sizes.item_s * 1000:.0f} ms a product"
    yield Row(
        name="mirror.write.rate",
        measured=f"a run that changes {sizes.products} products, {pace}",
        against=f"{RAW}, the same patches by the hundred",
        unit="products/s",
        samples=found["wcsync"].of("write_per_s"),
        floor_samples=found["writer"].of("per_s"),
        better="higher",
    )
    yield Row(
        name="mirror.write.cpu",
        measured="the same, ledger included",
        against=f"{RAW}, the same patches by the hundred",
        unit="s cpu",
        samples=found["wcsync"].of("write_cpu_s"),
        floor_samples=found["writer"].of("cpu_s"),
    )
    yield Row(
        name="mirror.write.requests",
        measured="all that the shop is asked and told in it: products are read again before each batch",
        against="one read and one batch per hundred products",
        unit="requests",
        samples=found["wcsync"].of("write_shop_requests"),
        floor_samples=against_settings(2 * ceil(sizes.products / TOGETHER)),
        calculated=True,
    )


def _course_rows(sizes: Sizes, found: Mapping[str, Samples]) -> Iterator[Row]:
    for name, prefix, measured in (
        ("first", "", f"{sizes.products} Moodle courses read to the ground, two calls for each"),
        ("again", "again_", "the same courses again, unchanged: only what Moodle tells of a hundred at once"),
    ):
        yield Row(
            name=f"mirror.courses.{name}.rate",
            measured=measured,
            against=f"{RAW}, the same calls",
            unit="courses/s",
            samples=found["by_adapter"].of(f"{prefix}per_s"),
            floor_samples=found["by_raw_calls"].of(f"{prefix}per_s"),
            better="higher",
        )
        yield Row(
            name=f"mirror.courses.{name}.cpu",
            measured="the same, by CPU",
            against=f"{RAW}, the same calls",
            unit="s cpu",
            samples=found["by_adapter"].of(f"{prefix}cpu_s"),
            floor_samples=found["by_raw_calls"].of(f"{prefix}cpu_s"),
        )
        yield Row(
            name=f"mirror.courses.{name}.calls",
            measured="the same, by what Moodle is asked",
            against=f"{RAW}, counted too",
            unit="calls",
            samples=found["by_adapter"].of(f"{prefix}calls"),
            floor_samples=found["by_raw_calls"].of(f"{prefix}calls"),
        )


def _mirror(shop: Site, campus: Site, sizes: Sizes, **arguments: object) -> Sample:
    shop.reset()
    campus.reset()
    urls = {"shop_url": shop.url, "campus_url": campus.url}
    return measure("mirror_subjects:by_mirror", **urls, products=sizes.products, **arguments)


def _floor(shop: Site, sizes: Sizes, subject: str, pace: Mapping[str, float], **arguments: object) -> Sample:
    shop.pace(**pace)
    return measure(f"mirror_subjects:{subject}", shop_url=shop.url, products=sizes.products, **arguments)


def _queries(sizes: Sizes) -> list[dict[str, str]]:
    """What the mirror asks for, so that the floor gets the same bytes."""
    ids = [ProductId(number) for number in range(1, sizes.products + 1)]
    return [
        {**stored.render_fields(), **render_ids(ids[start : start + TOGETHER]), **render_window(0, TOGETHER)}
        for start in range(0, len(ids), TOGETHER)
    ]
