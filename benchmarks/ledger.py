"""Rows about the ledger."""

from collections.abc import Iterator
from functools import partial

from benchmarks.harness import interleave, measure
from benchmarks.rows import Row, Target, against_settings
from benchmarks.sizes import Sizes

MILLION = 1_000_000
STEPS = {
    "claim": "claiming the one due row",
    "look_up": "asking whether anything is due",
    "known": "reading a known order again",
}


def keep_a_ledger(sizes: Sizes) -> Iterator[Row]:
    """Durable steps against plain SQLite, and whether they stay as quick while the ledger grows."""
    yield from _claim_and_settle(sizes)
    yield from _flatness(sizes)


def _claim_and_settle(sizes: Sizes) -> Iterator[Row]:
    subjects = ("claim_and_settle", "plain_updates", "plain_one_transaction")
    found = interleave(
        {name: partial(measure, f"ledger_subjects:{name}", claims=sizes.claims) for name in subjects},
        sizes.repetitions,
    )
    ours, plain = found["claim_and_settle"], found["plain_updates"]
    measured, against = "claim and settle, two commits", "plain sqlite3, two one-row updates, same durability"
    yield Row(
        name="ledger.claim_settle.rate",
        measured=measured,
        against=against,
        unit="orders/s",
        samples=ours.of("per_s"),
        floor_samples=plain.of("per_s"),
        better="higher",
    )
    yield Row(
        name="ledger.wish_result.rate",
        measured="wish before and result after, two commits",
        against="plain sqlite3, the row and its result in one transaction, same durability",
        unit="orders/s",
        samples=ours.of("per_s"),
        floor_samples=found["plain_one_transaction"].of("per_s"),
        better="higher",
        target=Target(at=0.5),
    )
    yield Row(
        name="ledger.claim_settle.cpu",
        measured=measured,
        against=against,
        unit="us cpu",
        samples=ours.of("cpu_s", scale=1e6),
        floor_samples=plain.of("cpu_s", scale=1e6),
    )


def _flatness(sizes: Sizes) -> Iterator[Row]:
    subject = partial(
        measure,
        "ledger_subjects:few_and_many",
        few=sizes.few_rows,
        many=sizes.many_rows,
        turns=sizes.turns,
    )
    found = interleave({"wcsync": subject}, sizes.slow_repetitions)["wcsync"]
    for step, measured in STEPS.items():
        yield Row(
            name=f"ledger.flat.{step}",
            measured=f"{measured}, {sizes.many_rows} settled rows",
            against=f"the same with {sizes.few_rows}",
            unit="us",
            samples=found.of(f"{step}_many_s", scale=1e6),
            floor_samples=found.of(f"{step}_few_s", scale=1e6),
            target=Target(at=2.5 if sizes.many_rows > MILLION else 1.5),
        )
    yield Row(
        name="ledger.bytes",
        measured=f"file of {sizes.many_rows} order lines, with all that belongs to them",
        against="400 bytes each",
        unit="bytes/line",
        samples=found.of("line_b"),
        floor_samples=against_settings(400),
        calculated=True,
        target=Target(at=1.0),
    )
