"""Mirroring course data into products, each way in a process of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.meter import Sample, peak_memory_mb, timed
from benchmarks.sites import Site
from benchmarks.stats import Stats

if TYPE_CHECKING:
    from wcsync.app.mirror import CourseMirror


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """The shop and the LMS of one mirror."""

    shop: Site
    campus: Site

    def stats(self) -> tuple[Stats, Stats]:
        return self.shop.stats(), self.campus.stats()


def by_mirror(
    *,
    shop_url: str,
    campus_url: str,
    products: int,
    by_sku: bool = False,
    slow: Mapping[str, float] | None = None,
    writing: Mapping[str, float] | None = None,
) -> Sample:
    """The product's mirror over a new ledger. It fills empty products first, which is not measured; then it runs with
    nothing to do, on request also at the pace `slow`, and once more at the pace `writing` with every course changed.
    """
    from benchmarks.product import opened, render_courses_mapping

    sites = Sites(shop=Site(url=shop_url), campus=Site(url=campus_url))
    mapping = render_courses_mapping(products, by_sku=by_sku)
    with opened(shop_url=shop_url, campus_url=campus_url, mapping=mapping) as app:
        mirror = app.courses(lambda: app.mapping.current)
        _run(mirror, sites, products, written=products)
        sample = _run(mirror, sites, products, written=0)
        if slow is not None:
            sites.shop.pace(**slow)
            sample |= _named("slow", _run(mirror, sites, products, written=0))
        sample["peak_mb"] = peak_memory_mb()
        if writing is not None:
            sites.campus.get("/revise")
            sites.shop.pace(**writing)
            sample |= _named("write", _run(mirror, sites, products, written=products))
    return sample


def by_raw_reader(*, shop_url: str, queries: Sequence[Mapping[str, str]], products: int) -> Sample:
    """The same pages, one after the other."""
    from benchmarks import mirror_floor, raw

    client = raw.RawSocket(shop_url)
    with timed() as span:
        read = sum(len(page) for page in mirror_floor.products(client, queries))
    client.close()
    assert read == products, (read, products)
    return {
        "per_s": products / span.wall_s,
        "cpu_s": span.cpu_s,
        "peak_mb": peak_memory_mb(),
    }


def by_raw_writer(*, shop_url: str, products: int) -> Sample:
    """The patches that the shop got last, sent again."""
    import msgspec

    from benchmarks import mirror_floor, raw

    told = msgspec.json.decode(Site(url=shop_url).get("/patches"), type=list[msgspec.Raw])
    patches = [bytes(patch) for patch in told]
    client = raw.RawSocket(shop_url)
    with timed() as span:
        written = mirror_floor.write(client, patches)
    client.close()
    assert written == products, (written, products)
    return {"per_s": products / span.wall_s, "cpu_s": span.cpu_s}


def by_adapter(*, campus_url: str, courses: int) -> Sample:
    """The product's Moodle adapter: all courses read to the ground, and then again, unchanged."""
    from benchmarks.product import CAMPUS, course_targets, opened

    targets = course_targets(courses)
    with opened(campus_url=campus_url) as app:
        lms = app.lmss[CAMPUS]

        def read(*, full: bool) -> int:
            return len(lms.fetch_courses(targets, full=full).courses)

        sample = _read(campus_url, courses, lambda: read(full=True))
        return sample | _named("again", _read(campus_url, courses, lambda: read(full=False)))


def by_raw_calls(*, campus_url: str, courses: int) -> Sample:
    """The same calls."""
    from benchmarks import mirror_floor, raw
    from benchmarks.courses import FIRST

    numbers = range(FIRST, FIRST + courses)
    client = raw.RawSocket(campus_url)
    sample = _read(campus_url, courses, lambda: mirror_floor.courses(client, numbers, inside=True))
    again = _read(campus_url, courses, lambda: mirror_floor.courses(client, numbers, inside=False))
    client.close()
    return sample | _named("again", again)


def _run(mirror: "CourseMirror", sites: Sites, products: int, *, written: int) -> Sample:
    """One run, by what it took and by what the sites counted. Raises if it was not about all products, or wrote
    another number of them."""
    from wcsync.pollers.courses import Options

    shop, campus = sites.stats()
    with timed() as span:
        run = mirror.run(Options(allow_many=True))
    shop_after, campus_after = sites.stats()
    batches = shop_after.answered("batch") - shop.answered("batch")
    assert (run.outcome, run.products, run.written) == ("done", products, written), run
    assert bool(batches) == bool(written), batches
    return {
        "per_s": products / span.wall_s,
        "cpu_s": span.cpu_s,
        "page_reads": shop_after.answered("page") - shop.answered("page"),
        "batches": batches,
        "shop_requests": shop_after.requests - shop.requests,
        "campus_requests": campus_after.requests - campus.requests,
    }


def _read(campus_url: str, courses: int, read: Callable[[], int]) -> Sample:
    site = Site(url=campus_url)
    before = site.stats().requests
    with timed() as span:
        came = read()
    assert came == courses, (came, courses)
    return {
        "per_s": courses / span.wall_s,
        "cpu_s": span.cpu_s,
        "calls": site.stats().requests - before,
    }


def _named(prefix: str, sample: Sample) -> Sample:
    return {f"{prefix}_{key}": figure for key, figure in sample.items()}
