"""Rows about the ledger."""

from collections.abc import Iterator
from functools import partial

from benchmarks.harness import Samples, interleave, measure
from benchmarks.rows import Row, Target, against_settings
from benchmarks.sizes import Sizes

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
    yield from _steps("ledger.flat", found, sizes.few_rows, sizes.many_rows, Target(at=1.5))
    yield Row(
        name="ledger.bytes",
        measured=f"file of {sizes.many_rows} orders of a line, with its learner, audit and note",
        against="400 bytes each",
        unit="bytes/line",
        samples=found.of("line_b"),
        floor_samples=against_settings(400),
        calculated=True,
        target=Target(at=1.0),
    )


def keep_a_huge_ledger(sizes: Sizes) -> Iterator[Row]:
    """Whether daily steps stay as quick in a ledger larger than any shop's. Takes ten gigabytes for a while."""
    subject = "ledger_subjects:few_and_most"
    found = interleave(
        {"wcsync": partial(measure, subject, few=sizes.few_rows, most=sizes.most_rows, turns=sizes.turns)}, 1
    )["wcsync"]
    yield from _steps("ledger_huge", found, sizes.few_rows, sizes.most_rows, Target(at=2.5))


def _steps(name: str, found: Samples, few: int, many: int, target: Target) -> Iterator[Row]:
    for step, measured in STEPS.items():
        yield Row(
            name=f"{name}.{step}",
            measured=f"{measured}, {many} settled rows",
            against=f"the same with {few}",
            unit="us",
            samples=found.of(f"{step}_many_s", scale=1e6),
            floor_samples=found.of(f"{step}_few_s", scale=1e6),
            target=target,
        )
