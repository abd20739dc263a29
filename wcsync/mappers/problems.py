"""Collects mistakes, so that a person sees all of them at once."""

import re
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from wcsync.errors import ConfigError, Problem

MOST_TOLD = 20
"""So many mistakes are told where nobody asked for all: one wrong column makes one in each row of a long file."""

P = ParamSpec("P")
T = TypeVar("T")


class Problems:
    """What several checks raised, in the order they ran."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def attempt(self, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The check's answer; None if it raised ConfigError, whose problems are kept."""
        try:
            return check(*args, **kwargs)
        except ConfigError as exc:
            self._found.extend(exc.problems)
            return None

    def add(self, where: str, message: str, remedy: str) -> None:
        self._found.append(Problem(where=where, message=message, remedy=remedy))

    def raise_any(self) -> None:
        """Raises ConfigError with all that was found, by line. It has no cause: causes may quote a file."""
        if self._found:
            raise ConfigError(sorted(self._found, key=_line))


def render_problems(problems: Sequence[Problem]) -> list[str]:
    """The first of them as sentences, and how many more there are."""
    told = [str(problem) for problem in problems[:MOST_TOLD]]
    left = len(problems) - len(told)
    return [*told, f"and {left} more; `wcsync check` names them all"] if left else told


def _line(problem: Problem) -> int:
    found = re.search(r":(\d+)(?:$|: )", problem.where)
    return int(found[1]) if found else 0


def refused(where: str, message: str, remedy: str) -> ConfigError:
    """One mistake, to be raised."""
    return ConfigError([Problem(where=where, message=message, remedy=remedy)])
