"""How things stand, in words for `systemctl status`."""

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime

from wcsync.gate import SHOP
from wcsync.health import Condition, Health
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report


def in_words(ledger: SqliteLedger, names: Iterable[str], now: datetime) -> list[str]:
    """A sentence for each of these services, and one for what is to be done."""
    healths = {name: ledger.read_service(name, now).health for name in names}
    with closing(Report(ledger.path)) as report:
        due = report.due()
    return [*(_of_service(name, health) for name, health in healths.items()), f"Due: {due}."]


def _of_service(name: str, health: Health) -> str:
    words = {Condition.UP: "is up", Condition.DOWN: "is unavailable", Condition.BLOCKED: "is BLOCKED"}
    since = "" if health.condition is Condition.UP else f" since {health.since:%Y-%m-%d %H:%M} UTC"
    return f"{'Shop' if name == SHOP else f'LMS {name}'} {words[health.condition]}{since}."
