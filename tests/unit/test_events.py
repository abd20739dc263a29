"""The catalogue of log events says what the code writes, and README says what the catalogue says."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from tests.fakes import T0
from wcsync.cli.sentences import SENTENCES
from wcsync.events import ALWAYS, CATALOGUE, ENROLMENT, EVENTS
from wcsync.ledger.report import Summary
from wcsync.reckoning import Reckoning

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical"}
NO_PRODUCT = {"sandbox", "demo", "events.py"}
BOUND = {"enrolment_settled": set(ENROLMENT), "worker_failed": set(ENROLMENT)}
"""Keys that a worker binds for all lines of an attempt."""
SPREAD = {"cycle_finished", "reconciled"}
"""Lines whose keys are those of a value."""


def functions() -> Iterator[ast.FunctionDef]:
    for path in sorted((ROOT / "wcsync").rglob("*.py")):
        if not NO_PRODUCT & {path.name, *path.parts}:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(function) if isinstance(node, ast.Call))


def names_of(call: ast.Call, of_services: set[str]) -> set[str]:
    """The events a call writes: its constant first argument, or all of the services' where it looks one up."""
    function, first = call.func, call.args[0] if call.args else None
    speaks = isinstance(function, ast.Attribute) and function.attr in LEVELS
    if not speaks and not (isinstance(function, ast.Name) and function.id in {"say", "level"}):
        return set()
    if isinstance(first, ast.Constant) and re.fullmatch("[a-z_]+", str(first.value)):
        return {str(first.value)}
    return of_services if isinstance(first, ast.Subscript) else set()


@cache
def written() -> dict[str, set[str]]:
    """Each event that the code can write, with the keys it may have."""
    found: dict[str, set[str]] = {}
    for function in functions():
        bound = {
            keyword.arg or ""
            for call in calls(function)
            if isinstance(call.func, ast.Attribute) and call.func.attr == "bind"
            for keyword in call.keywords
        }
        for call in calls(function):
            given = {keyword.arg or "" for keyword in call.keywords} - {"exc_info"}
            down = "down_s" in given
            of_services = {"service_recovered"} if down else {"service_unavailable", "service_blocked"}
            for name in names_of(call, of_services):
                found.setdefault(name, set()).update(given | bound | BOUND.get(name, set()))
    return found


def test_the_code_writes_the_events_of_the_catalogue_and_no_others() -> None:
    assert set(written()) == set(EVENTS)


@pytest.mark.parametrize("name", sorted(set(EVENTS) - SPREAD))
def test_an_event_has_the_keys_of_the_catalogue_and_no_others(name: str) -> None:
    assert written()[name] == set(EVENTS[name].keys)


def test_the_figures_of_a_cycle_are_those_of_the_summary() -> None:
    assert EVENTS["cycle_finished"].keys == tuple(field.name for field in fields(Summary))


def test_the_figures_of_a_proof_are_those_of_the_reckoning() -> None:
    proof = Reckoning(since=T0, began_at=T0, ended_at=T0, orders=0, fresh=0, deleted=0)
    assert EVENTS["reconciled"].keys[: len(proof.counts())] == tuple(proof.counts())


def test_readme_lists_the_catalogue() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    logs = readme.partition("\n## Logs\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*?) \| (.*) \|$", logs, re.MULTILINE)
    assert rows == [
        (event.name, " ".join(f"`{key}`" for key in event.keys), event.when) for event in CATALOGUE
    ]
    assert all(f"`{key}`" in logs for key in ALWAYS)


def test_each_event_has_a_sentence_and_no_other_has() -> None:
    assert set(SENTENCES) == set(EVENTS)
