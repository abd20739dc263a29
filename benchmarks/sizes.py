"""How much is measured: the full run, the quick one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes of one run.

    `repetitions`: of what takes a second or so; `slow_repetitions`: of what takes many. `pages` of `page_size` orders
    are pulled without latency, `many_pages` to compare memory, `latency_pages` with `shop_latency_s` before each
    answer. Each of `workers` is a number of threads; each thread enrols `enrolments_each` learners with
    `campus_latency_s` before each answer, and without latency `enrolments` are made in all. `claims` rows are claimed
    and settled; `few_rows`, `many_rows` and `most_rows` are settled rows in a ledger, compared over `turns`.
    `daemon_polls` is how long, in polls, a daemon runs once it has started; `bells` is how often it is woken.
    `products` sell a course each, whose summary has `description_b` bytes; while they are written, the shop takes
    `write_latency_s` before each answer and `item_s` for each product.
    """

    repetitions: int
    slow_repetitions: int
    pages: int
    many_pages: int
    page_size: int
    latency_pages: int
    shop_latency_s: float
    campus_latency_s: float
    workers: tuple[int, ...]
    enrolments_each: int
    enrolments: int
    claims: int
    turns: int
    few_rows: int
    many_rows: int
    most_rows: int
    idle_polls: int
    daemon_polls: int
    bells: int
    products: int
    description_b: int
    write_latency_s: float
    item_s: float

    @property
    def orders(self) -> int:
        return self.pages * self.page_size


FULL = Sizes(
    repetitions=3,
    slow_repetitions=2,
    pages=100,
    many_pages=1_000,
    page_size=100,
    latency_pages=30,
    shop_latency_s=0.3,
    campus_latency_s=0.05,
    workers=(1, 4, 8),
    enrolments_each=20,
    enrolments=300,
    claims=500,
    turns=200,
    few_rows=1_000,
    many_rows=1_000_000,
    most_rows=10_000_000,
    idle_polls=100,
    daemon_polls=5,
    bells=12,
    products=1_000,
    description_b=5_000,
    write_latency_s=0.05,
    item_s=0.005,
)

QUICK = Sizes(
    repetitions=2,
    slow_repetitions=1,
    pages=20,
    many_pages=100,
    page_size=100,
    latency_pages=20,
    shop_latency_s=0.3,
    campus_latency_s=0.05,
    workers=(1, 4, 8),
    enrolments_each=8,
    enrolments=60,
    claims=200,
    turns=100,
    few_rows=1_000,
    many_rows=20_000,
    most_rows=100_000,
    idle_polls=50,
    daemon_polls=2,
    bells=5,
    products=200,
    description_b=5_000,
    write_latency_s=0.05,
    item_s=0.002,
)
