"""Whether a daemon that runs also gets on, by its last complete look at the orders."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from wcsync.cli.next_steps import typed
from wcsync.config import Config
from wcsync.gate import SHOP
from wcsync.health import Condition
from wcsync.ledger.lock import running_since
from wcsync.pollers.orders import CURSOR
from wcsync.times import parse_instant, render_instant

Row = Mapping[str, Any]
PERIODS = 2
"""So many longest waits between two looks may pass, and the time one answer may take (twice the time-out), before
anybody is told."""


def standstill(
    config: Config, services: Iterable[Row], cursors: Iterable[Row], now: datetime
) -> dict[str, Any] | None:
    """Since when the daemon has read no order to the end although it could have; None while all is well or none runs,
    and of a `run --once`, which works off what its one look brought for as long as that takes.

    A shop in trouble was to be asked again at a time that the ledger knows. `since`: the last complete look, or the
    daemon's start if that came later; `for_s`: seconds from then until now. What a clock that was ahead has dated does
    not count.
    """
    started = running_since(config.ledger.path)
    known = [one for one in (started, _last_look(cursors)) if one is not None and one <= now]
    if started is None or not known:
        return None
    since = max(known)
    patience = timedelta(seconds=PERIODS * config.orders.poll_every_s + 2 * config.store.timeout_s)
    if now - max(since, _asked_again_at(services) or since) <= patience:
        return None
    return {"since": render_instant(since), "for_s": round((now - since).total_seconds())}


def tell_standstill(found: Row, config: Config, config_path: Path | None) -> str:
    """What that means, and what to do."""
    return (
        f"The daemon runs but has read NO ORDERS to the end since {found['since'][:19]} (UTC), {found['for_s']} "
        f"seconds ago; it begins to every {config.orders.poll_every_s:g} seconds at least. A pass over very "
        f"many orders may take longer: then {typed(config_path, 'status')} shows more orders each time. Else "
        "`journalctl -u wcsync` says what holds it up; `systemctl restart wcsync` is safe at any time."
    )


def _asked_again_at(services: Iterable[Row]) -> datetime | None:
    """When a shop in trouble is to be asked again; None of one that is up."""
    sick = (row for row in services if row["name"] == SHOP and row["condition"] != Condition.UP)
    return next((parse_instant(row["retry_at"]) for row in sick if row["retry_at"]), None)


def _last_look(cursors: Iterable[Row]) -> datetime | None:
    looks = [row["polled_at"] for row in cursors if row["name"] == CURSOR and row["polled_at"]]
    return parse_instant(looks[0]) if looks else None
