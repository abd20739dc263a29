"""What comes next, in words: commands as a person would type them, and who does the work."""

import shlex
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from wcsync import screen
from wcsync.cli.common import EXIT_UNEXPLAINED
from wcsync.cli.orders import find_order, name_order, word_for
from wcsync.config import Config
from wcsync.ledger.lock import running_instance
from wcsync.ledger.report import Report

EXIT_USAGE = 2


def typed(config_path: Path | None, words: str) -> str:
    """`wcsync parked list --config shop.toml`, with the config that was named in this command."""
    config = "" if config_path is None else f" --config {shlex.quote(str(config_path))}"
    return f"wcsync {words}{config}"


def who_does_it(config: Config, config_path: Path | None) -> str:
    """Who carries out what was decided, and what a person has to do for that."""
    if running_instance(config.ledger.path) is not None:
        return "The daemon does that by itself, in the next minute."
    return f"No daemon runs: {typed(config_path, 'run --once')} does that."


def order_in_words(report: Report, order_id: int) -> str:
    """What people call an order."""
    (row,) = report.numbers_of([order_id])
    return name_order(order_id, row["number"])


def orders_in_words(rows: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(name_order(row["order_id"], row["number"]) for row in rows) or "no order"


def order_in_commands(report: Report, order_id: int, ambiguous: Collection[str] | None = None) -> str:
    """How to name an order in a command, so that no other is meant."""
    (row,) = report.numbers_of([order_id])
    known = report.ambiguous_numbers() if ambiguous is None else ambiguous
    return word_for(order_id, row["number"], known)


def known_order(report: Report, text: str, config_path: Path | None) -> int:
    """The id of the order that `text` names. Ends with 1 if the ledger has none, with 2 if it may mean several."""
    order_id = find_order(report, text)
    if order_id is None:
        give_up(
            f"nothing was done: the ledger has no order {text}; {typed(config_path, 'parked list')} shows what is asked"
        )
    return order_id


def give_up(sentence: str, code: int = EXIT_UNEXPLAINED) -> NoReturn:
    """Ends with a sentence on stderr."""
    screen.say(sentence, err=True)
    sys.exit(code)
