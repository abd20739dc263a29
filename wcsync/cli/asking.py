"""Addresses that need not stand in a command: everybody on a machine can list the words of its processes."""

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from wcsync.cli.next_steps import EXIT_USAGE, give_up

STDIN = "-"
LONGEST = 4096
"""So many letters are read at the most."""


def read_addresses(**words: str) -> list[str]:
    """The words themselves, in their order; for each `-` a line that is piped in, or typed where there is a terminal.

    What is piped in must hold one line for each `-`, and nothing else: ends with 2 otherwise.
    """
    asked = [name for name, word in words.items() if word == STDIN]
    try:
        came = _typed_or_piped(asked) if asked else []
        "".join(came).encode()  # in a plain locale any byte comes in, as half a character
    except UnicodeError:
        give_up(f"nothing was done: what came in for {_listed(asked)} is no text in UTF-8", EXIT_USAGE)
    if len(came) < len(asked):
        give_up(f"nothing was done: no line came in for {asked[len(came)]}", EXIT_USAGE)
    if len(came) > len(asked):
        _refuse_more(asked)
    found = iter(came)
    return [next(found) if word == STDIN else word for word in words.values()]


def _typed_or_piped(asked: Sequence[str]) -> list[str]:
    if sys.stdin is None:
        return []
    if sys.stdin.isatty():
        return [str(click.prompt(name, err=True)) for name in asked]
    text = sys.stdin.read(LONGEST + 1)
    if len(text) > LONGEST:
        _refuse_more(asked)
    return [line.strip() for line in text.split("\n") if line.strip()]


def _refuse_more(asked: Sequence[str]) -> NoReturn:
    one = "one line" if len(asked) == 1 else "one line each"
    give_up(
        f"nothing was done: more came in than {one} for {_listed(asked)}; for several people call it once for each",
        EXIT_USAGE,
    )


def _listed(asked: Sequence[str]) -> str:
    return " and ".join(asked)
