"""Addresses that need not stand in a command: everybody on a machine can list the words of its processes."""

import sys

import click

from wcsync.cli.next_steps import EXIT_USAGE, give_up

STDIN = "-"
LONGEST = 1000


def read_address(word: str, name: str) -> str:
    """The word itself; for `-` a line that is piped in, or typed where there is a terminal. Ends with 2 without one."""
    if word != STDIN:
        return word
    try:
        address = _typed_or_piped(name)
        address.encode()  # in a plain locale any byte comes in, as half a character
    except UnicodeError:
        give_up(f"nothing was done: what came in for {name} is no text in UTF-8", EXIT_USAGE)
    if not address:
        give_up(f"nothing was done: no line came in for {name}", EXIT_USAGE)
    return address


def _typed_or_piped(name: str) -> str:
    if sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt(name, err=True))
    return "" if sys.stdin is None else sys.stdin.readline(LONGEST).strip()
