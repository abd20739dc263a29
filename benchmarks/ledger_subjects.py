"""The ledger alone, each way in a process of its own."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.aging import IN_ORDER, MAPPING, SCATTERED, age, claim, settle
from benchmarks.meter import Sample, timed
from benchmarks.product import CAMPUS
from benchmarks.raw import PlainLedger
from benchmarks.sales import paid_order, record
from wcsync.ledger.ledger import SqliteLedger

LATER = 1_000_000_000
"""Orders from this number on come after all others."""


def claim_and_settle(*, claims: int) -> Sample:
    """Orders through the product's ledger: claimed, then settled, each on disk before the next step."""
    with _ledger() as ledger:
        record(ledger, MAPPING, [paid_order(number, buyer=number) for number in range(claims)])
        with timed() as span:
            for _ in range(claims):
                settle(ledger, claim(ledger))
        assert ledger.next_due_at(CAMPUS) is None
    return {"per_s": claims / span.wall_s, "cpu_s": span.cpu_s / claims}


def plain_updates(*, claims: int) -> Sample:
    """As many commits of one changed row each, in a table without any of the product's rules."""
    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        ledger = PlainLedger(Path(folder, "plain.db"))
        ledger.fill(claims)
        with timed() as span:
            for number in range(claims):
                ledger.set_state(number, "leased")
                ledger.set_state(number, "settled")
        ledger.close()
    return {"per_s": claims / span.wall_s, "cpu_s": span.cpu_s / claims}


def plain_one_transaction(*, claims: int) -> Sample:
    """As many orders noted down and settled, each in one transaction: nothing is on disk before the call is made."""
    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        ledger = PlainLedger(Path(folder, "plain.db"))
        with timed() as span:
            for number in range(claims):
                ledger.add_settled(number)
        ledger.close()
    return {"per_s": claims / span.wall_s, "cpu_s": span.cpu_s / claims}


def few_and_many(*, few: int, many: int, turns: int) -> Sample:
    """What daily steps take in a young ledger and in an old one, turn by turn. Medians, in seconds."""
    return _compare(few, many, turns, SCATTERED)


def few_and_most(*, few: int, most: int, turns: int) -> Sample:
    """The same where the old one is as large as any, and was made in less time than it would take to grow."""
    return _compare(few, most, turns, IN_ORDER)


def _compare(few: int, many: int, turns: int, keys: str) -> Sample:
    with _ledger(few, keys) as young, _ledger(many, keys) as old:
        sample: Sample = {"line_b": old.path.stat().st_size / many}
        for step, act in (("claim", _step_claim), ("look_up", _step_look_up), ("known", _step_known)):
            took = _take_turns(act, {"few": young, "many": old}, turns)
            sample |= {f"{step}_{years}_s": median(times) for years, times in took.items()}
        return sample


def _take_turns(
    act: Callable[[SqliteLedger, int], float], ledgers: dict[str, SqliteLedger], turns: int
) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {years: [] for years in ledgers}
    for turn in range(turns):
        for years in sorted(ledgers, reverse=bool(turn % 2)):
            took[years].append(act(ledgers[years], turn))
    return took


def _step_claim(ledger: SqliteLedger, turn: int) -> float:
    """Leases the oldest due row; settling it and buying the next are not part of it."""
    record(ledger, MAPPING, [paid_order(LATER + turn, buyer=LATER + turn)])
    with timed() as span:
        claimed = claim(ledger)
    settle(ledger, claimed)
    return span.wall_s


def _step_look_up(ledger: SqliteLedger, _turn: int) -> float:
    """Whether anything is due: asked by each idle thread every second."""
    with timed() as span:
        due_at = ledger.next_due_at(CAMPUS)
    assert due_at is None, due_at
    return span.wall_s


def _step_known(ledger: SqliteLedger, turn: int) -> float:
    """An order read again, nothing new in it."""
    order = paid_order(LATER + turn, buyer=LATER + turn)
    with timed() as span:
        fresh = record(ledger, MAPPING, [order])
    assert fresh == 0, fresh
    return span.wall_s


@contextmanager
def _ledger(orders: int = 0, keys: str = SCATTERED) -> Iterator[SqliteLedger]:
    """An empty one, or one of so many orders."""
    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        path = Path(folder, "ledger.db")
        if orders:
            age(path, orders, keys)
        with closing(SqliteLedger(path)) as ledger:
            yield ledger
